// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/user_context.hpp"

#include <cstring>

#include "kernel/memory/kernel_pages.hpp"
#include "kernel/memory/kernel_space.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

bool returns_by_sysexit = false;

namespace {

extern "C" {
// syscall_entry.S
extern const std::byte stub_intel_start[], stub_intel_end[], stub_amd_start[], stub_amd_end[];
void sysenter_entry();
extern const std::byte syscall_trampolines[];
}

constexpr uint64_t trampoline_bytes = 32;
constexpr uint16_t no_bitmap = 0xffff;  // an offset behind the segment's limit: no port is allowed

PhysicalAddress stub;

bool intel_entry() { return cpu_features().vendor != abi::ProcessorVendor::Amd; }

void load_bases(Cpu& cpu, uint64_t fs_base, uint64_t gs_base) {
    if (cpu.fs_base != fs_base) {
        write_msr(x86::Msr::FsBase, fs_base);
        cpu.fs_base = fs_base;
    }
    if (cpu.gs_base != gs_base) {
        write_msr(x86::Msr::GsBase, gs_base);
        cpu.gs_base = gs_base;
    }
}

}  // namespace

void initialise_user_frame(UserFrame& frame, uint64_t entry, uint64_t stack, uint64_t kernel_stack_top) {
    frame.registers.rip = entry;
    frame.registers.rsp = stack;
    frame.registers.cs = SELECTOR_USER_CODE;
    frame.registers.ss = intel_entry() ? SELECTOR_USER_STACK_SYSEXIT : SELECTOR_USER_STACK_SYSRET;
    frame.registers.rflags = x86::Rflags::AlwaysOne::mask | x86::Rflags::InterruptEnable::mask;
    frame.kernel_stack_top = kernel_stack_top;
}

void prepare_return_from_stub(RegisterFrame& frame) {
    frame.rip = STUB_RETURN;
    frame.rflags = x86::Rflags::AlwaysOne::mask | x86::Rflags::InterruptEnable::mask;
    frame.rbp = frame.rdx = frame.rcx = frame.r11 = 0;
}

void prepare_system_call_again(RegisterFrame& frame) {
    constexpr uint64_t instruction_bytes = 2;  // of SYSENTER, and of SYSCALL
    frame.rip = STUB_RETURN - instruction_bytes;
    frame.rdx = frame.rsp;
}

/// Goes on with a thread for which all is loaded: opens its domain's ports, or closes those of others, by one store.
[[noreturn]] static void finish_switch(Cpu& cpu, Thread& thread) {
    const bool ports = thread.domain().io_bitmap() != nullptr;
    cpu.task_state->segment.io_bitmap_offset = ports ? sizeof(x86::TaskStateSegment) : no_bitmap;
    cpu.switched = thread.switched();
    return_to_user(thread.frame());
}

[[noreturn, gnu::noinline]] static void switch_all(Cpu& cpu, Thread& thread) {
    const Domain& domain = thread.domain();
    if (domain.io_bitmap() != nullptr && cpu.io_version != domain.io_version()) {
        cpu.io_version = domain.io_version();  // before the copy: what is changed meanwhile is copied once more
        std::memcpy(cpu.task_state->io_bitmap, domain.io_bitmap(), TaskState::bitmap_bytes);
    }
    if (cpu.task_register_cut) {
        cpu.load_task_register();
        cpu.task_register_cut = false;
    }
    load_bases(cpu, thread.fs_base(), thread.gs_base());
    FpuState::prepare_for_thread(thread.fpu());
    finish_switch(cpu, thread);
}

/// A driver and its clients take turns often, so their ports are the case that is quick.
void switch_more(Cpu& cpu, Thread& thread) {
    const Domain& domain = thread.domain();
    const bool loaded = cpu.io_version == domain.io_version() && !cpu.task_register_cut;
    if ((thread.switched() | cpu.switched) != Thread::SlowFlag::Ports) switch_all(cpu, thread);
    if (domain.io_bitmap() != nullptr && !loaded) switch_all(cpu, thread);
    finish_switch(cpu, thread);
}

void flush_root_table(PhysicalAddress root) {
    if (Cpu::current().loaded_root == root) write_cr3(root.value());
}

void forget_domain(const Domain& domain) {
    cross_cpu::run_everywhere([root = domain.space().root()] {
        if (Cpu::current().loaded_root == root) load_root_table(Cpu::current(), kernel_root());
    });
}

PhysicalAddress stub_page() { return stub; }

void make_stub_page(const abi::SystemInformation& information) {
    const std::optional<PhysicalAddress> page = allocate_pages();
    ASSERT(page.has_value());  // the pool is at least 16 MiB at boot
    stub = *page;
    auto* content = direct_map<std::byte>(stub);
    const std::byte* code = intel_entry() ? stub_intel_start : stub_amd_start;
    const std::byte* end = intel_entry() ? stub_intel_end : stub_amd_end;
    std::memcpy(content, code, static_cast<size_t>(end - code));
    std::memcpy(content + abi::system_information_offset, &information, sizeof information);
}

void enable_system_calls(Cpu& cpu) {
    using State = ExecutionContext::State;
    cpu.idle_handler = ExecutionContext::plain_word(State::Idle, cpu.id);
    cpu.plain_caller = ExecutionContext::plain_word(State::InCall, cpu.id);
    cpu.waiter = ExecutionContext::plain_word(State::Waiting, cpu.id);
    returns_by_sysexit = intel_entry();
    if (intel_entry()) {
        write_msr(x86::Msr::SysenterCs, SELECTOR_KERNEL_CODE);
        write_msr(x86::Msr::SysenterEsp, cpu.kernel_stack_top);
        write_msr(x86::Msr::SysenterEip, reinterpret_cast<uint64_t>(&sysenter_entry));
        return;
    }
    // SYSCALL leaves RSP alone, so each CPU has an entry of its own that knows its stack.
    constexpr uint64_t star = uint64_t{SELECTOR_USER_STACK_SYSRET - 8} << 48 | uint64_t{SELECTOR_KERNEL_CODE} << 32;
    write_msr(x86::Msr::Star, star);
    write_msr(x86::Msr::Lstar, reinterpret_cast<uint64_t>(syscall_trampolines) + cpu.id * trampoline_bytes);
    write_msr(x86::Msr::SyscallMask, x86::Rflags::cleared_on_entry);
    write_msr(x86::Msr::Efer, read_msr(x86::Msr::Efer) | x86::Efer::SystemCallEnable::mask);
}

}  // namespace bulkhead::kernel
