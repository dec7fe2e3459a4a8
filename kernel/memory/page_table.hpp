// SPDX-License-Identifier: Apache-2.0
// One algorithm for every radix page table: host, nested, extended. What an entry looks like is the Format's business
// (hw/x86/page_table_entry.hpp), how tables are read and written and where their pages come from and go to is the
// Memory's, and flushing TLBs is the caller's. So the whole of it runs on the host under test.
//
// Mappings do not overlap and go as they came, so no page is ever replaced or split.
//
// Concurrency: one CPU changes a tree at a time (its owner's lock); CPUs and devices may walk it meanwhile. A walker
// sees, for every address, either the old or the new translation: new tables are complete before the one write that
// links them, and a table that leaves the tree is retired, not freed, because walkers may hold it until the flush.
//
// Operations do a bounded amount of work and say how far they came; the caller goes on from there.
#pragma once

#include <algorithm>

#include "base/result.hpp"
#include "hw/x86/page_table_entry.hpp"

namespace bulkhead::kernel {

/// The memory tables are in. Entries have physical addresses; `write` is seen by walkers as one store, after those
/// before it. `allocate` gives a page, cleared and paid for, or not: then the operation ends there. `release` takes a
/// page no walker has seen; where mappings are removed, `retire(page)` keeps one until the TLB flush. Entries may be
/// pages up to `largest_page_level`: 1 (2 MiB), or 2 (1 GiB) if the CPU has these.
template <typename T>
concept PageTableMemory = requires(T memory, PhysicalAddress address, uint64_t value) {
    { memory.read(address) } -> std::same_as<uint64_t>;
    memory.write(address, value);
    { memory.allocate() } -> std::same_as<std::optional<PhysicalAddress>>;
    memory.release(address);
    { memory.largest_page_level() } -> std::same_as<unsigned>;
};

/// How far mapping came.
struct PageTableProgress {
    uint64_t bytes = 0;      // done, from the start of the range
    bool exhausted = false;  // stopped because the source gave no page
};

template <typename Format, PageTableMemory Memory>
class PageTable {
  public:
    /// Entries that one call may write or skip before it returns.
    static constexpr unsigned default_budget = 256;

    PageTable(PhysicalAddress root, Memory memory) : root_{root}, memory_{memory} {}

    /// Maps [virtual, +size), where nothing is mapped, to [physical, +size), all multiples of 4 KiB, by the largest
    /// pages that fit.
    [[nodiscard]] PageTableProgress map(uint64_t virtual_address, PhysicalAddress physical, uint64_t size,
                                        x86::PageAccess access, unsigned budget = default_budget) {
        PageTableProgress progress;
        while (progress.bytes < size && budget > 0) {
            const uint64_t at = virtual_address + progress.bytes;
            const unsigned level = best_level(at | (physical + progress.bytes).value(), size - progress.bytes);
            const uint64_t bytes = Format::bytes_at(level);
            const std::optional<PhysicalAddress> table = table_for(at, level);
            if (!table) {
                progress.exhausted = true;
                break;
            }
            for (unsigned index = index_of(at, level);
                 index < Format::entries && size - progress.bytes >= bytes && budget > 0; ++index, --budget) {
                const PhysicalAddress entry = entry_at(*table, index);
                ASSERT(!Format::present(memory_.read(entry)));
                memory_.write(entry, Format::make_page(physical + progress.bytes, access, level));
                progress.bytes += bytes;
            }
        }
        return progress;
    }

    /// Removes what is mapped in [virtual, +size), which ends at borders of pages. Returns how far it came.
    [[nodiscard]] uint64_t unmap(uint64_t virtual_address, uint64_t size, unsigned budget = default_budget) {
        Removal removal{virtual_address, virtual_address + size, budget};
        remove_in(root_, Format::levels - 1, removal);
        return removal.position - virtual_address;
    }

  private:
    struct Removal {
        uint64_t position;
        uint64_t end;
        unsigned budget;
    };

    static unsigned index_of(uint64_t address, unsigned level) {
        return (address >> (page_shift + Format::index_bits * level)) & (Format::entries - 1);
    }
    static PhysicalAddress entry_at(PhysicalAddress table, unsigned index) { return table + index * sizeof(uint64_t); }

    /// The level of the largest page at an address, virtual and physical in one word, that is not larger than `size`.
    unsigned best_level(uint64_t address, uint64_t size) const {
        unsigned level = memory_.largest_page_level();
        while (level > 0 && (size < Format::bytes_at(level) || !is_aligned(address, Format::bytes_at(level)))) --level;
        return level;
    }

    /// The table of level `target` on the way to an address. Those that are missing are made: the chain of them is
    /// complete before one write links it, and when the source gives out, nothing has changed.
    std::optional<PhysicalAddress> table_for(uint64_t address, unsigned target) {
        PhysicalAddress table = root_;
        unsigned level = Format::levels - 1;
        for (; level > target; --level) {
            const uint64_t entry = memory_.read(entry_at(table, index_of(address, level)));
            if (!Format::present(entry)) break;
            ASSERT(!Format::leaf(entry, level));
            table = Format::table_address(entry);
        }
        if (level == target) return table;
        PhysicalAddress chain[Format::levels];  // by level
        for (unsigned below = target; below < level; ++below) {
            const std::optional<PhysicalAddress> page = memory_.allocate();
            if (!page) {
                while (below > target) memory_.release(chain[--below]);
                return std::nullopt;
            }
            chain[below] = *page;
            if (below > target)
                memory_.write(entry_at(*page, index_of(address, below)), Format::make_table(chain[below - 1]));
        }
        memory_.write(entry_at(table, index_of(address, level)), Format::make_table(chain[level - 1]));
        return chain[target];
    }

    /// Removes what of the range lies in this table, and the tables below that become empty.
    void remove_in(PhysicalAddress table, unsigned level, Removal& removal) {
        const uint64_t bytes = Format::bytes_at(level);
        unsigned index = index_of(removal.position, level);
        for (; index < Format::entries && removal.position != removal.end && removal.budget > 0; ++index) {
            const PhysicalAddress at = entry_at(table, index);
            const uint64_t entry = memory_.read(at);
            --removal.budget;
            if (Format::present(entry) && !Format::leaf(entry, level)) {
                const PhysicalAddress child = Format::table_address(entry);
                remove_in(child, level - 1, removal);
                if (!all_empty(child)) continue;
                memory_.write(at, 0);
                memory_.retire(child);
                continue;
            }
            const uint64_t to_next_entry = bytes - (removal.position & (bytes - 1));
            const uint64_t part = std::min(to_next_entry, removal.end - removal.position);
            if (Format::present(entry)) {
                ASSERT(part == bytes);
                memory_.write(at, 0);
            }
            removal.position += part;
        }
    }

    bool all_empty(PhysicalAddress table) {
        for (unsigned i = 0; i < Format::entries; ++i)
            if (memory_.read(entry_at(table, i)) != 0) return false;
        return true;
    }

    PhysicalAddress root_;
    Memory memory_;
};

}  // namespace bulkhead::kernel
