// SPDX-License-Identifier: Apache-2.0
#include "kernel/debug/panic.hpp"

#include "base/result.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/platform/debug_uart.hpp"
#include "kernel/platform/halt.hpp"
#include "kernel/platform/local_apic.hpp"

namespace bulkhead::kernel {
namespace {

constexpr unsigned status_panic = 2;
constexpr unsigned max_backtrace_frames = 24;

constexpr uint32_t nobody = UINT32_MAX;

constinit std::atomic<uint32_t> panicking_cpu{nobody};

/// Enters the panic screen. If another CPU is in it, this one stops; if this one is, the screen itself is broken.
void enter_panic(const char* message) {
    uint32_t first = nobody;
    if (!panicking_cpu.compare_exchange_strong(first, Cpu::current().id)) {
        if (first == Cpu::current().id) system_halt(status_panic);
        halt_forever();
    }
    LocalApic::send_non_maskable_to_others();
    DebugUart::set_enabled(true);
    log_unlocked("");
    log_unlocked("bulkhead: KERNEL PANIC on CPU {}: {}", Cpu::current().id, message);
}

/// Follows the frame pointers as long as they stay on this CPU's stacks and go up.
void print_backtrace(uint64_t instruction, uint64_t frame_pointer) {
    const uint64_t block = reinterpret_cast<uint64_t>(&Cpu::current());
    log_unlocked("backtrace:");
    log_unlocked("#0 {x}", instruction);
    for (unsigned depth = 1; depth < max_backtrace_frames; ++depth) {
        if (!is_aligned(frame_pointer, 16) || !CpuBlock::is_stack(frame_pointer - block)) return;
        const auto* frame = reinterpret_cast<const uint64_t*>(frame_pointer);
        if (frame[1] < image_base) return;
        log_unlocked("#{} {x}", depth, frame[1]);
        if (frame[0] <= frame_pointer) return;
        frame_pointer = frame[0];
    }
}

void print_registers(const RegisterFrame& r) {
    log_unlocked("vector {} error {x} rip {x} cs {x} rflags {x}", r.vector, r.error_code, r.rip, r.cs, r.rflags);
    log_unlocked("rsp {x} ss {x} cr2 {x} cr3 {x} cr4 {x}", r.rsp, r.ss, read_cr2(), read_cr3(), read_cr4());
    log_unlocked("rax {x} rbx {x} rcx {x} rdx {x}", r.rax, r.rbx, r.rcx, r.rdx);
    log_unlocked("rsi {x} rdi {x} rbp {x} r8 {x}", r.rsi, r.rdi, r.rbp, r.r8);
    log_unlocked("r9 {x} r10 {x} r11 {x} r12 {x}", r.r9, r.r10, r.r11, r.r12);
    log_unlocked("r13 {x} r14 {x} r15 {x}", r.r13, r.r14, r.r15);
}

}  // namespace

void stop_if_panicking() {
    const uint32_t who = panicking_cpu.load();
    if (who != nobody && who != Cpu::current().id) halt_forever();
}

void panic(const char* message) {
    enter_panic(message);
    print_backtrace(reinterpret_cast<uint64_t>(__builtin_return_address(0)),
                    *static_cast<const uint64_t*>(__builtin_frame_address(0)));
    system_halt(status_panic);
}

void panic_with_frame(const char* message, const RegisterFrame& frame) {
    enter_panic(message);
    print_registers(frame);
    print_backtrace(frame.rip, frame.from_user() ? 0 : frame.rbp);
    system_halt(status_panic);
}

/// What the compiler puts in place of functions without a body (Itanium C++ ABI, 3.2.6).
extern "C" [[noreturn]] void __cxa_pure_virtual() { panic("a function without a body was called"); }

}  // namespace bulkhead::kernel

namespace bulkhead {

void assertion_failed(const char* why, const char* file, unsigned line) {
    kernel::log_unlocked("assertion failed at {}:{}", file, line);
    kernel::panic(why);
}

}  // namespace bulkhead
