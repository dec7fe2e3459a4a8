// SPDX-License-Identifier: Apache-2.0
// Page tables in a map, for tests of the page-table algorithm: every write is recorded, and after every write the
// test can look at the whole tree as a walker on another CPU would.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

#include "base/address.hpp"

namespace bulkhead::test {

class FakeTables {
  public:
    struct Write {
        uint64_t entry;
        uint64_t value;
    };

    std::map<uint64_t, uint64_t> words;
    std::vector<Write> writes;
    std::set<uint64_t> live;     // table pages in use
    std::set<uint64_t> retired;  // given back, but walkers may still be in them
    unsigned pages_left = 1000;  // the quota
    unsigned largest_page_level = 2;
    std::function<void()> after_write = [] {};

    uint64_t new_page() {
        const uint64_t page = next_page_;
        next_page_ += page_size_bytes;
        live.insert(page);
        return page;
    }
    void check_live(uint64_t entry) const {
        const uint64_t page = align_down(entry, page_size_bytes);
        if (!live.contains(page) && !retired.contains(page))
            throw std::logic_error("access to a table that is not there");
    }

  private:
    uint64_t next_page_ = 0x10'0000;
};

/// The Memory of the page table under test.
struct FakeMemory {
    FakeTables* tables;

    uint64_t read(PhysicalAddress entry) const {
        tables->check_live(entry.value());
        const auto found = tables->words.find(entry.value());
        return found == tables->words.end() ? 0 : found->second;
    }
    void write(PhysicalAddress entry, uint64_t value) const {
        tables->check_live(entry.value());
        tables->words[entry.value()] = value;
        tables->writes.push_back({entry.value(), value});
        tables->after_write();
    }
    unsigned largest_page_level() const { return tables->largest_page_level; }
    std::optional<PhysicalAddress> allocate() {
        if (tables->pages_left == 0) return std::nullopt;
        --tables->pages_left;
        return PhysicalAddress{tables->new_page()};
    }
    void release(PhysicalAddress page) {
        ++tables->pages_left;
        tables->live.erase(page.value());
    }
    void retire(PhysicalAddress page) {
        ++tables->pages_left;
        tables->live.erase(page.value());
        tables->retired.insert(page.value());
    }
};

}  // namespace bulkhead::test
