// SPDX-License-Identifier: Apache-2.0
// What a monitor finds about its virtual machine, beside its startup page: one read-only page at Place::vm, and
// mappings of all the memory the machine consists of.
//
// The guest domain is a child of the supervisor and owns the vCPUs, their state memory, the RAM and the device-state
// memory; the monitor holds capabilities to them. So a monitor can die alone: the supervisor destroys its domain and
// starts another one with the same capabilities at the same places, `restart_count` of its startup page is then not 0.
// A fresh device-state memory is zeroed: a monitor tells by its content, not by the count, whether the machine has
// been started before.
//
// The vCPUs exist and have a scheduling context; they wait to be bound (abi::BindVcpu). The supervisor has mapped the
// RAM into the guest domain at `ram[i].guest_address` and, for the monitor, at Place::vm_ram + guest_address.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/capability.hpp"
#include "abi/vcpu.hpp"
#include "base/address.hpp"
#include "protocol/startup.hpp"

namespace bulkhead::protocol {

inline constexpr size_t max_vcpus = 4;
inline constexpr size_t max_vm_ram_ranges = 4;
inline constexpr size_t max_command_line = 1024;

struct VmPlace {
    static constexpr uint64_t information = Place::vm;
    /// State memory of vCPU n (abi::vcpu_state_memory_bytes: state page, virtual-APIC page), read-write.
    static constexpr uint64_t vcpu_state(unsigned index) {
        return Place::vm + 0x1000'0000 + index * abi::vcpu_state_memory_bytes;
    }
    static constexpr uint64_t device_state = Place::vm + 0x2000'0000;
    static constexpr uint64_t device_state_bytes = 0x40000;
    /// Boot modules, read-only.
    static constexpr uint64_t kernel = Place::vm + 0x1'0000'0000;
    static constexpr uint64_t initrd = Place::vm + 0x2'0000'0000;
    /// Guest-physical address 0. The guest's RAM, with holes where `ram` has none.
    static constexpr uint64_t ram = Place::vm_ram;
};
static_assert(VmPlace::initrd + 0x2'0000'0000 <= Place::vm_ram);

/// Kinds of machines a monitor can build.
enum class VmProfile : uint8_t { Micro = 0, Count };

/// The machine's RAM below 4 GiB ends here at the latest; the rest continues at 4 GiB.
inline constexpr uint64_t vm_low_ram_limit = 0xc000'0000;
/// Holes in low RAM: only the VGA window. 0xc0000..0xfffff is plain memory, for tables and firmware.
inline constexpr uint64_t vm_legacy_hole_start = 0xa'0000;
inline constexpr uint64_t vm_legacy_hole_end = 0xc'0000;

/// Where a range of a guest's RAM lies. It is mapped into the guest with read, write and execute.
struct VmRamRange {
    uint64_t guest_address;
    uint64_t size_bytes;
    uint64_t memory_offset;  ///< of its first byte inside `memory`
    abi::Selector memory;    ///< memory object, rights read, write, derive
    uint32_t reserved;
};

struct VmVcpu {
    abi::Selector vcpu;                ///< rights Control, Post
    abi::Selector state_memory;        ///< mapped at VmPlace::vcpu_state(n)
    abi::Selector scheduling_context;  ///< right Control
    uint32_t cpu;                      ///< host CPU it is bound to; the exit handler must be there
};

struct VmModule {
    uint64_t size_bytes;  ///< 0: there is none
    abi::Selector memory;
    uint32_t reserved;
};

/// The named capabilities of a monitor, beside those of every program: its connection to the console service.
inline constexpr std::string_view vm_console_name = "console";

struct VmInformation {
    static constexpr uint64_t expected_magic = 0x4d565f44'41454842;
    uint64_t magic;
    char name[32];
    abi::Selector guest;       ///< guest domain, rights Map, Create
    uint32_t vcpu_count;       ///< 1..max_vcpus
    uint32_t ram_range_count;  ///< entries of `ram`
    VmProfile profile;
    uint8_t reserved0[3];
    uint64_t ram_bytes;          ///< sum of what the manifest's `memory` says
    abi::Selector device_state;  ///< memory object mapped at VmPlace::device_state
    uint32_t reserved1;
    VmModule kernel;  ///< mapped at VmPlace::kernel
    VmModule initrd;  ///< mapped at VmPlace::initrd
    VmRamRange ram[max_vm_ram_ranges];
    VmVcpu vcpus[max_vcpus];
    char command_line[max_command_line];
};
static_assert(sizeof(VmInformation) <= page_size_bytes);

/// Why a virtual machine ended; the monitor reports it (control.hpp), the manifest's policy applies.
enum class VmEnd : uint8_t {
    PowerOff = 0,
    Reset,  ///< the guest asked for a reset
    TripleFault,
    Broken,     ///< the monitor gives up: a state or an exit it cannot handle
    BadKernel,  ///< the kernel or initrd is missing or unusable
    Count
};

constexpr const char* name(VmEnd end) {
    constexpr const char* names[] = {"power off", "reset", "triple fault", "broken", "bad kernel or initrd"};
    static_assert(sizeof(names) / sizeof(names[0]) == static_cast<unsigned>(VmEnd::Count));
    return end < VmEnd::Count ? names[static_cast<unsigned>(end)] : "unknown";
}

}  // namespace bulkhead::protocol
