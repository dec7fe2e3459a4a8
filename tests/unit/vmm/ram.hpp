// SPDX-License-Identifier: Apache-2.0
// Guest RAM for unit tests, on the heap so that the address sanitizer watches its ends.
#pragma once

#include <vector>

#include "vmm/vm/guest_memory.hpp"

namespace bulkhead::vmm::test {

class Ram {
  public:
    explicit Ram(uint64_t size_bytes, uint64_t start = 0) { add(size_bytes, start); }
    void add(uint64_t size_bytes, uint64_t start) {
        storage_.emplace_back(size_bytes);
        memory_.add({GuestPhysicalAddress{start}, size_bytes, storage_.back().data()}).unwrap("test layout");
    }
    GuestMemory& memory() { return memory_; }
    template <typename T>
    void put(uint64_t address, T value) {
        if (!memory_.write_value(GuestPhysicalAddress{address}, value)) __builtin_trap();
    }
    void put_bytes(uint64_t address, std::initializer_list<uint8_t> bytes) {
        for (uint8_t byte : bytes) put(address++, byte);
    }
    template <typename T>
    T at(uint64_t address) {
        return memory_.read_value<T>(GuestPhysicalAddress{address}).value();
    }

  private:
    std::vector<std::vector<std::byte>> storage_;
    GuestMemory memory_;
};

}  // namespace bulkhead::vmm::test
