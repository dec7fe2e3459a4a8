// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/pci/msix.hpp"

namespace bulkhead::vmm {
namespace {

constexpr uint16_t control_enable = 1 << 15;
constexpr uint16_t control_mask_all = 1 << 14;
constexpr uint32_t entry_masked = 1 << 0;
constexpr unsigned capability_bytes = 12;

}  // namespace

void Msix::attach(unsigned bar) {
    capability_ = function_.add_capability(msix_capability_id, capability_bytes);
    ASSERT(capability_ != 0 && vectors_ >= 1 && vectors_ <= max_msix_vectors);
    function_.set_writable(capability_ + 3, (control_enable | control_mask_all) >> 8);
    function_.add_bar(bar, PciFunction::BarKind::Memory32, bar_bytes, nullptr, this);
}

void Msix::reset(unsigned bar) {
    MsixState& state = state_.change();
    state = {};
    for (MsixEntry& entry : state.table) entry.control = entry_masked;
    function_.set_config<uint16_t>(capability_ + 2, static_cast<uint16_t>(vectors_ - 1));
    function_.set_config<uint32_t>(capability_ + 4, bar);
    function_.set_config<uint32_t>(capability_ + 8, static_cast<uint32_t>(pending_offset) | bar);
}

bool Msix::enabled() const {
    return (function_.config<uint16_t>(capability_ + 2) & control_enable) != 0 && function_.enabled(pci_command::bus_master);
}

bool Msix::masked(unsigned vector) const {
    const bool all = (function_.config<uint16_t>(capability_ + 2) & control_mask_all) != 0;
    return all || (state_->table[vector].control & entry_masked) != 0;
}

void Msix::fire(unsigned vector) {
    if (vector >= vectors_ || !enabled()) return;
    if (masked(vector)) {
        state_.change(&MsixState::pending) |= 1u << vector;
        return;
    }
    messages_.send_message(state_->table[vector].address, state_->table[vector].data);
}

void Msix::send_pending() {
    if (state_->pending == 0 || !enabled()) return;
    for (unsigned vector = 0; vector < vectors_; ++vector) {
        const uint32_t bit = 1u << vector;
        if ((state_->pending & bit) == 0 || masked(vector)) continue;
        state_.change(&MsixState::pending) &= ~bit;
        messages_.send_message(state_->table[vector].address, state_->table[vector].data);
    }
}

uint64_t Msix::read(uint64_t offset, unsigned size_bytes) {
    if ((size_bytes != 4 && size_bytes != 8) || offset % size_bytes != 0) return all_ones(size_bytes);
    if (offset == pending_offset) return state_->pending;
    if (offset >= vectors_ * sizeof(MsixEntry)) return 0;
    const auto* entry = reinterpret_cast<const std::byte*>(&state_->table[offset / sizeof(MsixEntry)]);
    uint64_t value = 0;
    __builtin_memcpy(&value, entry + offset % sizeof(MsixEntry), size_bytes);
    return value;
}

void Msix::write(uint64_t offset, unsigned size_bytes, uint64_t value) {
    if ((size_bytes != 4 && size_bytes != 8) || offset % size_bytes != 0) return;
    if (offset >= vectors_ * sizeof(MsixEntry)) return;
    MsixEntry& entry = state_.change(&MsixState::table, offset / sizeof(MsixEntry));
    __builtin_memcpy(reinterpret_cast<std::byte*>(&entry) + offset % sizeof(MsixEntry), &value, size_bytes);
    entry.control &= entry_masked;
    send_pending();
}

}  // namespace bulkhead::vmm
