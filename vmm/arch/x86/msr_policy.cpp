// SPDX-License-Identifier: Apache-2.0
#include "vmm/arch/x86/msr_policy.hpp"

#include "vmm/arch/x86/msr_index.hpp"
#include "vmm/vm/line.hpp"

namespace bulkhead::vmm {
namespace {

constexpr bool between(uint32_t index, uint32_t first, uint32_t last) { return index >= first && index <= last; }

namespace mtrr {
constexpr uint64_t uncacheable = 0, write_back = 6;
constexpr uint64_t enabled = 1 << 11, fixed_enabled = 1 << 10, valid = 1 << 11;
constexpr uint64_t default_type_defined = 0xcff;
constexpr uint64_t capabilities = 8 | 1 << 8 | 1 << 10;  // eight variable ranges, fixed ranges, write combining
constexpr uint64_t hole_start = 0xc0000000, hole_size = 0x40000000;
constexpr uint64_t all_write_back = 0x0606060606060606;
constexpr unsigned first_reserved_fixed = 1;  // of the 16 KiB ranges: A0000-BFFFF

constexpr bool is_type(uint64_t type) { return type == 0 || type == 1 || (type >= 4 && type <= 6); }
constexpr bool are_types(uint64_t types) {
    for (unsigned index = 0; index < 8; ++index, types >>= 8) {
        if (!is_type(types & 0xff)) return false;
    }
    return true;
}
}  // namespace mtrr

namespace pat {
constexpr uint64_t reset = 0x0007040600070406;
constexpr bool is_valid(uint64_t value) {
    for (unsigned index = 0; index < 8; ++index, value >>= 8) {
        const uint64_t type = value & 0xff;
        if (type > 7 || type == 2 || type == 3) return false;
    }
    return true;
}
}  // namespace pat

constexpr uint64_t misc_fast_strings = 1 << 0;
constexpr uint64_t misc_no_branch_trace = 1 << 11;
constexpr uint64_t misc_no_precise_sampling = 1 << 12;
constexpr uint64_t misc_reset = misc_fast_strings | misc_no_branch_trace | misc_no_precise_sampling;
constexpr uint64_t feature_control_locked = 1;
constexpr uint64_t amd_vm_disabled_and_locked = 1 << 4 | 1 << 3;
constexpr uint64_t microcode = uint64_t{0x100} << 32;  // some revision: Linux compares it with known bad ones

/// Fixed-range MTRRs have eleven numbers in three groups.
std::optional<unsigned> fixed_mtrr(uint32_t index) {
    if (index == msr::mtrr_fixed_64k) return 0;
    if (between(index, msr::mtrr_fixed_16k_first, msr::mtrr_fixed_16k_last)) return 1 + index - msr::mtrr_fixed_16k_first;
    if (between(index, msr::mtrr_fixed_4k_first, msr::mtrr_fixed_4k_last)) return 3 + index - msr::mtrr_fixed_4k_first;
    return std::nullopt;
}

bool is_apic(uint32_t index) {
    return index == msr::apic_base || index == msr::tsc_deadline || between(index, msr::x2apic_first, msr::x2apic_last);
}

}  // namespace

void MsrPolicy::power_on() {
    MsrState& state = state_.change();
    state = {};
    state.misc_enable = misc_reset;
    state.page_attributes = pat::reset;
    state.mtrr_default_type = mtrr::enabled | mtrr::fixed_enabled | mtrr::write_back;
    state.mtrr_fixed.fill(mtrr::all_write_back);
    state.mtrr_fixed[1 + mtrr::first_reserved_fixed] = 0;  // the VGA window is uncacheable
    const uint64_t address_mask = (uint64_t{1} << physical_address_bits_) - 1;
    state.mtrr_variable[0] = mtrr::hole_start | mtrr::uncacheable;
    state.mtrr_variable[1] = (~(mtrr::hole_size - 1) & address_mask) | mtrr::valid;
}

Result<uint64_t, MsrFault> MsrPolicy::read(uint32_t index) {
    if (is_apic(index)) {
        const auto value = apic_.read_msr(index);
        if (value) return value.value();
        return MsrFault::GeneralProtection;
    }
    if (const auto value = read_common(index)) return *value;
    if (const auto value = read_mtrr(index)) return *value;
    if (const auto value = read_vendor(index)) return *value;
    name_once(index, false, 0);
    return MsrFault::GeneralProtection;
}

Result<void, MsrFault> MsrPolicy::write(uint32_t index, uint64_t value) {
    bool fault = false;
    if (is_apic(index)) {
        if (!apic_.write_msr(index, value, state_->tsc_offset)) return MsrFault::GeneralProtection;
        return {};
    }
    const bool known = write_common(index, value, fault) || write_mtrr(index, value, fault) || write_vendor(index, value);
    if (!known) name_once(index, true, value);
    if (!known || fault) return MsrFault::GeneralProtection;
    return {};
}

std::optional<uint64_t> MsrPolicy::read_common(uint32_t index) const {
    switch (index) {
        case msr::p5_mc_address:
        case msr::p5_mc_type: return 0;
        case msr::time_stamp_counter: return time_.tsc() + state_->tsc_offset;
        case msr::tsc_adjust: return state_->tsc_adjust;
        case msr::microcode_revision: return microcode;
        case msr::misc_enable: return state_->misc_enable;
        case msr::mcg_capabilities: return 0;  // no banks
        case msr::mcg_status: return state_->mcg_status;
        case msr::mcg_control: return state_->mcg_control;
        case msr::debug_control: return state_->debug_control;
        case msr::kvm_wall_clock: return clock_.wall_clock_msr();
        case msr::kvm_system_time: return clock_.system_time_msr();
        default: break;
    }
    if (between(index, msr::machine_check_first, msr::machine_check_last)) return 0;
    if (between(index, msr::last_branch_from, msr::last_exception_to)) return 0;
    return std::nullopt;
}

bool MsrPolicy::write_common(uint32_t index, uint64_t value, bool& fault) {
    switch (index) {
        case msr::time_stamp_counter:
            change_tsc(value - (time_.tsc() + state_->tsc_offset));
            return true;
        case msr::tsc_adjust:
            change_tsc(value - state_->tsc_adjust);
            return true;
        case msr::microcode_revision: return true;
        case msr::misc_enable: state_.change().misc_enable = value; return true;
        case msr::mcg_status:
            fault = value != 0;
            return true;
        case msr::mcg_control: state_.change().mcg_control = value; return true;
        case msr::debug_control:
            // Branch tracing and friends are not virtualized.
            fault = (value & ~uint64_t{2}) != 0;
            if (!fault) state_.change().debug_control = value;
            return true;
        case msr::kvm_wall_clock: fault = !clock_.write_wall_clock(value); return true;
        case msr::kvm_system_time: fault = !clock_.write_system_time(value, state_->tsc_offset); return true;
        default: break;
    }
    if (between(index, msr::machine_check_first, msr::machine_check_last)) {
        fault = value != 0;
        return true;
    }
    return false;
}

/// A write of the TSC shows in TSC_ADJUST and the other way round (SDM volume 3, 18.17.3).
void MsrPolicy::change_tsc(uint64_t delta) {
    if (delta == 0) return;
    MsrState& state = state_.change();
    state.tsc_offset += delta;
    state.tsc_adjust += delta;
    tsc_changed_ = true;
    clock_.update(state.tsc_offset);
}

std::optional<uint64_t> MsrPolicy::take_tsc_offset_change() {
    if (!tsc_changed_) return std::nullopt;
    tsc_changed_ = false;
    return state_->tsc_offset;
}

std::optional<uint64_t> MsrPolicy::read_mtrr(uint32_t index) const {
    if (index == msr::mtrr_capabilities) return mtrr::capabilities;
    if (index == msr::mtrr_default_type) return state_->mtrr_default_type;
    if (index == msr::page_attributes) return state_->page_attributes;
    if (const auto fixed = fixed_mtrr(index)) return state_->mtrr_fixed[*fixed];
    if (between(index, msr::mtrr_variable_first, msr::mtrr_variable_last)) {
        return state_->mtrr_variable[index - msr::mtrr_variable_first];
    }
    return std::nullopt;
}

/// Memory only: guest memory is write-back RAM whatever the guest writes here.
bool MsrPolicy::write_mtrr(uint32_t index, uint64_t value, bool& fault) {
    if (index == msr::mtrr_default_type) {
        fault = (value & ~mtrr::default_type_defined) != 0 || !mtrr::is_type(value & 0xff);
        if (!fault) state_.change().mtrr_default_type = value;
        return true;
    }
    if (index == msr::page_attributes) {
        fault = !pat::is_valid(value);
        if (!fault) state_.change().page_attributes = value;
        return true;
    }
    if (const auto fixed = fixed_mtrr(index)) {
        fault = !mtrr::are_types(value);
        if (!fault) state_.change().mtrr_fixed[*fixed] = value;
        return true;
    }
    if (!between(index, msr::mtrr_variable_first, msr::mtrr_variable_last)) return false;
    const unsigned number = index - msr::mtrr_variable_first;
    const uint64_t address_bits = ((uint64_t{1} << physical_address_bits_) - 1) & ~uint64_t{0xfff};
    const uint64_t defined = address_bits | (number % 2 == 0 ? 0xff : mtrr::valid);
    fault = (value & ~defined) != 0 || (number % 2 == 0 && !mtrr::is_type(value & 0xff));
    if (!fault) state_.change().mtrr_variable[number] = value;
    return true;
}

std::optional<uint64_t> MsrPolicy::read_vendor(uint32_t index) const {
    if (!amd_) {
        switch (index) {
            case msr::platform_id:
            case msr::smi_count:
            case msr::platform_info:
            case msr::misc_features_enable: return 0;
            case msr::feature_control: return feature_control_locked;  // VMX is off, and stays off
            default: return std::nullopt;
        }
    }
    switch (index) {
        case msr::amd_system_configuration:
        case msr::amd_top_of_memory:
        case msr::amd_top_of_memory_2:
        case msr::amd_northbridge_configuration:
        case msr::amd_interrupt_pending:
        case msr::amd_vm_host_save:
        case msr::amd_workaround_id_length:
        case msr::amd_workaround_status:
        case msr::amd_load_store_configuration:
        case msr::amd_instruction_cache_configuration:
        case msr::amd_data_cache_configuration:
        case msr::amd_floating_point_configuration:
        case msr::amd_bus_unit_configuration_2: return 0;
        case msr::amd_decode_configuration: return 2;  // LFENCE is serializing
        case msr::amd_hardware_configuration: return state_->amd_hardware_configuration;
        case msr::amd_mmio_configuration_base: return state_->amd_mmio_configuration_base;
        case msr::amd_vm_control: return amd_vm_disabled_and_locked;
        default: break;
    }
    if (between(index, msr::k7_event_select_first, msr::k7_counter_last)) return 0;
    if (between(index, msr::amd_p_state_limit, msr::amd_p_state_last)) return 0;
    return std::nullopt;
}

bool MsrPolicy::write_vendor(uint32_t index, uint64_t value) {
    if (!amd_) return index == msr::misc_features_enable && value == 0;
    switch (index) {
        case msr::amd_hardware_configuration: state_.change().amd_hardware_configuration = value; return true;
        case msr::amd_mmio_configuration_base: state_.change().amd_mmio_configuration_base = value; return true;
        case msr::amd_system_configuration:
        case msr::amd_northbridge_configuration:
        case msr::amd_interrupt_pending:
        case msr::amd_load_store_configuration:
        case msr::amd_instruction_cache_configuration:
        case msr::amd_data_cache_configuration:
        case msr::amd_floating_point_configuration:
        case msr::amd_decode_configuration:
        case msr::amd_bus_unit_configuration_2: return true;  // chicken bits: accepted, without effect
        // Performance counters that stand still: Linux writes one, reads it back, and sees that there is no PMU.
        default: return between(index, msr::k7_event_select_first, msr::k7_counter_last);
    }
}

void MsrPolicy::name_once(uint32_t index, bool is_write, uint64_t value) {
    if (!unknown_.first(uint64_t{index} * 2 + (is_write ? 1 : 0))) return;
    Line line;
    line.text("the guest ").text(is_write ? "writes" : "reads").text(" unknown MSR ").hex(index);
    if (is_write) line.text(" = ").hex(value);
    log_.line(line.text(": #GP").view());
}

}  // namespace bulkhead::vmm
