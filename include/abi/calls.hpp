// SPDX-License-Identifier: Apache-2.0
// Every system call but the two of message passing (CallNumber::Call and Reply, see message.hpp), each as one struct:
// its members are the arguments, `Output` the results, `fields()` says which bits of which register they travel in.
// All calls return a Status in RAX bits 0..7 and keep the registers that are not results.
#pragma once

#include <cstdint>
#include <tuple>

#include "abi/capability.hpp"
#include "abi/register.hpp"
#include "base/bit_field.hpp"

namespace bulkhead::abi {

/// RAX bits 0..7 on entry. Call and Reply are the fast paths and come first.
enum class CallNumber : uint8_t {
    Call = 0,   ///< RDI: selector of a portal; the message in the others (message.hpp)
    Reply = 1,  ///< by a handler thread: replies to its caller, if there is one, and waits for the next call
    Null,
    Yield,
    Destroy,
    CopyCapability,
    RemoveCapability,
    Inspect,
    CreateDomain,
    CreateThread,
    SetThreadBases,
    CreateSchedulingContext,
    SetSchedulingContext,
    CreatePortal,
    DerivePortal,
    CreateNotification,
    DeriveNotification,
    Signal,
    Wait,
    DeriveMemory,
    MapMemory,
    UnmapMemory,
    DerivePorts,
    MapPorts,
    CreateInterrupt,
    AcknowledgeInterrupt,
    CreateVcpu,
    BindVcpu,
    RecallVcpu,
    PullVcpuState,
    PostInterrupt,
    CreateVirtualInterrupt,
    SetVirtualInterrupt,
    PostVirtualInterrupt,
    ReadLog,
    WriteLog,
    SetLogOutput,
    Halt,
    Count
};

enum class DomainKind : uint8_t { Native = 0, Guest = 1 };

enum class ThreadFlag : uint8_t {
    Handler = 1 << 0,  ///< waits for calls of its portals, never has a scheduling context of its own
    UsesFpu = 1 << 1,  ///< may use FPU and vector registers, which are switched for it
};
using ThreadFlags = uint8_t;

enum class DeriveFlag : uint8_t {
    Share = 1 << 0,  ///< a window on memory in use: may overlap other windows, content stays
};
using DeriveFlags = uint8_t;

enum class MemoryType : uint8_t { WriteBack = 0, Uncached = 1, WriteCombining = 2 };

enum class InterruptTrigger : uint8_t {
    Default = 0,  ///< as the firmware's tables say, else edge and high for lines 0..15, level and low for others
    EdgeHigh,
    EdgeLow,
    LevelHigh,
    LevelLow,
};

/// What PostInterrupt makes pending.
enum class PostKind : uint8_t {
    Fixed = 0,       ///< edge-triggered vector, into IRR; clears its TMR bit
    FixedLevel = 1,  ///< level-triggered vector, into IRR; sets its TMR bit: its EOI becomes an exit
    Nmi = 2,
};

/// A call without results.
struct NoOutput {
    static constexpr auto fields() { return std::tuple{}; }
};

/// Does nothing: the cost of entering and leaving the kernel.
struct Null {
    static constexpr CallNumber number = CallNumber::Null;
    using Output = NoOutput;
    static constexpr auto fields() { return std::tuple{}; }
};

/// Puts the current scheduling context behind the others of its priority.
struct Yield {
    static constexpr CallNumber number = CallNumber::Yield;
    using Output = NoOutput;
    static constexpr auto fields() { return std::tuple{}; }
};

/// Destroys an object and all that was derived from it; for a domain, all it owns and its child domains. When it
/// returns, nothing can reach what was destroyed. Needs Destroy. Long; preemptible.
struct Destroy {
    static constexpr CallNumber number = CallNumber::Destroy;
    using Output = NoOutput;
    Selector object{};
    static constexpr auto fields() {
        return std::tuple{field(&Destroy::object, Register::Rdi, "what to destroy", 0, 32)};
    }
};

/// Copies a capability of the caller into a domain's space. Needs Grant on the domain. Rights not held are not
/// passed on. SlotOccupied if the slot is not empty.
struct CopyCapability {
    static constexpr CallNumber number = CallNumber::CopyCapability;
    using Output = NoOutput;
    Selector source{};
    Selector domain{};
    Selector slot{};
    Rights rights{};
    static constexpr auto fields() {
        return std::tuple{field(&CopyCapability::source, Register::Rdi, "capability to copy", 0, 32),
                          field(&CopyCapability::domain, Register::Rsi, "whose space", 0, 32),
                          field(&CopyCapability::slot, Register::Rsi, "where to", 32, 32),
                          field(&CopyCapability::rights, Register::R8, "rights to keep", 0, 12)};
    }
};

/// Empties a slot. Needs Grant on the domain.
struct RemoveCapability {
    static constexpr CallNumber number = CallNumber::RemoveCapability;
    using Output = NoOutput;
    Selector domain{};
    Selector slot{};
    static constexpr auto fields() {
        return std::tuple{field(&RemoveCapability::domain, Register::Rdi, "whose space", 0, 32),
                          field(&RemoveCapability::slot, Register::Rsi, "which slot", 0, 32)};
    }
};

/// Tells type and rights of a capability and, by type, two more words: MemoryObject: size in bytes, physical
/// address if DeviceDma is held; Domain: free quota pages, slots; others: 0.
struct Inspect {
    static constexpr CallNumber number = CallNumber::Inspect;
    struct Output {
        ObjectType type{};
        Rights rights{};
        uint64_t first{};
        uint64_t second{};
        static constexpr auto fields() {
            return std::tuple{field(&Output::type, Register::Rsi, "its type", 0, 8),
                              field(&Output::rights, Register::Rsi, "the rights held", 16, 12),
                              field(&Output::first, Register::R8, "by type", 0, 64),
                              field(&Output::second, Register::R9, "by type", 0, 64)};
        }
    };
    Selector object{};
    static constexpr auto fields() {
        return std::tuple{field(&Inspect::object, Register::Rdi, "what to inspect", 0, 32)};
    }
};

/// Makes a domain. Needs Create on the owner, whose quota is split.
struct CreateDomain {
    static constexpr CallNumber number = CallNumber::CreateDomain;
    using Output = NoOutput;
    Selector owner{};
    Selector slot{};
    DomainKind kind{};
    uint8_t maximum_priority{};
    uint32_t capability_slots{};
    uint64_t quota_pages{};
    static constexpr auto fields() {
        return std::tuple{
            field(&CreateDomain::owner, Register::Rdi, "parent domain", 0, 32),
            field(&CreateDomain::slot, Register::Rsi, "where the new capability goes, in the caller's space", 0, 32),
            field(&CreateDomain::kind, Register::R8, "native or guest", 0, 8),
            field(&CreateDomain::maximum_priority, Register::R8,
                  "bound of its scheduling contexts, at most the parent's", 8, 8),
            field(&CreateDomain::capability_slots, Register::R8,
                  "size of its capability space, 64..65536, rounded up to a power of two; 0 for a guest", 32, 32),
            field(&CreateDomain::quota_pages, Register::R9, "kernel memory it may use, taken from the owner", 0, 64)};
    }
};

/// Makes a thread in the domain that owns it. It runs when a scheduling context is bound to it or, as a handler,
/// when one of its portals is called. Maps its message buffer. Needs Create and Map on the owner.
struct CreateThread {
    static constexpr CallNumber number = CallNumber::CreateThread;
    using Output = NoOutput;
    Selector owner{};
    Selector slot{};
    uint32_t cpu{};
    uint64_t entry{};
    uint64_t stack{};
    uint64_t message_buffer{};
    uint64_t argument{};
    Selector exception_portal{};
    ThreadFlags flags{};
    static constexpr auto fields() {
        return std::tuple{
            field(&CreateThread::owner, Register::Rdi, "domain it lives in and that pays", 0, 32),
            field(&CreateThread::slot, Register::Rsi, "where the new capability goes", 0, 32),
            field(&CreateThread::cpu, Register::Rsi, "CPU it is bound to", 32, 32),
            field(&CreateThread::entry, Register::R8, "first instruction; unused for a handler", 0, 64),
            field(&CreateThread::stack, Register::R9, "initial RSP", 0, 64),
            field(&CreateThread::message_buffer, Register::R10, "page-aligned user address for its message buffer", 0,
                  64),
            field(&CreateThread::argument, Register::Rbx, "RDI at its start", 0, 64),
            field(&CreateThread::exception_portal, Register::R12,
                  "portal of the caller's that gets its exceptions; 0: they destroy nothing, the thread stops", 0, 32),
            field(&CreateThread::flags, Register::R12, "what it is", 32, 8)};
    }
};

/// Sets the FS and GS base of a thread that is not running. Needs Control.
struct SetThreadBases {
    static constexpr CallNumber number = CallNumber::SetThreadBases;
    using Output = NoOutput;
    Selector thread{};
    uint64_t fs_base{};
    uint64_t gs_base{};
    static constexpr auto fields() {
        return std::tuple{field(&SetThreadBases::thread, Register::Rdi, "which", 0, 32),
                          field(&SetThreadBases::fs_base, Register::Rsi, "canonical user address", 0, 64),
                          field(&SetThreadBases::gs_base, Register::R8, "canonical user address", 0, 64)};
    }
};

/// Makes a scheduling context and binds it to a thread or vCPU that has none, which becomes ready. Needs Create on
/// the owner and Control on the target. BadArgument if the priority is above the owner's maximum.
struct CreateSchedulingContext {
    static constexpr CallNumber number = CallNumber::CreateSchedulingContext;
    using Output = NoOutput;
    Selector owner{};
    Selector slot{};
    Selector target{};
    uint8_t priority{};
    uint64_t budget{};
    uint64_t period{};
    static constexpr auto fields() {
        return std::tuple{
            field(&CreateSchedulingContext::owner, Register::Rdi, "domain that pays", 0, 32),
            field(&CreateSchedulingContext::slot, Register::Rsi, "where the new capability goes", 0, 32),
            field(&CreateSchedulingContext::target, Register::Rsi, "thread or vCPU", 32, 32),
            field(&CreateSchedulingContext::priority, Register::R8, "0..255, larger is more urgent", 0, 8),
            field(&CreateSchedulingContext::budget, Register::R9, "TSC ticks per period; 0: unlimited", 0, 64),
            field(&CreateSchedulingContext::period, Register::R10, "TSC ticks, at least the budget", 0, 64)};
    }
};

/// Changes priority and budget. Needs Control.
struct SetSchedulingContext {
    static constexpr CallNumber number = CallNumber::SetSchedulingContext;
    using Output = NoOutput;
    Selector scheduling_context{};
    uint8_t priority{};
    uint64_t budget{};
    uint64_t period{};
    static constexpr auto fields() {
        return std::tuple{
            field(&SetSchedulingContext::scheduling_context, Register::Rdi, "which", 0, 32),
            field(&SetSchedulingContext::priority, Register::R8, "0..255", 0, 8),
            field(&SetSchedulingContext::budget, Register::R9, "TSC ticks per period; 0: unlimited", 0, 64),
            field(&SetSchedulingContext::period, Register::R10, "TSC ticks", 0, 64)};
    }
};

/// Makes a portal to a handler thread. Needs Create on the owner and Control on the handler.
struct CreatePortal {
    static constexpr CallNumber number = CallNumber::CreatePortal;
    using Output = NoOutput;
    Selector owner{};
    Selector slot{};
    Selector handler{};
    uint64_t entry{};
    uint64_t badge{};
    static constexpr auto fields() {
        return std::tuple{field(&CreatePortal::owner, Register::Rdi, "domain that pays", 0, 32),
                          field(&CreatePortal::slot, Register::Rsi, "where the new capability goes", 0, 32),
                          field(&CreatePortal::handler, Register::Rsi, "thread made as a handler", 32, 32),
                          field(&CreatePortal::entry, Register::R8, "first instruction of a call", 0, 64),
                          field(&CreatePortal::badge, Register::R9, "RDI of a call", 0, 64)};
    }
};

/// Makes a portal with another badge to the same handler and entry. Needs Create on the owner, Derive on the source.
struct DerivePortal {
    static constexpr CallNumber number = CallNumber::DerivePortal;
    using Output = NoOutput;
    Selector source{};
    Selector owner{};
    Selector slot{};
    uint64_t badge{};
    static constexpr auto fields() {
        return std::tuple{field(&DerivePortal::source, Register::Rdi, "portal", 0, 32),
                          field(&DerivePortal::owner, Register::Rdi, "domain that pays", 32, 32),
                          field(&DerivePortal::slot, Register::Rsi, "where the new capability goes", 0, 32),
                          field(&DerivePortal::badge, Register::R9, "RDI of a call", 0, 64)};
    }
};

/// Makes a notification: 64 flags, one waiter. Needs Create on the owner.
struct CreateNotification {
    static constexpr CallNumber number = CallNumber::CreateNotification;
    using Output = NoOutput;
    Selector owner{};
    Selector slot{};
    static constexpr auto fields() {
        return std::tuple{field(&CreateNotification::owner, Register::Rdi, "domain that pays", 0, 32),
                          field(&CreateNotification::slot, Register::Rsi, "where the new capability goes", 0, 32)};
    }
};

/// Makes a notification that can signal only some bits of another. Needs Create on the owner, Derive on the source.
struct DeriveNotification {
    static constexpr CallNumber number = CallNumber::DeriveNotification;
    using Output = NoOutput;
    Selector source{};
    Selector owner{};
    Selector slot{};
    uint64_t mask{};
    static constexpr auto fields() {
        return std::tuple{field(&DeriveNotification::source, Register::Rdi, "notification", 0, 32),
                          field(&DeriveNotification::owner, Register::Rdi, "domain that pays", 32, 32),
                          field(&DeriveNotification::slot, Register::Rsi, "where the new capability goes", 0, 32),
                          field(&DeriveNotification::mask, Register::R8, "bits it may signal", 0, 64)};
    }
};

/// Sets bits of a notification; wakes its waiter if one of them is in its mask. Needs Signal.
struct Signal {
    static constexpr CallNumber number = CallNumber::Signal;
    using Output = NoOutput;
    Selector notification{};
    uint64_t bits{};
    static constexpr auto fields() {
        return std::tuple{field(&Signal::notification, Register::Rdi, "which", 0, 32),
                          field(&Signal::bits, Register::Rsi, "bits to set", 0, 64)};
    }
};

/// Waits until a bit of the mask is set or the deadline has passed; returns and clears the mask's set bits.
/// Busy if another thread waits there. Needs Wait.
struct Wait {
    static constexpr CallNumber number = CallNumber::Wait;
    struct Output {
        uint64_t bits{};
        static constexpr auto fields() {
            return std::tuple{field(&Output::bits, Register::Rsi, "the bits that were set", 0, 64)};
        }
    };
    Selector notification{};
    uint64_t mask{};
    uint64_t deadline{};
    static constexpr auto fields() {
        return std::tuple{
            field(&Wait::notification, Register::Rdi, "which", 0, 32),
            field(&Wait::mask, Register::Rsi, "bits to wait for", 0, 64),
            field(&Wait::deadline, Register::R8, "absolute TSC ticks; 0: poll; no_deadline: for ever", 0, 64)};
    }
};

/// Makes a memory object of a part of another. Needs Create on the owner, Derive on the source. Without Share the
/// part must not overlap another derivation, is cleared first (which needs Write, and a source that is no window itself),
/// and cannot be derived again until destroyed.
struct DeriveMemory {
    static constexpr CallNumber number = CallNumber::DeriveMemory;
    using Output = NoOutput;
    Selector source{};
    Selector owner{};
    Selector slot{};
    Rights rights{};
    DeriveFlags flags{};
    uint64_t offset{};
    uint64_t size{};
    static constexpr auto fields() {
        return std::tuple{field(&DeriveMemory::source, Register::Rdi, "memory object", 0, 32),
                          field(&DeriveMemory::owner, Register::Rdi, "domain that pays", 32, 32),
                          field(&DeriveMemory::slot, Register::Rsi, "where the new capability goes", 0, 32),
                          field(&DeriveMemory::rights, Register::Rsi, "rights to keep", 32, 12),
                          field(&DeriveMemory::flags, Register::Rsi, "how", 48, 8),
                          field(&DeriveMemory::offset, Register::R8, "bytes, page-aligned", 0, 64),
                          field(&DeriveMemory::size, Register::R9, "bytes, page-aligned, not 0", 0, 64)};
    }
};

/// Maps a part of a memory object into a domain's address space. Needs Map on the domain and, on the memory, the
/// rights asked for. Overlap if something is mapped in the range. Long; preemptible.
struct MapMemory {
    static constexpr CallNumber number = CallNumber::MapMemory;
    using Output = NoOutput;
    Selector domain{};
    Selector memory{};
    uint64_t offset{};
    uint64_t size{};
    uint64_t address{};
    Rights access{};
    MemoryType type{};
    static constexpr auto fields() {
        return std::tuple{field(&MapMemory::domain, Register::Rdi, "whose space", 0, 32),
                          field(&MapMemory::memory, Register::Rdi, "memory object", 32, 32),
                          field(&MapMemory::offset, Register::Rsi, "bytes, page-aligned", 0, 64),
                          field(&MapMemory::size, Register::R8, "bytes, page-aligned, not 0", 0, 64),
                          field(&MapMemory::address, Register::R9, "page-aligned; guest-physical for a guest", 0, 64),
                          field(&MapMemory::access, Register::R10, "MemoryRight bits Read, Write, Execute", 0, 12),
                          field(&MapMemory::type, Register::R10, "cacheability", 16, 8)};
    }
};

/// Removes the mapping that starts at an address, whole. Needs Map on the domain.
struct UnmapMemory {
    static constexpr CallNumber number = CallNumber::UnmapMemory;
    using Output = NoOutput;
    Selector domain{};
    uint64_t address{};
    static constexpr auto fields() {
        return std::tuple{field(&UnmapMemory::domain, Register::Rdi, "whose space", 0, 32),
                          field(&UnmapMemory::address, Register::Rsi, "start of the mapping", 0, 64)};
    }
};

/// Makes a port range of a part of another. Needs Create on the owner, Derive on the source.
struct DerivePorts {
    static constexpr CallNumber number = CallNumber::DerivePorts;
    using Output = NoOutput;
    Selector source{};
    Selector owner{};
    Selector slot{};
    uint16_t first{};
    uint32_t count{};
    static constexpr auto fields() {
        return std::tuple{field(&DerivePorts::source, Register::Rdi, "port range", 0, 32),
                          field(&DerivePorts::owner, Register::Rdi, "domain that pays", 32, 32),
                          field(&DerivePorts::slot, Register::Rsi, "where the new capability goes", 0, 32),
                          field(&DerivePorts::first, Register::R8, "first port", 0, 16),
                          field(&DerivePorts::count, Register::R8, "1..65536", 32, 32)};
    }
};

/// Lets a native domain use ports, until the port range is destroyed. Needs Map on the domain, Access on the range.
struct MapPorts {
    static constexpr CallNumber number = CallNumber::MapPorts;
    using Output = NoOutput;
    Selector domain{};
    Selector ports{};
    static constexpr auto fields() {
        return std::tuple{field(&MapPorts::domain, Register::Rdi, "whose space", 0, 32),
                          field(&MapPorts::ports, Register::Rsi, "port range", 0, 32)};
    }
};

/// Binds an interrupt line to bits of a notification. A level-triggered line stays masked from its arrival until
/// AcknowledgeInterrupt. Needs Interrupts on the machine, Create on the owner, Signal on the notification.
struct CreateInterrupt {
    static constexpr CallNumber number = CallNumber::CreateInterrupt;
    using Output = NoOutput;
    Selector machine{};
    Selector owner{};
    Selector slot{};
    Selector notification{};
    uint32_t line{};
    uint32_t cpu{};
    InterruptTrigger trigger{};
    uint64_t bits{};
    static constexpr auto fields() {
        return std::tuple{field(&CreateInterrupt::machine, Register::Rdi, "the machine", 0, 32),
                          field(&CreateInterrupt::owner, Register::Rdi, "domain that pays", 32, 32),
                          field(&CreateInterrupt::slot, Register::Rsi, "where the new capability goes", 0, 32),
                          field(&CreateInterrupt::notification, Register::Rsi, "what it signals", 32, 32),
                          field(&CreateInterrupt::line, Register::R8, "global system interrupt number (ACPI)", 0, 32),
                          field(&CreateInterrupt::cpu, Register::R8, "CPU that takes it", 32, 24),
                          field(&CreateInterrupt::trigger, Register::R8, "how the line works", 56, 8),
                          field(&CreateInterrupt::bits, Register::R9, "bits to set", 0, 64)};
    }
};

/// Lets the next interrupt of the line in. Needs Acknowledge.
struct AcknowledgeInterrupt {
    static constexpr CallNumber number = CallNumber::AcknowledgeInterrupt;
    using Output = NoOutput;
    Selector interrupt{};
    static constexpr auto fields() {
        return std::tuple{field(&AcknowledgeInterrupt::interrupt, Register::Rdi, "which", 0, 32)};
    }
};

/// Makes a vCPU of a guest domain, and the memory object of its state memory (vcpu.hpp), both owned by the guest.
/// NotSupported without usable virtualization. Needs Create on the guest.
struct CreateVcpu {
    static constexpr CallNumber number = CallNumber::CreateVcpu;
    using Output = NoOutput;
    Selector guest{};
    Selector slot{};
    Selector state_slot{};
    uint32_t cpu{};
    static constexpr auto fields() {
        return std::tuple{field(&CreateVcpu::guest, Register::Rdi, "guest domain", 0, 32),
                          field(&CreateVcpu::slot, Register::Rsi, "where the vCPU capability goes", 0, 32),
                          field(&CreateVcpu::state_slot, Register::Rsi, "where that of the state memory goes", 32, 32),
                          field(&CreateVcpu::cpu, Register::R8, "CPU it is bound to", 0, 32)};
    }
};

/// Binds the portal that receives the vCPU's exits and reads `VcpuConfiguration`; a pending exit is delivered there
/// again. The portal's handler must be on the vCPU's CPU. Needs Control, and Call on the portal.
struct BindVcpu {
    static constexpr CallNumber number = CallNumber::BindVcpu;
    using Output = NoOutput;
    Selector vcpu{};
    Selector portal{};
    static constexpr auto fields() {
        return std::tuple{field(&BindVcpu::vcpu, Register::Rdi, "which", 0, 32),
                          field(&BindVcpu::portal, Register::Rsi, "exit portal", 0, 32)};
    }
};

/// Makes the vCPU exit with reason Recall as soon as possible. Needs Control.
struct RecallVcpu {
    static constexpr CallNumber number = CallNumber::RecallVcpu;
    using Output = NoOutput;
    Selector vcpu{};
    static constexpr auto fields() { return std::tuple{field(&RecallVcpu::vcpu, Register::Rdi, "which", 0, 32)}; }
};

/// Fills more groups of the state page, while the vCPU is in an exit. Busy otherwise. Needs Control.
struct PullVcpuState {
    static constexpr CallNumber number = CallNumber::PullVcpuState;
    using Output = NoOutput;
    Selector vcpu{};
    uint32_t groups{};
    static constexpr auto fields() {
        return std::tuple{field(&PullVcpuState::vcpu, Register::Rdi, "which", 0, 32),
                          field(&PullVcpuState::groups, Register::Rsi, "VcpuStateGroup bits", 0, 32)};
    }
};

/// Makes an event pending at a vCPU and ends its parking. Needs Post.
struct PostInterrupt {
    static constexpr CallNumber number = CallNumber::PostInterrupt;
    using Output = NoOutput;
    Selector vcpu{};
    uint8_t vector{};
    PostKind kind{};
    static constexpr auto fields() {
        return std::tuple{field(&PostInterrupt::vcpu, Register::Rdi, "which", 0, 32),
                          field(&PostInterrupt::vector, Register::Rsi, "16..255 for Fixed and FixedLevel", 0, 8),
                          field(&PostInterrupt::kind, Register::Rsi, "which event", 8, 8)};
    }
};

/// Makes the right to post one vector to a vCPU. Needs Create on the owner, Post on the vCPU.
struct CreateVirtualInterrupt {
    static constexpr CallNumber number = CallNumber::CreateVirtualInterrupt;
    using Output = NoOutput;
    Selector owner{};
    Selector vcpu{};
    Selector slot{};
    uint8_t vector{};
    static constexpr auto fields() {
        return std::tuple{field(&CreateVirtualInterrupt::owner, Register::Rdi, "guest domain", 0, 32),
                          field(&CreateVirtualInterrupt::vcpu, Register::Rdi, "target", 32, 32),
                          field(&CreateVirtualInterrupt::slot, Register::Rsi, "where the new capability goes", 0, 32),
                          field(&CreateVirtualInterrupt::vector, Register::R8, "16..255", 0, 8)};
    }
};

/// Retargets and masks a virtual interrupt; one that came while masked is posted at unmasking. Needs Control, and
/// Post on the vCPU.
struct SetVirtualInterrupt {
    static constexpr CallNumber number = CallNumber::SetVirtualInterrupt;
    using Output = NoOutput;
    Selector virtual_interrupt{};
    Selector vcpu{};
    uint8_t vector{};
    bool masked{};
    static constexpr auto fields() {
        return std::tuple{field(&SetVirtualInterrupt::virtual_interrupt, Register::Rdi, "which", 0, 32),
                          field(&SetVirtualInterrupt::vcpu, Register::Rdi, "target", 32, 32),
                          field(&SetVirtualInterrupt::vector, Register::R8, "16..255", 0, 8),
                          field(&SetVirtualInterrupt::masked, Register::R8, "whether it is masked", 8, 1)};
    }
};

/// Posts a virtual interrupt. Needs Post.
struct PostVirtualInterrupt {
    static constexpr CallNumber number = CallNumber::PostVirtualInterrupt;
    using Output = NoOutput;
    Selector virtual_interrupt{};
    static constexpr auto fields() {
        return std::tuple{field(&PostVirtualInterrupt::virtual_interrupt, Register::Rdi, "which", 0, 32)};
    }
};

/// Copies kernel log text into the caller's message buffer words. Needs Log.
struct ReadLog {
    static constexpr CallNumber number = CallNumber::ReadLog;
    struct Output {
        uint64_t position{};
        uint64_t size{};
        static constexpr auto fields() {
            return std::tuple{field(&Output::position, Register::Rsi, "position behind the text returned", 0, 64),
                              field(&Output::size, Register::R8, "bytes returned, at most 3968; 0: no more", 0, 64)};
        }
    };
    Selector machine{};
    uint64_t position{};
    static constexpr auto fields() {
        return std::tuple{field(&ReadLog::machine, Register::Rdi, "the machine", 0, 32),
                          field(&ReadLog::position, Register::Rsi,
                                "byte position since boot; older text than the kernel keeps is skipped", 0, 64)};
    }
};

/// Appends text from the caller's message buffer words to the kernel's log. Needs Log.
struct WriteLog {
    static constexpr CallNumber number = CallNumber::WriteLog;
    using Output = NoOutput;
    Selector machine{};
    uint64_t size{};
    static constexpr auto fields() {
        return std::tuple{field(&WriteLog::machine, Register::Rdi, "the machine", 0, 32),
                          field(&WriteLog::size, Register::Rsi, "bytes, at most 3968", 0, 64)};
    }
};

/// Says whether the kernel writes its log to the debug UART too (a panic always does), and which bits of a
/// notification new log text signals. Needs Log, and Signal on the notification.
struct SetLogOutput {
    static constexpr CallNumber number = CallNumber::SetLogOutput;
    using Output = NoOutput;
    Selector machine{};
    bool uart{};
    Selector notification{};
    uint64_t bits{};
    static constexpr auto fields() {
        return std::tuple{field(&SetLogOutput::machine, Register::Rdi, "the machine", 0, 32),
                          field(&SetLogOutput::uart, Register::Rsi, "write to the UART", 0, 1),
                          field(&SetLogOutput::notification, Register::Rsi, "0: none", 32, 32),
                          field(&SetLogOutput::bits, Register::R8, "bits to signal", 0, 64)};
    }
};

/// Ends the run of the machine: QEMU and Bochs exit, real hardware powers off. Needs Halt.
struct Halt {
    static constexpr CallNumber number = CallNumber::Halt;
    using Output = NoOutput;
    Selector machine{};
    uint8_t status{};
    static constexpr auto fields() {
        return std::tuple{field(&Halt::machine, Register::Rdi, "the machine", 0, 32),
                          field(&Halt::status, Register::Rsi, "0: all is well", 0, 8)};
    }
};

/// All calls of this page: what dispatchers, checks and the printed reference iterate over.
using AllCalls = std::tuple<Null, Yield, Destroy, CopyCapability, RemoveCapability, Inspect, CreateDomain, CreateThread,
                            SetThreadBases, CreateSchedulingContext, SetSchedulingContext, CreatePortal, DerivePortal,
                            CreateNotification, DeriveNotification, Signal, Wait, DeriveMemory, MapMemory, UnmapMemory,
                            DerivePorts, MapPorts, CreateInterrupt, AcknowledgeInterrupt, CreateVcpu, BindVcpu,
                            RecallVcpu, PullVcpuState, PostInterrupt, CreateVirtualInterrupt, SetVirtualInterrupt,
                            PostVirtualInterrupt, ReadLog, WriteLog, SetLogOutput, Halt>;

static_assert(std::tuple_size_v<AllCalls> + 2 == static_cast<size_t>(CallNumber::Count));
static_assert(
    []<typename... Calls>(std::tuple<Calls...>*) {
        return ((disjoint(Calls::fields()) && disjoint(Calls::Output::fields())) && ...);
    }(static_cast<AllCalls*>(nullptr)),
    "two arguments of a call share bits of a register");

}  // namespace bulkhead::abi
