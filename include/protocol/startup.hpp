// SPDX-License-Identifier: Apache-2.0
// What a program finds at its start: one read-only page, written by the supervisor (servers/init), whose address is
// in RDI of the first thread. The root task gets abi::RootInformation there instead; both begin with a magic word.
//
// The supervisor has also filled slot abi::WellKnownSlot::Self (rights Create, Map, Grant on the program's own domain)
// and made the mappings listed under `Place`. Everything else a program may use is in the list of named capabilities.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "abi/capability.hpp"
#include "abi/layout.hpp"
#include "base/address.hpp"

namespace bulkhead::protocol {

/// Where the supervisor puts things in the address space of a program. Addresses not listed are the program's own.
struct Place {
    /// The startup page (read-only), the first thread's message buffer, and the end of its stack, as for the root task.
    static constexpr uint64_t startup = abi::root_information_address;
    static constexpr uint64_t message_buffer = abi::root_message_buffer_address;
    static constexpr uint64_t stack_top = abi::root_stack_top;
    static constexpr uint64_t stack_bytes = 64 * 1024;  ///< mapped below stack_top; the page below that never is
    /// The program image, at the addresses it was linked for.
    static constexpr uint64_t program = abi::program_base_address;
    static constexpr uint64_t program_end = 0x4000'0000;
    /// The heap: `heap_bytes` of zeroed memory, mapped read-write.
    static constexpr uint64_t heap = 0x1'0000'0000;
    /// Memory that outlives a restart of the program (manifest key `state`), mapped read-write.
    static constexpr uint64_t state = 0x20'0000'0000;
    /// For the runtime library: stacks and message buffers of further threads, temporary mappings.
    static constexpr uint64_t runtime = 0x28'0000'0000;
    static constexpr uint64_t runtime_end = 0x30'0000'0000;
    /// Device memory the manifest gives, in the order of the manifest (uncached); each starts a new GiB.
    static constexpr uint64_t devices = 0x30'0000'0000;
    /// A monitor's virtual machine, see vm.hpp.
    static constexpr uint64_t vm = 0x38'0000'0000;
    static constexpr uint64_t vm_ram = 0x40'0000'0000;
    static constexpr uint64_t vm_ram_end = 0x80'0000'0000;
};

/// Names of capabilities every program has. Others come from the manifest: a connection bears its service's name, a
/// device the name the manifest gives it.
struct CapabilityName {
    static constexpr std::string_view supervisor =
        "supervisor";                                           ///< control.hpp: log, offer a service, heartbeat, exit
    static constexpr std::string_view exception = "exception";  ///< exception portal to give to threads one makes
    static constexpr std::string_view heap = "heap";            ///< memory object behind the heap
    static constexpr std::string_view state = "state";          ///< memory object behind the state memory, if any
    static constexpr std::string_view machine = "machine";      ///< only if the manifest grants a right on it
    /// A notification of the program's own whose bit n is set by the n-th interrupt among the manifest's devices.
    /// Only if there is one. Rights: Wait, Signal, Derive; the other bits are the program's.
    static constexpr std::string_view interrupts = "interrupts";
};

/// A name for one capability, or for consecutive ones. Portals: slot `first + cpu`, for each CPU; that of a service
/// that does not run (yet, or at the moment) is empty or stale.
struct NamedCapability {
    char name[24];  ///< NUL-terminated
    abi::Selector first;
    uint16_t count;
    abi::ObjectType type;
    uint8_t reserved;
};
static_assert(sizeof(NamedCapability) == 32);

inline constexpr size_t max_named_capabilities = 64;

struct StartupInformation {
    static constexpr uint64_t expected_magic = 0x54524154'53484b42;
    uint64_t magic;
    char name[32];                  ///< of the component, for logs
    char arguments[512];            ///< the manifest's `arguments`, words separated by spaces
    uint32_t cpu;                   ///< CPU of the first thread
    uint32_t capability_count;      ///< entries of `capabilities`
    uint64_t cpus;                  ///< bit mask: where its threads may be and its services need handlers
    abi::Selector first_free_slot;  ///< slots from here on to `capability_slots` are the program's
    uint32_t capability_slots;      ///< size of its capability space
    uint32_t restart_count;         ///< 0 at the first start
    uint8_t priority;               ///< of the first thread; also the bound of its domain
    uint8_t reserved0[3];
    uint64_t heap_bytes;             ///< at Place::heap
    uint64_t state_bytes;            ///< at Place::state; 0: none
    uint64_t heartbeat_interval_ns;  ///< 0: none expected; else control.hpp's Heartbeat within each interval
    uint64_t boot_time_ns;           ///< time of day, since 1970-01-01 UTC, at which the TSC was zero
    uint64_t reserved1[7];
    NamedCapability capabilities[max_named_capabilities];

    /// The entry of that name, or null.
    const NamedCapability* find(std::string_view wanted) const {
        for (size_t index = 0; index < capability_count && index < max_named_capabilities; ++index) {
            std::string_view candidate{capabilities[index].name};
            if (candidate == wanted) return &capabilities[index];
        }
        return nullptr;
    }
};
static_assert(sizeof(StartupInformation) <= page_size_bytes);

}  // namespace bulkhead::protocol
