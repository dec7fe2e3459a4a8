// SPDX-License-Identifier: Apache-2.0
// The device-state memory as a struct: everything about the virtual machine that is not in its RAM and not in the
// kernel. It is owned by the guest domain, so it outlives the monitor. All zero means: never started.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "vmm/arch/x86/local_apic.hpp"
#include "vmm/arch/x86/msr_policy.hpp"
#include "vmm/arch/x86/pv_clock.hpp"
#include "vmm/device/legacy/ioapic.hpp"
#include "vmm/device/legacy/power.hpp"
#include "vmm/device/legacy/rtc.hpp"
#include "vmm/device/legacy/uart.hpp"
#include "vmm/device/pci/function.hpp"
#include "vmm/exit/journal.hpp"
#include "vmm/loader/linux.hpp"
#include "vmm/vm/interrupt_fabric.hpp"
#include "vmm/vm/vcpu_lifecycle.hpp"

namespace bulkhead::vmm {

struct VcpuDeviceState {
    LocalApicState apic;
    VcpuLifecycleState lifecycle;
    MsrState msrs;
    PvClockState clock;
};

struct DeviceMemory {
    static constexpr uint64_t expected_magic = 0x314d564b'4c554221;  // changes with the layout
    uint64_t magic;  ///< written last: from then on the machine has been started
    uint64_t size_bytes;
    LinuxEntry entry;
    PvClockBase clock_base;
    std::array<JournalRecord, max_vcpus> vcpu_journals;
    JournalRecord service_journal;
    std::array<VcpuDeviceState, max_vcpus> vcpus;
    IoapicState ioapic;
    RtcState rtc;
    PowerState power;
    PciConfigState host_bridge;
    UartState uart;
    UartOutput uart_output;
    UartInput uart_input;

    bool started() const { return magic == expected_magic && size_bytes == sizeof(DeviceMemory); }
};
static_assert(std::is_trivially_copyable_v<DeviceMemory>);

}  // namespace bulkhead::vmm
