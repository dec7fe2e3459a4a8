// SPDX-License-Identifier: Apache-2.0
#include "tests/system/framework/world.hpp"

#include <cstring>

#include "base/address.hpp"
#include "base/scope_guard.hpp"
#include "runtime/address_space.hpp"

extern "C" {
extern char program_start[];
extern char program_rodata_start[];
extern char program_data_start[];
extern char program_end[];
}

namespace bulkhead::test {
namespace {

constexpr uint64_t large_page = 2 * 1024 * 1024;
constexpr uint64_t stack_bytes = 16 * 1024;
constexpr uint64_t child_threads_base = protocol::Place::runtime;

uint64_t address_of(const char* symbol) { return reinterpret_cast<uint64_t>(symbol); }

const abi::RootMemory& largest_memory() {
    const abi::RootMemory* largest = &root().memories[0];
    for (uint32_t i = 1; i < root().memory_count; ++i) {
        if (root().memories[i].size_bytes > largest->size_bytes) largest = &root().memories[i];
    }
    return *largest;
}

/// Offsets in `largest_memory` below the heap the runtime took.
runtime::RangeMap& offsets() {
    static runtime::RangeMap map;
    static bool initialized = false;
    if (!initialized) {
        initialized = true;
        map.initialize(*Range::create(0, runtime::environment().heap_source_offset));
    }
    return map;
}

/// The memory objects taken, to give their offsets back. Few are alive at once.
struct Taken {
    Selector selector;
    uint64_t offset;
    uint64_t size;
};
Taken taken[128];

Taken* find_taken(Selector selector) {
    for (Taken& entry : taken) {
        if (entry.selector == selector) return &entry;
    }
    return nullptr;
}

/// Read-only part of the program, copied once for all children.
abi::Result<Memory> program_code() {
    static Memory code;
    if (code) return code;
    const uint64_t size = address_of(program_data_start) - address_of(program_start);
    const auto copy = TRY(take_mapped_memory(size));
    std::memcpy(copy.as<char>(), program_start, size);
    code = copy.memory;
    return code;
}

extern "C" [[noreturn]] void child_thread_main(runtime::ThreadBlock* block) {
    block->function(block->argument);
    runtime::stop_by_fault();
}

[[gnu::naked]] void child_thread_entry() {
    asm("xor %%ebp, %%ebp\n\t"
        "call %P[main]\n\t"
        "ud2"
        :
        : [main] "i"(&child_thread_main));
}

}  // namespace

abi::Result<Memory> take_memory(uint64_t size) {
    size = align_up(size, page_size_bytes);
    const abi::RootMemory& source = largest_memory();
    // Aligned in physical memory, so that large pages can map it.
    const uint64_t alignment = size % large_page == 0 ? large_page : page_size_bytes;
    const uint64_t slack =
        alignment == large_page ? align_up(source.physical_address, large_page) - source.physical_address : 0;
    uint64_t offset = TRY(offsets().allocate(size + (slack != 0 ? large_page : 0), alignment));
    const uint64_t reserved = offset;
    offset += slack;
    auto memory = Memory{source.selector}.derive(offset, size);
    Taken* entry = find_taken(abi::null_selector);
    if (!memory.ok() || entry == nullptr) {
        offsets().release(reserved, size + (slack != 0 ? large_page : 0));
        return memory.ok() ? Status::OutOfMemory : memory.error();
    }
    *entry = {memory.value().selector(), reserved, size + (slack != 0 ? large_page : 0)};
    return memory;
}

abi::Result<MappedMemory> take_mapped_memory(uint64_t size) {
    size = align_up(size, page_size_bytes);
    MappedMemory mapped;
    mapped.memory = TRY(take_memory(size));
    mapped.size = size;
    mapped.address = TRY(runtime::allocate_addresses(size, size % large_page == 0 ? large_page : page_size_bytes));
    TRY(mapped.memory.map(mapped.address, 0, size, runtime::read_write));
    return mapped;
}

void give_memory_back(Memory& memory) {
    Taken* entry = find_taken(memory.selector());
    if (memory.destroy().ok() && entry != nullptr) {
        offsets().release(entry->offset, entry->size);
        *entry = {};
    }
}

void MappedMemory::destroy() {
    if (!memory) return;
    give_memory_back(memory);
    runtime::release_addresses(address, size);
}

[[gnu::naked]] static void raw_call_registers(abi::Registers* /*registers*/) {
    // The order of abi::Registers: R15, R14, R13, R12, RBX, R10, R9, R8, RSI, RDI, RAX.
    asm("push %%rbx\n\tpush %%rbp\n\tpush %%r12\n\tpush %%r13\n\tpush %%r14\n\tpush %%r15\n\tpush %%rdi\n\t"
        "mov (%%rdi), %%r15\n\tmov 8(%%rdi), %%r14\n\tmov 16(%%rdi), %%r13\n\tmov 24(%%rdi), %%r12\n\t"
        "mov 32(%%rdi), %%rbx\n\tmov 40(%%rdi), %%r10\n\tmov 48(%%rdi), %%r9\n\tmov 56(%%rdi), %%r8\n\t"
        "mov 64(%%rdi), %%rsi\n\tmov 80(%%rdi), %%rax\n\tmov 72(%%rdi), %%rdi\n\t"
        "call %c[stub]\n\t"
        "pop %%rdx\n\t"
        "mov %%r15, (%%rdx)\n\tmov %%r14, 8(%%rdx)\n\tmov %%r13, 16(%%rdx)\n\tmov %%r12, 24(%%rdx)\n\t"
        "mov %%rbx, 32(%%rdx)\n\tmov %%r10, 40(%%rdx)\n\tmov %%r9, 48(%%rdx)\n\tmov %%r8, 56(%%rdx)\n\t"
        "mov %%rsi, 64(%%rdx)\n\tmov %%rdi, 72(%%rdx)\n\tmov %%rax, 80(%%rdx)\n\t"
        "pop %%r15\n\tpop %%r14\n\tpop %%r13\n\tpop %%r12\n\tpop %%rbp\n\tpop %%rbx\n\tret"
        :
        : [stub] "i"(abi::stub_page_address));
}

void raw_call(abi::Registers& registers) { raw_call_registers(&registers); }

abi::Result<Handler> Handler::create(runtime::HandlerEntry entry, uint64_t badge, uint32_t cpu) {
    Handler handler;
    runtime::ThreadOptions options;
    options.name = "handler";
    options.cpu = cpu;
    handler.thread = TRY(runtime::Thread::create_handler(options));
    handler.portal = TRY(runtime::Portal::create(handler.thread.selector(), entry, badge));
    return handler;
}

void Handler::destroy() {
    if (portal) static_cast<void>(portal.destroy());
    portal.forget();
    thread.destroy();
}

abi::Result<runtime::Thread> start_thread(runtime::ThreadFunction function, void* argument, uint8_t priority,
                                          uint32_t cpu, Selector exception_portal) {
    runtime::ThreadOptions options;
    options.name = "worker";
    options.cpu = cpu;
    options.exception_portal = exception_portal;
    auto thread = TRY(runtime::Thread::create(options, function, argument));
    TRY(thread.start({.priority = priority}));
    return thread;
}

abi::Result<Child> Child::create(const ChildOptions& options) {
    Child child;
    child.domain =
        TRY(runtime::Domain::create(options.quota_pages, options.capability_slots, options.maximum_priority));
    ScopeGuard undo{[&] { child.destroy(); }};
    const uint64_t start = address_of(program_start);
    const uint64_t rodata = address_of(program_rodata_start);
    const uint64_t data = address_of(program_data_start);
    const uint64_t data_bytes = align_up(address_of(program_end), page_size_bytes) - data;
    const Memory code = TRY(program_code());
    const Selector domain = child.domain.selector();
    TRY(code.map(start, 0, rodata - start, runtime::read_execute, domain));
    TRY(code.map(rodata, rodata - start, data - rodata, runtime::read_only, domain));
    child.arena_ = TRY(take_mapped_memory(data_bytes + page_size_bytes + max_threads * stack_bytes));
    std::memcpy(child.arena_.as<char>(), program_data_start, data_bytes);
    TRY(child.arena_.memory.map(data, 0, data_bytes, runtime::read_write, domain));
    TRY(child.arena_.memory.map(shared_address, data_bytes, page_size_bytes, runtime::read_write, domain));
    static_cast<void>(runtime::unmap(shared_address));
    TRY(child.arena_.memory.map(shared_address, data_bytes, page_size_bytes, runtime::read_write));
    if (options.has_self) TRY(child.give(domain, self));
    undo.dismiss();
    return child;
}

abi::Result<void> Child::give(Selector selector, Selector slot, abi::Rights rights) const {
    return runtime::invoke(abi::CopyCapability{selector, domain.selector(), slot, rights});
}

abi::Result<runtime::Capability> Child::create_thread(runtime::ThreadFunction function, void* argument, uint32_t cpu,
                                                      Selector exception_portal, abi::ThreadFlags flags) {
    if (threads_ == max_threads) return Status::OutOfMemory;
    const uint64_t offset = arena_.size - (threads_ + 1) * stack_bytes;
    const uint64_t slot = child_threads_base + threads_ * 2 * runtime::stack_slot_bytes;
    const uint64_t stack_end = slot + 2 * runtime::stack_slot_bytes;
    ++threads_;
    TRY(arena_.memory.map(stack_end - stack_bytes, offset, stack_bytes, runtime::read_write, domain.selector()));
    auto* block = arena_.as<runtime::ThreadBlock>(offset + stack_bytes) - 1;
    *block = {};
    block->message_buffer = reinterpret_cast<abi::MessageBuffer*>(slot);
    block->name = "child";
    block->function = function;
    block->argument = argument;
    block->cpu = cpu;
    const uint64_t top = stack_end - sizeof(runtime::ThreadBlock);
    uint64_t stack = top;
    if ((flags & static_cast<abi::ThreadFlags>(abi::ThreadFlag::Handler)) != 0) {
        // As runtime::prepare_handler_stack, through the test's view of the memory.
        *(reinterpret_cast<uint64_t*>(block) - 2) = reinterpret_cast<uint64_t>(&runtime::runtime_reply_failed);
        stack = top - 16 - runtime::stub_frame_bytes;
    }
    return runtime::Capability{TRY(runtime::make_in_new_slot(
        abi::CreateThread{domain.selector(), 0, cpu, reinterpret_cast<uint64_t>(&child_thread_entry), stack, slot, top,
                          exception_portal, flags}))};
}

abi::Result<runtime::Capability> Child::start(runtime::ThreadFunction function, void* argument, uint8_t priority,
                                              uint32_t cpu, Selector exception_portal) {
    const auto thread = TRY(create_thread(function, argument, cpu, exception_portal, 0));
    TRY(runtime::SchedulingContext::create(thread.selector(), priority, 0, 0, domain.selector()));
    return thread;
}

abi::Result<runtime::Capability> Child::create_handler(uint32_t cpu, Selector exception_portal) {
    return create_thread(nullptr, nullptr, cpu, exception_portal,
                         static_cast<abi::ThreadFlags>(abi::ThreadFlag::Handler));
}

abi::Result<runtime::Portal> Child::create_portal(runtime::HandlerEntry entry, uint64_t badge, uint32_t cpu) {
    const auto handler = TRY(create_handler(cpu));
    return runtime::Portal::create(handler.selector(), entry, badge, domain.selector());
}

void Child::destroy() {
    if (domain) static_cast<void>(domain.destroy());
    arena_.destroy();
}

}  // namespace bulkhead::test
