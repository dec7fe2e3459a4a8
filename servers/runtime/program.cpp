// SPDX-License-Identifier: Apache-2.0
// What the program owns for itself, once per program: its slots, addresses and heap, each behind a lock, and how the
// program ends.
#include "runtime/program.hpp"

#include "base/address.hpp"
#include "protocol/control.hpp"
#include "runtime/address_space.hpp"
#include "runtime/heap.hpp"
#include "runtime/message.hpp"
#include "runtime/mutex.hpp"
#include "runtime/object.hpp"
#include "runtime/slots.hpp"
#include "runtime/start.hpp"
#include "runtime/thread.hpp"
#include "runtime/time.hpp"

namespace bulkhead::runtime {
namespace {

constinit Environment the_environment{};
constinit SlotMap the_slots;
constinit RangeMap the_addresses;
constinit Heap the_heap;
constinit Mutex slots_mutex;
constinit Mutex addresses_mutex;
constinit Mutex heap_mutex;

/// Takes the root task's heap from the end of its largest memory, so that what is below stays one piece.
void take_root_heap(const abi::RootInformation& root) {
    const abi::RootMemory* largest = &root.memories[0];
    for (uint32_t i = 1; i < root.memory_count; ++i) {
        if (root.memories[i].size_bytes > largest->size_bytes) largest = &root.memories[i];
    }
    const uint64_t wanted = &root_heap_bytes != nullptr ? root_heap_bytes : default_root_heap_bytes;
    the_environment.heap_bytes = wanted;
    the_environment.heap_source = largest->selector;
    the_environment.heap_source_offset = align_down(largest->size_bytes, page_size_bytes) - wanted;
    const Memory heap = Memory{largest->selector}
                            .derive(the_environment.heap_source_offset, wanted, read_write | abi::MemoryRight::Derive)
                            .unwrap("the kernel gives memory to the root task");
    heap.map(protocol::Place::heap, 0, wanted, read_write).unwrap("the root task's address space is empty there");
    the_environment.heap_memory = heap.selector();
}

}  // namespace

const Environment& environment() { return the_environment; }
void set_exception_portals(abi::Selector first) { the_environment.exception_portals = first; }

void initialize_root(const abi::RootInformation& root) {
    the_environment.name = "root";
    the_environment.root = &root;
    the_environment.cpu_count = root.cpu_count;
    the_environment.priority = abi::priorities / 2;
    the_environment.cpus = root.cpu_count >= 64 ? ~uint64_t{0} : (uint64_t{1} << root.cpu_count) - 1;
    the_environment.machine = abi::WellKnownSlot::Machine;
    the_slots.initialize(root.first_free_slot, root.capability_slots);
    the_addresses.initialize(
        *Range::create(protocol::Place::runtime, protocol::Place::runtime_end - protocol::Place::runtime));
    take_root_heap(root);
    the_heap.initialize(reinterpret_cast<void*>(protocol::Place::heap), the_environment.heap_bytes);
}

void initialize_program(const protocol::StartupInformation& startup) {
    using protocol::CapabilityName;
    const auto find = [&](std::string_view name) {
        const auto* entry = startup.find(name);
        return entry != nullptr ? entry->first : abi::null_selector;
    };
    the_environment.name = startup.name;
    the_environment.startup = &startup;
    the_environment.cpu_count = system_information().cpu_count;
    the_environment.cpus = startup.cpus;
    the_environment.priority = startup.priority;
    the_environment.machine = find(CapabilityName::machine);
    the_environment.exception_portals = find(CapabilityName::exception);
    the_environment.supervisor_portals = find(CapabilityName::supervisor);
    the_environment.heap_memory = find(CapabilityName::heap);
    the_environment.heap_bytes = startup.heap_bytes;
    the_slots.initialize(startup.first_free_slot, startup.capability_slots);
    the_addresses.initialize(
        *Range::create(protocol::Place::runtime, protocol::Place::runtime_end - protocol::Place::runtime));
    if (startup.heap_bytes != 0) {
        the_heap.initialize(reinterpret_cast<void*>(protocol::Place::heap), startup.heap_bytes);
    }
}

abi::Result<abi::Selector> allocate_slots(uint32_t count) {
    const MutexLock lock{slots_mutex};
    return the_slots.allocate(count);
}

void release_slots(abi::Selector first, uint32_t count) {
    const MutexLock lock{slots_mutex};
    the_slots.release(first, count);
}

abi::Result<uint64_t> allocate_addresses(uint64_t size, uint64_t alignment) {
    const MutexLock lock{addresses_mutex};
    return the_addresses.allocate(align_up(size, page_size_bytes), alignment);
}

void release_addresses(uint64_t start, uint64_t size) {
    const MutexLock lock{addresses_mutex};
    the_addresses.release(start, align_up(size, page_size_bytes));
}

void* allocate(size_t size, size_t alignment) {
    const MutexLock lock{heap_mutex};
    return the_heap.allocate(size, alignment);
}

void release(void* pointer) {
    const MutexLock lock{heap_mutex};
    the_heap.release(pointer);
}

size_t heap_free_bytes() {
    const MutexLock lock{heap_mutex};
    return the_heap.free_bytes();
}

void Mutex::lock_contended() {
    uint64_t pause_ns = 5 * ns_per_us;
    while (locked_.exchange(true, std::memory_order_acquire)) {
        sleep_for(pause_ns);
        if (pause_ns < ns_per_ms) pause_ns *= 2;
    }
}

void exit(int status) {
    const Environment& environment = the_environment;
    if (environment.root != nullptr) {
        static_cast<void>(invoke(abi::Halt{environment.machine, static_cast<uint8_t>(status)}));
        stop_this_thread();  // where there is no emulator that ends the run
    } else if (environment.supervisor_portals != abi::null_selector) {
        static_cast<void>(call(environment.supervisor_portals + this_cpu(),
                               protocol::control_label(protocol::ControlOperation::Exit),
                               static_cast<uint64_t>(status)));
        stop_this_thread();  // the domain is being destroyed
    }
    stop_by_fault();
}

}  // namespace bulkhead::runtime
