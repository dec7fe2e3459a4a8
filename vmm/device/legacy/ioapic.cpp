// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/legacy/ioapic.hpp"

#include "base/bit_field.hpp"

namespace bulkhead::vmm {
namespace {

enum Window : uint64_t { IndexWindow = 0x00, DataWindow = 0x10, EndOfInterruptWindow = 0x40 };
enum RegisterIndex : uint32_t { Id = 0, Version = 1, Arbitration = 2, FirstRedirection = 0x10 };

constexpr uint32_t version = 0x20 | (ioapic_lines - 1) << 16;
constexpr uint32_t id_mask = 0x0f000000;

struct Redirection {
    using Vector = BitField<0, 8, uint8_t>;
    using Mode = BitField<8, 3, DeliveryMode>;
    using Logical = Bit<11>;
    using RemoteIrr = Bit<14>;
    using Level = Bit<15>;
    using Masked = Bit<16>;
    using Destination = BitField<56, 8, uint32_t>;
    static constexpr uint64_t read_only = RemoteIrr::mask | Bit<12>::mask;
    static constexpr uint64_t defined = 0xff000000'0001ffff;
};

}  // namespace

void Ioapic::reset() {
    IoapicState& state = state_.change();
    state = {};
    for (uint64_t& entry : state.redirection) entry = Redirection::Masked::mask;
}

uint64_t Ioapic::read(uint64_t offset, unsigned size_bytes) {
    if (size_bytes != 4) return all_ones(size_bytes);
    switch (offset) {
        case IndexWindow: return state_->index;
        case DataWindow: return read_register(state_->index);
        default: return all_ones(size_bytes);
    }
}

void Ioapic::write(uint64_t offset, unsigned size_bytes, uint64_t value) {
    if (size_bytes != 4 && !(offset == IndexWindow && size_bytes == 1)) return;
    switch (offset) {
        case IndexWindow: state_.change(&IoapicState::index) = value & 0xff; break;
        case DataWindow: write_register(state_->index, static_cast<uint32_t>(value)); break;
        case EndOfInterruptWindow: end_of_interrupt(static_cast<uint8_t>(value)); break;
        default: break;
    }
}

uint32_t Ioapic::read_register(uint32_t index) const {
    switch (index) {
        case Id:
        case Arbitration: return state_->id;
        case Version: return version;
        default: break;
    }
    const uint32_t half = index - FirstRedirection;
    if (index < FirstRedirection || half >= 2 * ioapic_lines) return 0;
    const uint64_t entry = state_->redirection[half / 2];
    return static_cast<uint32_t>(half % 2 != 0 ? entry >> 32 : entry);
}

void Ioapic::write_register(uint32_t index, uint32_t value) {
    if (index == Id) {
        state_.change(&IoapicState::id) = value & id_mask;
        return;
    }
    const uint32_t half = index - FirstRedirection;
    if (index < FirstRedirection || half >= 2 * ioapic_lines) return;
    write_redirection(half / 2, half % 2 != 0, value);
}

void Ioapic::write_redirection(unsigned line, bool high_half, uint32_t value) {
    uint64_t& entry = state_.change(&IoapicState::redirection, line);
    uint64_t wanted = high_half ? (entry & UINT32_MAX) | uint64_t{value} << 32 : (entry & ~uint64_t{UINT32_MAX}) | value;
    wanted = (wanted & ~Redirection::read_only) | (entry & Redirection::read_only);
    entry = wanted & Redirection::defined;
    // An interrupt in service is forgotten when the line becomes edge-triggered: Linux relies on this to clear it.
    if (!Redirection::Level::read(entry)) entry &= ~Redirection::RemoteIrr::mask;
    deliver_if_due(line);
}

void Ioapic::set_line(unsigned line, bool asserted) {
    if (line >= ioapic_lines) return;
    const uint32_t bit = 1u << line;
    const bool was = (state_->asserted & bit) != 0;
    if (was == asserted) return;
    uint32_t& lines = state_.change(&IoapicState::asserted);
    lines ^= bit;
    if (!asserted) return;
    if (!Redirection::Level::read(state_->redirection[line])) state_.change(&IoapicState::kept) |= bit;
    deliver_if_due(line);
}

void Ioapic::deliver_if_due(unsigned line) {
    const uint64_t entry = state_->redirection[line];
    const uint32_t bit = 1u << line;
    if (Redirection::Masked::read(entry)) return;
    if (Redirection::Level::read(entry)) {
        if ((state_->asserted & bit) == 0 || Redirection::RemoteIrr::read(entry)) return;
        state_.change(&IoapicState::redirection, line) |= Redirection::RemoteIrr::mask;
        if ((state_->kept & bit) != 0) state_.change(&IoapicState::kept) &= ~bit;
    } else {
        if ((state_->kept & bit) == 0) return;
        state_.change(&IoapicState::kept) &= ~bit;
    }
    deliver(line);
}

void Ioapic::deliver(unsigned line) {
    const uint64_t entry = state_->redirection[line];
    router_.route({.destination = Redirection::Destination::read(entry),
                   .logical = Redirection::Logical::read(entry),
                   .level = Redirection::Level::read(entry),
                   .mode = Redirection::Mode::read(entry),
                   .vector = Redirection::Vector::read(entry)},
                  false);
}

void Ioapic::end_of_interrupt(uint8_t vector) {
    for (unsigned line = 0; line < ioapic_lines; ++line) {
        const uint64_t entry = state_->redirection[line];
        if (Redirection::Vector::read(entry) != vector || !Redirection::RemoteIrr::read(entry)) continue;
        state_.change(&IoapicState::redirection, line) &= ~Redirection::RemoteIrr::mask;
        deliver_if_due(line);
    }
}

}  // namespace bulkhead::vmm
