// SPDX-License-Identifier: Apache-2.0
// Intel SDM volume 3, chapter 11; x2APIC: 11.12.
#include "vmm/arch/x86/local_apic.hpp"

#include "base/bit_field.hpp"
#include "vmm/arch/x86/msr_index.hpp"
#include "vmm/vm/time.hpp"

namespace bulkhead::vmm {
namespace {

/// Offsets in the xAPIC's page; an x2APIC's MSR is 800h + offset / 16.
enum RegisterOffset : unsigned {
    Id = 0x020,
    Version = 0x030,
    Tpr = 0x080,
    Apr = 0x090,
    Ppr = 0x0a0,
    Eoi = 0x0b0,
    LogicalDestination = 0x0d0,
    DestinationFormat = 0x0e0,
    Spurious = 0x0f0,
    IsrFirst = 0x100,
    IrrLast = 0x270,
    ErrorStatus = 0x280,
    LvtMachineCheck = 0x2f0,
    CommandLow = 0x300,
    CommandHigh = 0x310,
    LvtTimer = 0x320,
    LvtError = 0x370,
    InitialCount = 0x380,
    CurrentCount = 0x390,
    Divide = 0x3e0,
    SelfIpi = 0x3f0,
};

struct Base {
    using Bootstrap = Bit<8>;
    using X2apic = Bit<10>;
    using Enable = Bit<11>;
    static constexpr uint64_t address_mask = 0xf'ffff'f000;
    static constexpr uint64_t mode_mask = X2apic::mask | Enable::mask;
    static constexpr uint64_t defined = Bootstrap::mask | mode_mask | address_mask;
};
struct Lvt {
    using Vector = BitField<0, 8, uint8_t>;
    using Mode = BitField<8, 3, DeliveryMode>;
    using Masked = Bit<16>;
    using TimerMode = BitField<17, 2, unsigned>;
};
enum TimerMode : unsigned { OneShot = 0, Periodic = 1, TscDeadline = 2 };
constexpr std::array<uint32_t, lvt_entries> lvt_writable = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

struct Spur {
    using SoftwareEnable = Bit<8>;
};
constexpr uint32_t spurious_defined = 0x1ff;
constexpr uint32_t spurious_reset = 0xff;

struct Command {
    using Vector = BitField<0, 8, uint8_t>;
    using Mode = BitField<8, 3, DeliveryMode>;
    using Logical = Bit<11>;
    using Assert = Bit<14>;
    using Level = Bit<15>;
    using To = BitField<18, 2, Shorthand>;
    using XapicDestination = BitField<56, 8, uint32_t>;
    using X2apicDestination = BitField<32, 32, uint32_t>;
    static constexpr uint64_t defined_low = 0xccfff;
};
constexpr uint32_t error_send_illegal = 1 << 5;
constexpr uint32_t error_illegal_register = 1 << 7;

constexpr uint32_t version = 0x14 | (lvt_entries - 1) << 16;
constexpr uint32_t divide_defined = 0xb;
constexpr uint32_t flat_format = 0xffffffff;
constexpr uint64_t minimum_period_ns = 50'000;  // a guest cannot have more ticks than this

}  // namespace

bool LocalApic::enabled() const { return Base::Enable::read(state_->base); }
bool LocalApic::x2apic() const { return (state_->base & Base::mode_mask) == Base::mode_mask; }
uint64_t LocalApic::base_address() const { return state_->base & Base::address_mask; }
bool LocalApic::accepts_interrupts() const { return enabled() && Spur::SoftwareEnable::read(state_->spurious); }

void LocalApic::power_on(bool is_bootstrap) {
    LocalApicState& state = state_.change();
    state = {};
    state.base = page_address | Base::Enable::mask | Base::Bootstrap::make(is_bootstrap);
    init();
}

void LocalApic::init() {
    LocalApicState& state = state_.change();
    const uint64_t base = state.base;
    state = {};
    state.base = base;
    state.spurious = spurious_reset;
    state.destination_format = flat_format;
    state.programmed_deadline = no_timer;
    state.periodic_next_tsc = no_timer;
    for (uint32_t& entry : state.lvt) entry = Lvt::Masked::mask;
    for (unsigned bitmap : {VirtualApicPage::Isr, VirtualApicPage::Tmr, VirtualApicPage::Irr}) page_.clear_all(bitmap);
    page_.write(VirtualApicPage::Tpr, 0);
    page_changed_ = true;
    timer_changed_ = true;
}

/// x2APIC: cluster in the upper half, one bit in the lower one (11.12.10.2).
uint32_t LocalApic::logical_id() const {
    return x2apic() ? (id() >> 4) << 16 | 1u << (id() & 15) : state_->logical_destination >> 24;
}

bool LocalApic::matches(uint32_t destination, bool logical, bool wide) const {
    if (destination == (wide ? x2apic_broadcast : xapic_broadcast)) return true;
    if (!logical) return destination == id();
    if (x2apic()) {
        return destination >> 16 == logical_id() >> 16 && (destination & logical_id() & 0xffff) != 0;
    }
    const bool flat = state_->destination_format >> 28 == 0xf;
    if (flat) return (destination & logical_id()) != 0;
    return destination >> 4 == logical_id() >> 4 && (destination & logical_id() & 0xf) != 0;
}

Result<uint64_t, ApicFault> LocalApic::read_msr(uint32_t index) {
    if (index == msr::apic_base) return state_->base;
    if (index == msr::tsc_deadline) return state_->deadline;
    if (!x2apic() || index < msr::x2apic_first || index > msr::x2apic_last) return ApicFault::GeneralProtection;
    const unsigned offset = (index - msr::x2apic_first) * 16;
    switch (offset) {
        case Id: return id();
        case LogicalDestination: return logical_id();
        case CommandLow: return state_->command;
        case Apr:
        case Eoi:
        case DestinationFormat:
        case CommandHigh:
        case SelfIpi: return ApicFault::GeneralProtection;
        default: break;
    }
    const bool known = offset == Version || offset == Tpr || offset == Ppr || offset == Spurious ||
                       (offset >= IsrFirst && offset <= ErrorStatus) || (offset >= LvtTimer && offset <= CurrentCount) ||
                       offset == Divide;
    if (!known) return ApicFault::GeneralProtection;
    return read_register(offset);
}

Result<void, ApicFault> LocalApic::write_msr(uint32_t index, uint64_t value, uint64_t tsc_offset) {
    tsc_offset_ = tsc_offset;
    if (index == msr::apic_base) return write_base(value);
    if (index == msr::tsc_deadline) {
        if (Lvt::TimerMode::read(state_->lvt[0]) == TscDeadline) {
            state_.change().deadline = value;
            reprogram_timer();
        }
        return {};
    }
    if (!x2apic() || index < msr::x2apic_first || index > msr::x2apic_last) return ApicFault::GeneralProtection;
    const unsigned offset = (index - msr::x2apic_first) * 16;
    if (offset == CommandLow) {
        state_.change().command = value & (Command::defined_low | Command::X2apicDestination::mask);
        send_command();
        return {};
    }
    if (value > UINT32_MAX) return ApicFault::GeneralProtection;
    const bool zero_only = offset == ErrorStatus || offset == Eoi;
    if (zero_only && value != 0) return ApicFault::GeneralProtection;
    if (offset == SelfIpi) {
        fabric_.route_command(index_, Shorthand::Self, {.vector = static_cast<uint8_t>(value)}, true);
        return {};
    }
    const bool read_only = offset == Id || offset == LogicalDestination || offset == DestinationFormat || offset == CommandHigh;
    if (read_only || !write_register(offset, static_cast<uint32_t>(value))) return ApicFault::GeneralProtection;
    return {};
}

/// 11.12.5: off -> xAPIC -> x2APIC -> off; everything else is #GP. The page stays where it is.
Result<void, ApicFault> LocalApic::write_base(uint64_t value) {
    const uint64_t old = state_->base & Base::mode_mask;
    const uint64_t wanted = value & Base::mode_mask;
    if ((value & ~Base::defined) != 0 || (value & Base::address_mask) != page_address) return ApicFault::GeneralProtection;
    if (wanted == Base::X2apic::mask) return ApicFault::GeneralProtection;
    if (old == 0 && wanted == Base::mode_mask) return ApicFault::GeneralProtection;
    if (old == Base::mode_mask && wanted == Base::Enable::mask) return ApicFault::GeneralProtection;
    if (wanted == 0 && old != 0) init();
    LocalApicState& state = state_.change();
    state.base = (value & ~Base::Bootstrap::mask) | (state.base & Base::Bootstrap::mask);
    return {};
}

uint32_t LocalApic::read_page(unsigned offset) {
    switch (offset) {
        case Id: return id() << 24;
        case LogicalDestination: return state_->logical_destination;
        case DestinationFormat: return state_->destination_format;
        case CommandHigh: return static_cast<uint32_t>(state_->command >> 32);
        default: return read_register(offset);
    }
}

void LocalApic::write_page(unsigned offset, uint32_t value, uint64_t tsc_offset) {
    tsc_offset_ = tsc_offset;
    LocalApicState& state = state_.change();
    switch (offset) {
        case Id: return;
        case LogicalDestination: state.logical_destination = value & 0xff000000; return;
        case DestinationFormat: state.destination_format = value | 0x0fffffff; return;
        case CommandHigh: state.command = (state.command & UINT32_MAX) | uint64_t{value & 0xff000000} << 32; return;
        case CommandLow:
            state.command = (state.command & ~uint64_t{UINT32_MAX}) | (value & Command::defined_low);
            send_command();
            return;
        default:
            if (!write_register(offset, value)) raise_error(error_illegal_register);
            return;
    }
}

uint32_t LocalApic::read_register(unsigned offset) const {
    if (offset >= IsrFirst && offset <= IrrLast) return page_.read(offset);
    if (offset >= LvtTimer && offset <= LvtError) return state_->lvt[(offset - LvtTimer) / 16];
    switch (offset) {
        case Version: return version;
        case Tpr:
        case Ppr: return page_.read(offset);
        case Spurious: return state_->spurious;
        case ErrorStatus: return state_->error_latched;
        case CommandLow: return static_cast<uint32_t>(state_->command);
        case InitialCount: return state_->initial_count;
        case CurrentCount: return current_count();
        case Divide: return state_->divide;
        default: return 0;
    }
}

/// Registers that are alike in both modes; false for one that cannot be written.
bool LocalApic::write_register(unsigned offset, uint32_t value) {
    if (offset >= LvtTimer && offset <= LvtError) {
        write_lvt(static_cast<LvtEntry>((offset - LvtTimer) / 16), value);
        return true;
    }
    LocalApicState& state = state_.change();
    switch (offset) {
        case Tpr:
            page_.write(VirtualApicPage::Tpr, value & 0xff);
            page_changed_ = true;
            return true;
        case Eoi: end_of_interrupt(); return true;
        case Spurious:
            state.spurious = value & spurious_defined;
            // A disabled APIC masks its local vectors (11.4.7.2).
            if (!Spur::SoftwareEnable::read(value)) {
                for (uint32_t& entry : state.lvt) entry |= Lvt::Masked::mask;
                reprogram_timer();
            }
            return true;
        case ErrorStatus:
            state.error_latched = state.error_pending;
            state.error_pending = 0;
            return true;
        case InitialCount: start_timer(value); return true;
        case Divide:
            state.divide = value & divide_defined;
            reprogram_timer();
            return true;
        case LvtMachineCheck: return false;
        default: return false;
    }
}

void LocalApic::write_lvt(LvtEntry entry, uint32_t value) {
    const unsigned index = static_cast<unsigned>(entry);
    LocalApicState& state = state_.change();
    const uint32_t old = state.lvt[index];
    value &= lvt_writable[index];
    if (!accepts_interrupts()) value |= Lvt::Masked::mask;
    state.lvt[index] = value;
    if (entry != LvtEntry::Timer) return;
    if (Lvt::TimerMode::read(old) != Lvt::TimerMode::read(value)) {
        // Changing between deadline and count disarms the timer (11.5.4.1).
        const bool either_deadline =
            Lvt::TimerMode::read(old) == TscDeadline || Lvt::TimerMode::read(value) == TscDeadline;
        if (either_deadline) {
            state.deadline = 0;
            state.initial_count = 0;
            timer_changed_ = true;
        }
    }
    // A deadline that the kernel absorbed is known only to the kernel: masking takes it back.
    const bool newly_masked = Lvt::Masked::read(value) && !Lvt::Masked::read(old);
    if (newly_masked && Lvt::TimerMode::read(value) == TscDeadline) timer_changed_ = true;
    reprogram_timer();
}

void LocalApic::send_command() {
    const uint64_t command = state_->command;
    const bool wide = x2apic();
    const DeliveryMode mode = Command::Mode::read(command);
    const uint8_t vector = Command::Vector::read(command);
    const bool vectored = mode == DeliveryMode::Fixed || mode == DeliveryMode::LowestPriority;
    if (vectored && vector < first_interrupt_vector) {
        raise_error(error_send_illegal);
        return;
    }
    // INIT de-assert does nothing on processors since the Pentium 4.
    if (mode == DeliveryMode::Init && Command::Level::read(command) && !Command::Assert::read(command)) return;
    const InterruptMessage message{
        .destination = wide ? Command::X2apicDestination::read(command) : Command::XapicDestination::read(command),
        .logical = Command::Logical::read(command),
        .level = false,
        .mode = mode,
        .vector = vector};
    fabric_.route_command(index_, Command::To::read(command), message, wide);
}

void LocalApic::raise_error(uint32_t bit) {
    LocalApicState& state = state_.change();
    state.error_pending |= bit;
    const uint32_t entry = state.lvt[static_cast<unsigned>(LvtEntry::Error)];
    if (Lvt::Masked::read(entry) || Lvt::Vector::read(entry) < first_interrupt_vector) return;
    outside_.perform({.kind = Effect::Kind::PostFixed, .vcpu = static_cast<uint8_t>(index_), .vector = Lvt::Vector::read(entry)});
}

/// Only for the xAPIC's page: an x2APIC's EOI is the kernel's.
void LocalApic::end_of_interrupt() {
    const auto vector = page_.highest(VirtualApicPage::Isr);
    if (!vector) return;
    // Clearing "the highest bit" twice would end two interrupts, so it waits for the commit and names the vector.
    outside_.perform({.kind = Effect::Kind::ClearInService, .vcpu = static_cast<uint8_t>(index_), .vector = *vector});
    page_changed_ = true;
    if (page_.test(VirtualApicPage::Tmr, *vector)) fabric_.broadcast_end_of_interrupt(*vector);
}

unsigned LocalApic::divider() const {
    const unsigned code = (state_->divide & 3) | ((state_->divide & 8) >> 1);
    return code == 7 ? 1 : 2u << code;
}

void LocalApic::start_timer(uint32_t count) {
    if (Lvt::TimerMode::read(state_->lvt[0]) == TscDeadline) return;
    LocalApicState& state = state_.change();
    state.initial_count = count;
    state.timer_start_tsc = time_.tsc();
    reprogram_timer();
}

uint32_t LocalApic::current_count() const {
    const uint32_t initial = state_->initial_count;
    if (initial == 0 || Lvt::TimerMode::read(state_->lvt[0]) == TscDeadline) return 0;
    const uint64_t elapsed = ns_of_ticks(time_.tsc() - state_->timer_start_tsc, time_.tsc_hz()) / divider();
    if (Lvt::TimerMode::read(state_->lvt[0]) == Periodic) return static_cast<uint32_t>(initial - elapsed % initial);
    return elapsed >= initial ? 0 : static_cast<uint32_t>(initial - elapsed);
}

/// Computes what the kernel's timer for this vCPU has to do, and notes it if that is something new.
void LocalApic::reprogram_timer() {
    LocalApicState& state = state_.change();
    const uint32_t entry = state.lvt[0];
    const bool live = !Lvt::Masked::read(entry) && Lvt::Vector::read(entry) >= first_interrupt_vector;
    const uint64_t period_ns = uint64_t{state.initial_count} * divider();
    uint64_t deadline = no_timer;
    state.periodic_next_tsc = no_timer;
    switch (Lvt::TimerMode::read(entry)) {
        case OneShot: {
            const uint64_t end = state.timer_start_tsc + ticks_of_ns(period_ns, time_.tsc_hz());
            if (live && state.initial_count != 0 && end >= time_.tsc()) deadline = end;
            break;
        }
        case Periodic: {
            const uint64_t bounded_ns = period_ns < minimum_period_ns ? minimum_period_ns : period_ns;
            if (live && state.initial_count != 0) {
                state.periodic_next_tsc = time_.tsc() + ticks_of_ns(bounded_ns, time_.tsc_hz());
                outside_.perform({.kind = Effect::Kind::ServiceWake});
            }
            break;
        }
        case TscDeadline:
            // Zero disarms. A masked timer expires silently.
            if (live && state.deadline != 0) deadline = state.deadline - tsc_offset_;
            // The kernel's own deadline, absorbed, stays as it is.
            if (state.deadline == 0 && state.programmed_deadline == no_timer) return;
            break;
        default: break;
    }
    const uint8_t vector = Lvt::Vector::read(entry);
    if (deadline == state.programmed_deadline && vector == state.programmed_vector) return;
    state.programmed_deadline = deadline;
    state.programmed_vector = vector;
    timer_changed_ = true;
}

std::optional<TimerSetting> LocalApic::take_timer_change() {
    if (!timer_changed_) return std::nullopt;
    timer_changed_ = false;
    return TimerSetting{state_->programmed_deadline, state_->programmed_vector};
}

bool LocalApic::take_page_change() {
    const bool changed = page_changed_;
    page_changed_ = false;
    return changed;
}

uint8_t LocalApic::deadline_vector() const {
    const uint32_t entry = state_->lvt[0];
    const bool live = Lvt::TimerMode::read(entry) == TscDeadline && !Lvt::Masked::read(entry);
    return live && Lvt::Vector::read(entry) >= first_interrupt_vector ? Lvt::Vector::read(entry) : 0;
}

void LocalApic::periodic_tick(uint64_t now_tsc) {
    if (state_->periodic_next_tsc > now_tsc) return;
    const uint64_t period_ns = uint64_t{state_->initial_count} * divider();
    const uint64_t bounded_ns = period_ns < minimum_period_ns ? minimum_period_ns : period_ns;
    state_.change().periodic_next_tsc = now_tsc + ticks_of_ns(bounded_ns, time_.tsc_hz());
    outside_.perform({.kind = Effect::Kind::PostFixed,
                      .vcpu = static_cast<uint8_t>(index_),
                      .vector = Lvt::Vector::read(state_->lvt[0])});
}

}  // namespace bulkhead::vmm
