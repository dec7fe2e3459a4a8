// SPDX-License-Identifier: Apache-2.0
// Things tests need around them: memory, other domains that run functions of the same program, raw system calls.
#pragma once

#include <cstdint>

#include "abi/register.hpp"
#include "runtime/handler.hpp"
#include "runtime/object.hpp"
#include "runtime/thread.hpp"
#include "tests/system/framework/test.hpp"

namespace bulkhead::test {

/// Memory of its own, taken from the root task's largest memory object; cleared, all rights. Rounded up to pages; a
/// size that is a multiple of 2 MiB is aligned to that.
abi::Result<Memory> take_memory(uint64_t size);

/// Memory that is mapped read-write here.
struct MappedMemory {
    Memory memory;
    uint64_t address = 0;
    uint64_t size = 0;

    template <typename T>
    T* as(uint64_t offset = 0) const {
        return reinterpret_cast<T*>(address + offset);
    }
    /// Destroys it: the mapping goes with it.
    void destroy();
};
abi::Result<MappedMemory> take_mapped_memory(uint64_t size);
/// Destroys memory of `take_memory`.
void give_memory_back(Memory& memory);

/// A system call with any register content, all of which comes back.
void raw_call(abi::Registers& registers);
/// The status of a call struct, invoked.
template <typename Call>
Status raw_status(const Call& call) {
    return status_of(invoke(call));
}

/// A handler thread of this program and a portal to it, on one CPU.
struct Handler {
    runtime::Thread thread;
    runtime::Portal portal;

    static abi::Result<Handler> create(runtime::HandlerEntry entry, uint64_t badge = 0, uint32_t cpu = 0);
    void destroy();
};

/// A thread of this program, running.
abi::Result<runtime::Thread> start_thread(runtime::ThreadFunction function, void* argument, uint8_t priority,
                                          uint32_t cpu = 0, Selector exception_portal = abi::null_selector);

/// Waits until a condition holds; false if that takes too long.
template <typename Condition>
bool eventually(Condition condition) {
    const uint64_t deadline = soon();
    while (!condition()) {
        if (runtime::now_ticks() > deadline) return false;
        runtime::sleep_for(50 * ns_per_us);
    }
    return true;
}

struct ChildOptions {
    uint64_t quota_pages = 400;
    uint32_t capability_slots = 256;
    uint8_t maximum_priority = 255;
    /// Whether slot 1 of the child holds the child itself.
    bool has_self = true;
};

/// Another native domain with a copy of this program's image at the same addresses: it can run its functions, on data
/// of its own. One page is shared with the test, at the same address on both sides.
class Child {
  public:
    static constexpr unsigned max_threads = 4;

    static abi::Result<Child> create(const ChildOptions& options = {});

    runtime::Domain domain;

    /// Copies a capability of the test into a slot of the child.
    [[nodiscard]] abi::Result<void> give(Selector selector, Selector slot, abi::Rights rights = abi::all_rights) const;
    /// The page both see.
    template <typename T>
    T& shared() const {
        return *reinterpret_cast<T*>(shared_address);
    }
    static constexpr uint64_t shared_address = 0x27'0000'0000;

    /// A thread of the child that runs `function(argument)`, then stops by a fault.
    abi::Result<runtime::Capability> start(runtime::ThreadFunction function, void* argument, uint8_t priority,
                                           uint32_t cpu = 0, Selector exception_portal = abi::null_selector);
    /// A handler thread of the child.
    abi::Result<runtime::Capability> create_handler(uint32_t cpu = 0, Selector exception_portal = abi::null_selector);
    /// A handler of the child and a portal to it, owned by the child, in the test's space.
    abi::Result<runtime::Portal> create_portal(runtime::HandlerEntry entry, uint64_t badge = 0, uint32_t cpu = 0);

    /// Destroys the domain and takes its memory back.
    void destroy();

  private:
    abi::Result<runtime::Capability> create_thread(runtime::ThreadFunction function, void* argument, uint32_t cpu,
                                                   Selector exception_portal, abi::ThreadFlags flags);
    MappedMemory arena_;  ///< its data, the shared page, its stacks
    unsigned threads_ = 0;
};

}  // namespace bulkhead::test
