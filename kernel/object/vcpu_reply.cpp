// SPDX-License-Identifier: Apache-2.0
// The end of an exit: what the monitor's reply says, and the state page both ways. All of it is hostile input; the page
// is read at most once per member.
#include "abi/message.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"

namespace bulkhead::kernel {

using abi::ExitReason, abi::Register, abi::ReplyFlag, abi::VcpuStateGroup;

static constexpr uint32_t word(VcpuStateGroup group) { return static_cast<uint32_t>(group); }

/// "VM-entry failure due to invalid guest state" of VT-x stands for every refused state (include/abi/vcpu.hpp).
constexpr uint64_t invalid_guest_state =
    x86::VmxExitReason::EntryFailure::mask | x86::VmxExitReason::Basic::make(x86::VmxExit::InvalidGuestState);

/// An exception as the monitor describes it, for the entry field.
static uint64_t exception_event(uint64_t description) {
    using x86::EventInformation;
    using Injected = abi::InjectedEvent;
    const auto kind = EventInformation::Kind::HardwareException;
    const uint64_t event = EventInformation::make(Injected::Vector::read(description), kind);
    if (!Injected::HasErrorCode::read(description)) return event;
    const auto error = EventInformation::ErrorCode::make(Injected::ErrorCode::read(description));
    return event | EventInformation::HasErrorCode::mask | error;
}

void Vcpu::finish_call(abi::Status status, const abi::Registers& reply) {
    if (status != abi::Status::Ok) {
        // The handler died or cannot be called: the exit stays, and goes to whoever is bound next.
        if (status == abi::Status::Aborted) ++exit_[Register::R15];
        set_state(State::Waiting);
        return;
    }
    if (reply[Register::Rsi] != sequence_) return;  // an exit that is over: this one is delivered again
    vcpu_backend().load(*this);
    apply(reply);
}

void Vcpu::apply(const abi::Registers& reply) {
    VcpuBackend backend = vcpu_backend();
    const auto flags = abi::ReplyFlags::from_word(abi::MessageTag::Label::read(reply[Register::Rax]));
    phase_ = Phase::Running;
    const uint32_t changed = static_cast<uint32_t>(reply[Register::R12]) & abi::all_vcpu_state_groups;
    if (changed != 0 && !load_groups(changed)) return;
    if (flags.has(ReplyFlag::SkipInstruction) && hardware_.instruction_length != 0) {
        set_results(reply);
        backend.skip_instruction(*this);
    }
    if ((flags.word() & ~static_cast<uint32_t>(ReplyFlag::SkipInstruction)) == 0) [[likely]]
        return;
    if (flags.has(ReplyFlag::Inject)) {
        constexpr uint8_t nmi = 2;  // is posted, never injected
        if (abi::InjectedEvent::Vector::read(reply[Register::R13]) == nmi) return refuse_state(0);
        backend.inject(*this, exception_event(reply[Register::R13]));
    }
    if (flags.has(ReplyFlag::SetTimer)) set_timer(reply[Register::R14], reply[Register::R15]);
    if (flags.has(ReplyFlag::ApicChanged)) {
        hardware_.apic_changed = true;
        look_for_interrupts();
    }
    if (flags.has(ReplyFlag::ParkUntilRecall)) {
        phase_ = Phase::ParkedUntilRecall;
    } else if (flags.has(ReplyFlag::Park)) {
        interrupts_enabled_ = backend.interrupts_enabled(*this);
        phase_ = Phase::Parked;
    }
}

/// What the instruction's results are, by reason (include/abi/vcpu.hpp).
void Vcpu::set_results(const abi::Registers& reply) {
    GuestFrame& frame = hardware_.frame;
    const uint64_t first = reply[Register::R8];
    if (reason_ == ExitReason::Cpuid) {
        frame[GeneralRegister::Rax] = first & UINT32_MAX;
        frame[GeneralRegister::Rbx] = reply[Register::R9] & UINT32_MAX;
        frame[GeneralRegister::Rcx] = reply[Register::R10] & UINT32_MAX;
        frame[GeneralRegister::Rdx] = reply[Register::Rbx] & UINT32_MAX;
    } else if (reason_ == ExitReason::MsrRead) {
        frame[GeneralRegister::Rax] = first & UINT32_MAX;
        frame[GeneralRegister::Rdx] = first >> 32;
    } else if (reason_ == ExitReason::PortRead && !abi::PortAccess::String::read(exit_[Register::R8])) {
        const unsigned size = abi::PortAccess::SizeBytes::read(exit_[Register::R8]);
        const uint64_t mask = (uint64_t{1} << 8 * size) - 1;
        // A 32-bit result clears the upper half, smaller ones leave it.
        const uint64_t kept = size == 4 ? 0 : frame[GeneralRegister::Rax] & ~mask;
        frame[GeneralRegister::Rax] = kept | (first & mask);
    } else if (reason_ == ExitReason::Hypercall) {
        frame[GeneralRegister::Rax] = first;
    }
}

void Vcpu::save_groups(uint32_t groups) {
    VcpuBackend backend = vcpu_backend();
    backend.begin_state_access(*this, groups);
    auto* bytes = static_cast<std::byte*>(state_memory_);
    for (const StateEntry& entry : state_table::entries) {
        if ((word(entry.group) & groups) == 0) continue;
        const uint64_t value = entry.rule == StateRule::Xcr0 ? fpu_->xcr0() : backend.read_state(*this, entry);
        state_table::store(bytes + entry.offset, entry.bytes, value);
    }
    valid_groups_ |= groups;
    page().valid = valid_groups_;
}

/// The one read of a member of the page, checked and handed on.
bool Vcpu::write_entry(const StateEntry& entry) {
    const uint64_t value = state_table::load(static_cast<const std::byte*>(state_memory_) + entry.offset, entry.bytes);
    if (entry.rule == StateRule::Xcr0) return value == fpu_->xcr0() || fpu_->set_xcr0(value);
    const auto good = admissible(entry.rule, value);
    if (!good) return false;
    if (entry.rule == StateRule::InstructionPointer) hardware_.rip = *good;
    if (entry.rule == StateRule::TscOffset) hardware_.tsc_offset = *good;
    return vcpu_backend().write_state(*this, entry, *good);
}

/// False if a member was refused; then the monitor hears of it at the next exit, which is InvalidState.
bool Vcpu::load_groups(uint32_t groups) {
    VcpuBackend backend = vcpu_backend();
    backend.begin_state_access(*this, groups);
    for (const StateEntry& entry : state_table::entries) {
        if ((word(entry.group) & groups) == 0 || entry.rule == StateRule::ReadOnly) continue;
        if (write_entry(entry)) continue;
        refuse_state(entry.offset);
        return false;
    }
    if (backend.end_state_write(*this)) return true;
    refuse_state(0);
    return false;
}

/// Makes InvalidState the exit at hand, in place of running the guest.
void Vcpu::refuse_state(uint64_t detail) {
    hardware_.instruction_length = 0;
    prepare_exit(ExitReason::InvalidState, invalid_guest_state, detail);
}

}  // namespace bulkhead::kernel
