// SPDX-License-Identifier: Apache-2.0
// Exits of a virtual CPU, as the back-ends report them: absorbed here, or made a call of the monitor's portal.
#include "abi/message.hpp"
#include "hw/x86/msr.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/doorbell.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/object/vcpu.hpp"
#include "kernel/schedule/scheduler.hpp"
#include "kernel/syscall/ipc.hpp"

namespace bulkhead::kernel {

using abi::ExitReason;
using abi::Register;

// The hand-laid paths (arch/x86_64/hot_paths.h); they come back to `send_exit_slowly` if anything is unusual.
extern "C" [[noreturn]] void send_exit_by_sysexit(Vcpu& vcpu);
extern "C" [[noreturn]] void send_exit_by_sysret(Vcpu& vcpu);

namespace {

/// The registers of the local APIC that are the kernel's, as x2APIC MSR numbers (SDM vol. 3A, table 11-6).
struct X2Apic {
    static constexpr uint32_t first = 0x800;
    static constexpr uint32_t count = 0x40;
    static constexpr uint32_t task_priority = 0x808;
    static constexpr uint32_t end_of_interrupt = 0x80b;
    static constexpr uint32_t self_interrupt = 0x83f;
};
constexpr uint32_t tsc_deadline = static_cast<uint32_t>(x86::Msr::TscDeadline);

}  // namespace

/// The exit becomes a call.
void Vcpu::deliver(ExitReason reason) {
    prepare_exit(reason);
    send_exit();
}

/// A new exit. Its words stay in `exit_`, for a monitor that takes over.
void Vcpu::prepare_exit(ExitReason reason) {
    reason_ = reason;
    ++sequence_;
    count(reason);
    exit_[Register::Rax] = abi::MessageTag::Label::make(static_cast<uint32_t>(
        abi::ExitLabel::Reason::make(reason) | abi::ExitLabel::InstructionLength::make(hardware_.instruction_length)));
    exit_[Register::Rsi] = sequence_;
    exit_[Register::R13] = hardware_.rip;
    exit_[Register::R15] = 0;
    activity_.store(Activity::InKernel, std::memory_order_release);
    set_phase(Phase::InExit);
}

/// Also for an exit that is delivered again.
void Vcpu::send_exit() {
    valid_groups_ = 0;
    if (const uint32_t groups = groups_[static_cast<size_t>(reason_)]; groups != 0) {
        vcpu_backend().load(*this);
        save_groups(groups);
    }
    exit_[Register::R14] = valid_groups_;
    vcpu_backend().leave();
    if (runs_on_vmx) send_exit_by_sysexit(*this);
    send_exit_by_sysret(*this);
}

extern "C" [[noreturn]] void send_exit_slowly(Vcpu& vcpu) { vcpu.send_exit_slowly(); }
void Vcpu::send_exit_slowly() { Ipc::call_from_vcpu(*this, exit_); }

void Vcpu::count(ExitReason reason) { ++page().exits[static_cast<size_t>(reason)]; }

void Vcpu::count_absorbed(ExitReason reason) {
    abi::VcpuStatePage& counters = page();
    ++counters.exits[static_cast<size_t>(reason)];
    ++counters.absorbed_exits[static_cast<size_t>(reason)];
}

void Vcpu::absorbed(ExitReason reason) {
    count_absorbed(reason);
    go_on();
}

void Vcpu::skip_and_go_on(ExitReason reason) {
    vcpu_backend().skip_instruction(*this);
    absorbed(reason);
}

void Vcpu::on_other(ExitReason reason, uint64_t first, uint64_t second) {
    exit_[Register::R8] = first;
    exit_[Register::R9] = second;
    deliver(reason);
}

void Vcpu::on_cpuid() {
    exit_[Register::R8] = hardware_.frame[GeneralRegister::Rax];
    exit_[Register::R9] = hardware_.frame[GeneralRegister::Rcx];
    exit_[Register::R10] = fpu_->xcr0() | uint64_t{osxsave_} << cpuid_osxsave_bit;
    deliver(ExitReason::Cpuid);
}

void Vcpu::ring(Doorbell& doorbell) {
    count_absorbed(ExitReason::PortWrite);
    if (!doorbell.ring()) [[unlikely]] ++page().missed_doorbells;
}

extern "C" void ring_doorbell(Vcpu& vcpu, Doorbell& doorbell) { vcpu.ring(doorbell); }
extern "C" [[noreturn]] void leave_behind_doorbell(Vcpu& vcpu) { vcpu.go_on_if_most_urgent(); }

void Vcpu::go_on_if_most_urgent() {
    Scheduler& scheduler = Scheduler::current();
    if (!scheduler.preemption_due()) go_on();
    vcpu_backend().leave();
    scheduler.leave_kernel();
}

void Vcpu::skip_and_ring(Doorbell& doorbell) {
    vcpu_backend().skip_instruction(*this);
    ring(doorbell);
    go_on_if_most_urgent();
}

void Vcpu::on_port(uint64_t access, bool in, uint32_t key) {
    const DoorbellTable* doorbells = domain().doorbells();
    if (doorbells != nullptr) [[unlikely]] {
        if (Doorbell* doorbell = doorbells->find(key); doorbell != nullptr) skip_and_ring(*doorbell);
    }
    exit_[Register::R8] = access;
    exit_[Register::R9] = in ? 0 : hardware_.frame[GeneralRegister::Rax] & ((uint64_t{1} << 8 * abi::PortAccess::SizeBytes::read(access)) - 1);
    deliver(in ? ExitReason::PortRead : ExitReason::PortWrite);
}

void Vcpu::on_hypercall() {
    exit_[Register::R8] = hardware_.frame[GeneralRegister::Rax];
    exit_[Register::R9] = hardware_.frame[GeneralRegister::Rbx];
    exit_[Register::R10] = hardware_.frame[GeneralRegister::Rcx];
    exit_[Register::Rbx] = hardware_.frame[GeneralRegister::Rdx];
    exit_[Register::R12] = hardware_.frame[GeneralRegister::Rsi];
    deliver(ExitReason::Hypercall);
}

void Vcpu::on_hlt() {
    if ((absorb_ & static_cast<uint32_t>(abi::AbsorbFlag::Hlt)) == 0) on_other(ExitReason::Hlt);
    VcpuBackend backend = vcpu_backend();
    count_absorbed(ExitReason::Hlt);
    backend.skip_instruction(*this);
    interrupts_enabled_ = backend.interrupts_enabled(*this);
    backend.leave();
    set_phase(Phase::Parked);
    Scheduler::current().leave_kernel();  // resumes this vCPU, which parks unless something came
}

void Vcpu::on_xsetbv(uint32_t index, uint64_t value) {
    const bool good = index == 0 && fpu::valid_xcr0(value, fpu::supported_xcr0()) && fpu_->set_xcr0(value);
    if (good) skip_and_go_on(ExitReason::Xsetbv);
    on_other(ExitReason::Xsetbv, index, value);
}

void Vcpu::on_end_of_interrupt(uint8_t vector) {
    hardware_.instruction_length = 0;  // the EOI is done, there is nothing to skip
    on_other(ExitReason::EndOfInterrupt, vector);
}

void Vcpu::on_msr_read(uint32_t index) {
    std::optional<uint64_t> value;
    if (index - X2Apic::first < X2Apic::count) {
        if (const auto word = apic_.read(index - X2Apic::first)) value = *word;
    } else if (index == tsc_deadline && (absorb_ & static_cast<uint32_t>(abi::AbsorbFlag::TscDeadline)) != 0) {
        value = timer_.armed() ? guest_deadline_ : 0;
    } else {
        value = vcpu_backend().read_msr(*this, index);
    }
    if (!value) on_other(ExitReason::MsrRead, index);
    hardware_.frame[GeneralRegister::Rax] = *value & UINT32_MAX;
    hardware_.frame[GeneralRegister::Rdx] = *value >> 32;
    skip_and_go_on(ExitReason::MsrRead);
}

void Vcpu::on_msr_write(uint32_t index, uint64_t value) {
    switch (index) {
        case X2Apic::end_of_interrupt:
            if (value != 0) break;  // #GP, which is the monitor's to inject
            vcpu_backend().skip_instruction(*this);
            look_for_interrupts();
            if (const auto ended = apic_.end_of_interrupt(); ended && ended->level) on_end_of_interrupt(ended->vector);
            absorbed(ExitReason::MsrWrite);
        case X2Apic::task_priority:
            if (value > UINT8_MAX) break;
            apic_.set_task_priority(static_cast<uint8_t>(value));
            look_for_interrupts();
            skip_and_go_on(ExitReason::MsrWrite);
        case X2Apic::self_interrupt:
            if (!valid_vector(value)) break;
            request(static_cast<uint8_t>(value), false);
            look_for_interrupts();
            skip_and_go_on(ExitReason::MsrWrite);
        case tsc_deadline:
            if ((absorb_ & static_cast<uint32_t>(abi::AbsorbFlag::TscDeadline)) == 0) break;
            write_guest_deadline(value);
            skip_and_go_on(ExitReason::MsrWrite);
        default:
            if (vcpu_backend().write_msr(*this, index, value)) skip_and_go_on(ExitReason::MsrWrite);
            break;
    }
    on_other(ExitReason::MsrWrite, index, value);
}

void Vcpu::write_guest_deadline(uint64_t guest_tsc) {
    guest_deadline_ = guest_tsc;
    const volatile uint32_t& wanted_vector = page().absorbed_timer_vector;
    set_timer(guest_tsc == 0 ? abi::no_deadline : guest_tsc - hardware_.tsc_offset, wanted_vector);
}

void Vcpu::set_timer(uint64_t deadline, uint64_t vector) {
    TimerQueue& timers = Scheduler::current().timers();
    timer_vector_ = valid_vector(vector) ? static_cast<uint8_t>(vector) : 0;
    page().timer_deadline = deadline;
    page().timer_vector = timer_vector_;
    if (deadline == abi::no_deadline) {
        timers.cancel(timer_);
    } else if (deadline <= read_tsc()) {
        timers.cancel(timer_);
        timer_expired(timer_);
    } else {
        timers.arm(timer_, deadline);
    }
}

void Vcpu::timer_expired(Deadline& deadline) {
    Vcpu& self = deadline.owner<Vcpu>();
    self.page().timer_deadline = abi::no_deadline;
    if (self.timer_vector_ != 0) self.post(self.timer_vector_, abi::PostKind::Fixed);
}

}  // namespace bulkhead::kernel
