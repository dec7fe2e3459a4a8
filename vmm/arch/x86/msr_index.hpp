// SPDX-License-Identifier: Apache-2.0
// Numbers of the model-specific registers the monitor knows (Intel SDM volume 4; AMD APM volume 2, appendix A; KVM's
// paravirtual ones: Linux Documentation/virt/kvm/x86/msr.rst).
#pragma once

#include <cstdint>

namespace bulkhead::vmm::msr {

inline constexpr uint32_t p5_mc_address = 0x00;
inline constexpr uint32_t p5_mc_type = 0x01;
inline constexpr uint32_t time_stamp_counter = 0x10;
inline constexpr uint32_t platform_id = 0x17;
inline constexpr uint32_t apic_base = 0x1b;
inline constexpr uint32_t smi_count = 0x34;
inline constexpr uint32_t feature_control = 0x3a;
inline constexpr uint32_t tsc_adjust = 0x3b;
inline constexpr uint32_t microcode_revision = 0x8b;
inline constexpr uint32_t platform_info = 0xce;
inline constexpr uint32_t mtrr_capabilities = 0xfe;
inline constexpr uint32_t misc_features_enable = 0x140;
inline constexpr uint32_t mcg_capabilities = 0x179;
inline constexpr uint32_t mcg_status = 0x17a;
inline constexpr uint32_t mcg_control = 0x17b;
inline constexpr uint32_t misc_enable = 0x1a0;
inline constexpr uint32_t debug_control = 0x1d9;
inline constexpr uint32_t last_branch_from = 0x1db;
inline constexpr uint32_t last_exception_to = 0x1de;
inline constexpr uint32_t mtrr_variable_first = 0x200;
inline constexpr uint32_t mtrr_variable_last = 0x20f;
inline constexpr uint32_t mtrr_fixed_64k = 0x250;
inline constexpr uint32_t mtrr_fixed_16k_first = 0x258;
inline constexpr uint32_t mtrr_fixed_16k_last = 0x259;
inline constexpr uint32_t mtrr_fixed_4k_first = 0x268;
inline constexpr uint32_t mtrr_fixed_4k_last = 0x26f;
inline constexpr uint32_t page_attributes = 0x277;
inline constexpr uint32_t mtrr_default_type = 0x2ff;
inline constexpr uint32_t machine_check_first = 0x400;
inline constexpr uint32_t machine_check_last = 0x47f;
inline constexpr uint32_t tsc_deadline = 0x6e0;
inline constexpr uint32_t x2apic_first = 0x800;
inline constexpr uint32_t x2apic_last = 0x83f;
inline constexpr uint32_t kvm_wall_clock = 0x4b564d00;
inline constexpr uint32_t kvm_system_time = 0x4b564d01;
inline constexpr uint32_t k7_event_select_first = 0xc0010000;
inline constexpr uint32_t k7_counter_last = 0xc0010007;
inline constexpr uint32_t amd_system_configuration = 0xc0010010;
inline constexpr uint32_t amd_hardware_configuration = 0xc0010015;
inline constexpr uint32_t amd_top_of_memory = 0xc001001a;
inline constexpr uint32_t amd_top_of_memory_2 = 0xc001001d;
inline constexpr uint32_t amd_northbridge_configuration = 0xc001001f;
inline constexpr uint32_t amd_interrupt_pending = 0xc0010055;
inline constexpr uint32_t amd_mmio_configuration_base = 0xc0010058;
inline constexpr uint32_t amd_p_state_limit = 0xc0010061;
inline constexpr uint32_t amd_p_state_last = 0xc001006b;
inline constexpr uint32_t amd_vm_control = 0xc0010114;
inline constexpr uint32_t amd_vm_host_save = 0xc0010117;
inline constexpr uint32_t amd_workaround_id_length = 0xc0010140;
inline constexpr uint32_t amd_workaround_status = 0xc0010141;
inline constexpr uint32_t amd_load_store_configuration = 0xc0011020;
inline constexpr uint32_t amd_instruction_cache_configuration = 0xc0011021;
inline constexpr uint32_t amd_data_cache_configuration = 0xc0011022;
inline constexpr uint32_t amd_floating_point_configuration = 0xc0011028;
inline constexpr uint32_t amd_decode_configuration = 0xc0011029;
inline constexpr uint32_t amd_bus_unit_configuration_2 = 0xc001102a;

}  // namespace bulkhead::vmm::msr
