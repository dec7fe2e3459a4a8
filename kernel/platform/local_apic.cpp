// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/local_apic.hpp"

#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/memory/kernel_space.hpp"
#include "kernel/platform/halt.hpp"

namespace bulkhead::kernel {
namespace {

using x86::ApicDelivery, x86::ApicInterruptCommand, x86::ApicLocalEntry, x86::ApicRegister, x86::ApicShorthand;

enum class Mode : uint8_t { None, XApic, X2Apic };

constexpr uint64_t register_stride = 16;
constexpr uint32_t highest_xapic_id = 254;

constinit Mode mode = Mode::None;
constinit volatile std::byte* registers = nullptr;

x86::Msr msr_of(ApicRegister reg) {
    return static_cast<x86::Msr>(static_cast<uint32_t>(x86::Msr::X2ApicFirst) + static_cast<uint32_t>(reg));
}
volatile uint32_t& memory_of(ApicRegister reg) {
    return *reinterpret_cast<volatile uint32_t*>(registers + static_cast<uint64_t>(reg) * register_stride);
}

uint32_t read(ApicRegister reg) {
    return mode == Mode::X2Apic ? static_cast<uint32_t>(read_msr(msr_of(reg))) : memory_of(reg);
}
void write(ApicRegister reg, uint32_t value) {
    if (mode == Mode::X2Apic) {
        write_msr(msr_of(reg), value);
    } else {
        memory_of(reg) = value;
    }
}

/// The write of the x2APIC's command register is not ordered behind earlier stores by itself (SDM vol. 3A, 11.12.3).
void order_stores() { asm volatile("mfence; lfence" : : : "memory"); }

void command(uint32_t destination, uint64_t low) {
    if (mode == Mode::X2Apic) {
        order_stores();
        write_msr(msr_of(ApicRegister::InterruptCommand), low | ApicInterruptCommand::Destination::make(destination));
        return;
    }
    while (ApicInterruptCommand::Pending::read(memory_of(ApicRegister::InterruptCommand))) cpu_relax();
    memory_of(ApicRegister::InterruptCommandHigh) =
        static_cast<uint32_t>(ApicInterruptCommand::DestinationXApic::make(destination) >> 32);
    memory_of(ApicRegister::InterruptCommand) = static_cast<uint32_t>(low);
}

uint64_t command_word(ApicDelivery delivery, uint8_t vector) {
    return ApicInterruptCommand::Delivery::make(delivery) | ApicInterruptCommand::Vector::make(vector) |
           ApicInterruptCommand::Assert::mask;
}

}  // namespace

void LocalApic::choose_mode(PhysicalAddress address) {
    // Firmware that has switched to x2APIC cannot be led back without a reset of the APIC; x2APIC is preferred anyway.
    if (cpu_features().x2apic) {
        mode = Mode::X2Apic;
        return;
    }
    registers = static_cast<volatile std::byte*>(map_device(address));
    if (registers == nullptr) refuse_machine("too little memory to map the local APIC");
    mode = Mode::XApic;
}

void LocalApic::enable() {
    const uint64_t base = read_msr(x86::Msr::ApicBase) | x86::ApicBase::Enable::mask;
    write_msr(x86::Msr::ApicBase, base);
    if (mode == Mode::X2Apic) write_msr(x86::Msr::ApicBase, base | x86::ApicBase::X2ApicEnable::mask);
    for (const ApicRegister entry : {ApicRegister::TimerEntry, ApicRegister::Lint0Entry, ApicRegister::Lint1Entry})
        write(entry, ApicLocalEntry::Masked::mask);
    // LINT1 carries the NMI of PC-compatible machines.
    write(ApicRegister::Lint1Entry, ApicLocalEntry::Delivery::make(ApicDelivery::NonMaskable));
    write(ApicRegister::ErrorEntry, ApicLocalEntry::Masked::mask | ApicLocalEntry::Vector::make(Vectors::error));
    write(ApicRegister::TaskPriority, 0);
    write(ApicRegister::SpuriousVector,
          x86::ApicSpuriousVector::Enable::mask | x86::ApicSpuriousVector::Vector::make(Vectors::spurious));
    write(ApicRegister::TimerDivide, x86::apic_timer_divide_by_1);
    if (!x86::ApicSpuriousVector::Enable::read(read(ApicRegister::SpuriousVector))) {
        refuse_machine("the local APIC cannot be enabled");
    }
}

uint32_t LocalApic::id() {
    const uint32_t value = read(ApicRegister::Id);
    return mode == Mode::X2Apic ? value : static_cast<uint32_t>(x86::ApicId::XApic::read(value));
}
bool LocalApic::is_x2apic() { return mode == Mode::X2Apic; }
uint32_t LocalApic::highest_id() { return mode == Mode::X2Apic ? UINT32_MAX - 1 : highest_xapic_id; }

void LocalApic::end_of_interrupt() { write(ApicRegister::EndOfInterrupt, 0); }

void LocalApic::send(const Cpu& target, uint8_t vector) {
    command(target.apic_id, command_word(ApicDelivery::Fixed, vector));
}
void LocalApic::send_non_maskable_to_others() {
    if (mode == Mode::None) return;
    command(0, command_word(ApicDelivery::NonMaskable, 0) |
                   ApicInterruptCommand::Shorthand::make(ApicShorthand::AllOthers));
}
void LocalApic::send_init(uint32_t apic_id) { command(apic_id, command_word(ApicDelivery::Init, 0)); }
void LocalApic::send_startup(uint32_t apic_id, PhysicalAddress page) {
    command(apic_id, command_word(ApicDelivery::Startup, static_cast<uint8_t>(page.value() >> page_shift)));
}

void LocalApic::set_timer_mode(x86::ApicTimerMode timer_mode, uint8_t vector, bool masked) {
    write(ApicRegister::TimerEntry,
          static_cast<uint32_t>(ApicLocalEntry::TimerMode::make(timer_mode) | ApicLocalEntry::Vector::make(vector) |
                                ApicLocalEntry::Masked::make(masked)));
}
void LocalApic::set_timer_count(uint32_t count) { write(ApicRegister::TimerInitialCount, count); }
uint32_t LocalApic::timer_count() { return read(ApicRegister::TimerCurrentCount); }

}  // namespace bulkhead::kernel
