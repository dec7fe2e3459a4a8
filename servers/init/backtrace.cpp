// SPDX-License-Identifier: Apache-2.0
#include "servers/init/backtrace.hpp"

#include <cstring>

#include "runtime/address_space.hpp"
#include "runtime/log.hpp"
#include "runtime/thread.hpp"
#include "servers/init/say.hpp"

namespace bulkhead::init {
namespace {

using protocol::Place;

constexpr unsigned max_frames = 24;
constexpr uint64_t page_fault_vector = 14;

const char* exception_name(uint64_t label) {
    constexpr const char* names[] = {"divide error",
                                     "debug",
                                     "NMI",
                                     "breakpoint",
                                     "overflow",
                                     "bound range",
                                     "invalid opcode",
                                     "no FPU",
                                     "double fault",
                                     "exception 9",
                                     "invalid TSS",
                                     "segment not present",
                                     "stack fault",
                                     "general protection",
                                     "page fault",
                                     "exception 15",
                                     "FPU error",
                                     "alignment check",
                                     "machine check",
                                     "SIMD error",
                                     "virtualization exception",
                                     "control protection"};
    if (label == abi::foreign_system_call_label) return "foreign system call";
    return label < sizeof(names) / sizeof(names[0]) ? names[label] : "exception";
}

/// The faulting thread's stack as init can read it.
class Stack {
  public:
    Stack(const Component& component, uint64_t rsp) {
        if (rsp > Place::stack_top - Place::stack_bytes && rsp <= Place::stack_top) {
            bytes_ = component.stack();
            first_ = Place::stack_top - Place::stack_bytes;
            size_ = Place::stack_bytes;
        } else {
            find_in_heap(component, rsp);
        }
    }
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;
    ~Stack() {
        if (heap_address_ == 0) return;
        static_cast<void>(runtime::unmap(heap_address_));
        runtime::release_addresses(heap_address_, heap_bytes_);
    }

    bool read(uint64_t address, uint64_t& word) const {
        if (address % 8 != 0 || address < first_ || size_ < 8 || address - first_ > size_ - 8) return false;
        std::memcpy(&word, bytes_ + (address - first_), sizeof(word));
        return true;
    }

  private:
    /// The runtime library maps a thread's stack from the program's heap; which part of the heap, init is not told. But
    /// its upper end holds the thread's block, whose first word is the address of the thread's message buffer, which
    /// follows from the stack pointer (servers/runtime/thread.cpp).
    void find_in_heap(const Component& component, uint64_t rsp) {
        const uint64_t slot = align_down(rsp, runtime::stack_slot_bytes);
        if (slot < Place::runtime || slot >= Place::runtime_end) return;
        const auto address = runtime::allocate_addresses(component.heap().size_bytes);
        if (!address.ok()) return;
        if (!component.heap().memory.map(address.value(), 0, component.heap().size_bytes, runtime::read_only).ok()) {
            runtime::release_addresses(address.value(), component.heap().size_bytes);
            return;
        }
        heap_address_ = address.value();
        heap_bytes_ = component.heap().size_bytes;
        const uint64_t message_buffer = slot - runtime::stack_slot_bytes;
        constexpr uint64_t stack_bytes = runtime::stack_slot_bytes - page_size_bytes;
        for (uint64_t end = stack_bytes; end <= heap_bytes_; end += page_size_bytes) {
            uint64_t word = 0;
            std::memcpy(&word, reinterpret_cast<const void*>(heap_address_ + end - sizeof(runtime::ThreadBlock)), 8);
            if (word != message_buffer) continue;
            bytes_ = reinterpret_cast<const std::byte*>(heap_address_ + end - stack_bytes);
            first_ = slot + page_size_bytes;
            size_ = stack_bytes;
            return;
        }
    }

    const std::byte* bytes_ = nullptr;
    uint64_t first_ = 0;
    uint64_t size_ = 0;
    uint64_t heap_address_ = 0;
    uint64_t heap_bytes_ = 0;
};

/// The stack of one of init's own threads. A stack pointer that is in none has nothing to read.
class OwnStack {
  public:
    explicit OwnStack(uint64_t rsp) {
        if (rsp < Place::runtime || rsp >= Place::runtime_end) return;
        first_ = rsp;
        end_ = align_down(rsp, runtime::stack_slot_bytes) + runtime::stack_slot_bytes;
    }
    bool read(uint64_t address, uint64_t& word) const {
        if (address % 8 != 0 || address < first_ || address >= end_) return false;
        std::memcpy(&word, reinterpret_cast<const void*>(address), sizeof(word));
        return true;
    }

  private:
    uint64_t first_ = 0;
    uint64_t end_ = 0;
};

void log_registers(const abi::ExceptionFrame& f) {
    say("  rip {x} rsp {x} rflags {x}", f.rip, f.rsp, f.rflags);
    say("  rax {x} rbx {x} rcx {x} rdx {x}", f.rax, f.rbx, f.rcx, f.rdx);
    say("  rsi {x} rdi {x} rbp {x} r8 {x}", f.rsi, f.rdi, f.rbp, f.r8);
    say("  r9 {x} r10 {x} r11 {x} r12 {x}", f.r9, f.r10, f.r11, f.r12);
    say("  r13 {x} r14 {x} r15 {x}", f.r13, f.r14, f.r15);
}

/// `stack` answers read(address, word): false where there is none of it.
template <typename StackReader>
void log_frames(std::string_view program, const abi::ExceptionFrame& frame, const StackReader& stack) {
    say("#0 {} {x}", program, frame.rip);
    uint64_t base = frame.rbp;
    for (unsigned number = 1; number < max_frames; ++number) {
        uint64_t next = 0;
        uint64_t return_address = 0;
        if (!stack.read(base, next) || !stack.read(base + 8, return_address) || return_address == 0) return;
        say("#{} {} {x}", number, program, return_address);
        if (next <= base) return;  // frames go up; anything else is damage
        base = next;
    }
}

void log_exception(std::string_view name, const FaultReport& fault) {
    if (fault.label == page_fault_vector) {
        const char* what = (fault.error_code & 16) != 0 ? "execution" : (fault.error_code & 2) != 0 ? "write" : "read";
        say("{}: page fault: {} at {x}, error {x}, CPU {}", name, what, fault.fault_address, fault.error_code,
            fault.cpu);
    } else {
        say("{}: {} (vector {}), error {x}, CPU {}", name, exception_name(fault.label), fault.label, fault.error_code,
            fault.cpu);
    }
    if (fault.has_frame) log_registers(fault.frame);
}

}  // namespace

void log_fault(const Component& component, const FaultReport& fault) {
    log_exception(component.name(), fault);
    log_frames(component.program(), fault.frame, Stack{component, fault.frame.rsp});
}

void log_own_fault(const FaultReport& fault) {
    log_exception("init itself", fault);
    log_frames("init", fault.frame, OwnStack{fault.frame.rsp});
}

}  // namespace bulkhead::init
