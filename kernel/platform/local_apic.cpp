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

}  // namespace

uint32_t LocalApic::read(ApicRegister reg) {
    return mode == Mode::X2Apic ? static_cast<uint32_t>(read_msr(msr_of(reg))) : memory_of(reg);
}
void LocalApic::write(ApicRegister reg, uint32_t value) {
    if (mode == Mode::X2Apic) return write_msr(msr_of(reg), value);
    memory_of(reg) = value;
}

void LocalApic::choose_mode(PhysicalAddress address) {
    // Firmware that has switched to x2APIC cannot be led back without a reset of the APIC; x2APIC is preferred anyway.
    const bool x2apic = cpu_features().x2apic;
    if (!x2apic) registers = static_cast<volatile std::byte*>(map_device(address));
    if (!x2apic && registers == nullptr) refuse_machine("too little memory to map the local APIC");
    mode = x2apic ? Mode::X2Apic : Mode::XApic;
}

void LocalApic::enable() {
    const uint64_t base = read_msr(x86::Msr::ApicBase) | x86::ApicBase::Enable::mask;
    write_msr(x86::Msr::ApicBase, base);
    if (mode == Mode::X2Apic) write_msr(x86::Msr::ApicBase, base | x86::ApicBase::X2ApicEnable::mask);
    write(ApicRegister::TimerEntry, ApicLocalEntry::Masked::mask);
    write(ApicRegister::Lint0Entry, ApicLocalEntry::Masked::mask);
    // LINT1 carries the NMI of PC-compatible machines.
    write(ApicRegister::Lint1Entry, ApicLocalEntry::Delivery::make(ApicDelivery::NonMaskable));
    write(ApicRegister::ErrorEntry, ApicLocalEntry::Masked::mask | ApicLocalEntry::Vector::make(Vectors::error));
    write(ApicRegister::TaskPriority, 0);
    write(ApicRegister::SpuriousVector,
          x86::ApicSpuriousVector::Enable::mask | x86::ApicSpuriousVector::Vector::make(Vectors::spurious));
    write(ApicRegister::TimerDivide, x86::apic_timer_divide_by_1);
    if (!x86::ApicSpuriousVector::Enable::read(read(ApicRegister::SpuriousVector)))
        refuse_machine("the local APIC cannot be enabled");
}

uint32_t LocalApic::id() {
    const uint32_t value = read(ApicRegister::Id);
    return mode == Mode::X2Apic ? value : static_cast<uint32_t>(x86::ApicId::XApic::read(value));
}
uint32_t LocalApic::highest_id() { return mode == Mode::X2Apic ? UINT32_MAX - 1 : highest_xapic_id; }

void LocalApic::send(uint32_t apic_id, ApicDelivery delivery, uint8_t vector, ApicShorthand shorthand) {
    const uint64_t word = ApicInterruptCommand::Delivery::make(delivery) | ApicInterruptCommand::Vector::make(vector) |
                          ApicInterruptCommand::Assert::mask | ApicInterruptCommand::Shorthand::make(shorthand);
    if (mode == Mode::X2Apic) {
        // The write is not ordered behind earlier stores by itself (SDM vol. 3A, 11.12.3).
        asm volatile("mfence; lfence" : : : "memory");
        write_msr(msr_of(ApicRegister::InterruptCommand), word | ApicInterruptCommand::Destination::make(apic_id));
        return;
    }
    while (ApicInterruptCommand::Pending::read(memory_of(ApicRegister::InterruptCommand))) cpu_relax();
    memory_of(ApicRegister::InterruptCommandHigh) =
        static_cast<uint32_t>(ApicInterruptCommand::DestinationXApic::make(apic_id) >> 32);
    memory_of(ApicRegister::InterruptCommand) = static_cast<uint32_t>(word);
}

void LocalApic::send_non_maskable_to_others() {
    if (mode != Mode::None) send(0, ApicDelivery::NonMaskable, 0, ApicShorthand::AllOthers);
}

}  // namespace bulkhead::kernel
