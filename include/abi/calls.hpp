// SPDX-License-Identifier: Apache-2.0
// Every system call but Call and Reply (message.hpp), each as one struct: its members are the arguments, those of
// `Output` the results. Their types say which bits of which register they travel in and, of selectors, what the object
// and the rights must be: the kernel checks that. All return a Status in RAX 0..7 and keep registers without results.
#pragma once

#include "abi/capability.hpp"
#include "abi/register.hpp"

namespace bulkhead::abi {

enum class DomainKind : uint8_t { Native = 0, Guest = 1 };

enum class ThreadFlag : uint8_t {
    Handler = 1 << 0,  ///< waits for calls of its portals and runs on its callers' scheduling contexts
    UsesFpu = 1 << 1,  ///< may use FPU and vector registers, which are switched for it
};
using ThreadFlags = uint8_t;

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

using ObjectType::Domain, ObjectType::Thread, ObjectType::Vcpu, ObjectType::SchedulingContext, ObjectType::Portal;
using ObjectType::Interrupt, ObjectType::PortRange, ObjectType::Machine;
using ObjectType::Notification, ObjectType::MemoryObject, ObjectType::VirtualInterrupt, ObjectType::Doorbell;
using Register::Rdi, Register::Rsi, Register::R8, Register::R9, Register::R10, Register::Rbx, Register::R12;

/// What a call does with a selector: it needs the object, it can do without it (null_selector), or it names a slot.
enum class SelectorUse : uint8_t { Object, OptionalObject, Slot };

template <SelectorUse Use, ObjectType Type, Rights Needed, Register Where, unsigned Shift>
struct SelectorArgument : Argument<Selector, Where, Shift> {
    using Argument<Selector, Where, Shift>::Argument;
    static constexpr SelectorUse use = Use;
    static constexpr ObjectType type = Type;  ///< None: any
    static constexpr Rights rights = Needed;  ///< what the caller's capability must carry
};
template <ObjectType Type, Rights Needed, Register Where, unsigned Shift = 0>
using Object = SelectorArgument<SelectorUse::Object, Type, Needed, Where, Shift>;
template <ObjectType Type, Rights Needed, Register Where, unsigned Shift = 0>
using OptionalObject = SelectorArgument<SelectorUse::OptionalObject, Type, Needed, Where, Shift>;
template <Register Where, unsigned Shift = 0>
using Slot = SelectorArgument<SelectorUse::Slot, ObjectType::None, 0, Where, Shift>;
/// The domain that pays for what a call makes. The capability goes into `slot` of the caller's, which must be empty.
template <Register Where, unsigned Shift = 0>
using Owner = Object<Domain, DomainRight::Create, Where, Shift>;

/// Does nothing: the cost of entering and leaving the kernel.
struct Null {};

/// Puts the current scheduling context behind the others of its priority.
struct Yield {};

/// Destroys an object and all that was derived from it; for a domain, all it owns and its child domains. When it
/// returns, nothing can reach what was destroyed. Needs Destroy. Long; preemptible.
struct Destroy {
    Object<ObjectType::None, Right::Destroy, Rdi> object;  ///< what to destroy
};

/// How long calls (Destroy, DeriveMemory, MapMemory, UnmapMemory) go on behind a preemption: returns when no such call
/// is under way, with the status of the caller's own. The kernel makes it in the caller's place; made by a program, it
/// waits for the others' calls.
struct FinishCall {};

/// Copies a capability of the caller into a domain's space. Needs Grant on the domain. Rights not held are not
/// passed on. SlotOccupied if the slot is not empty.
struct CopyCapability {
    Object<ObjectType::None, 0, Rdi> source;         ///< capability to copy
    Object<Domain, DomainRight::Grant, Rsi> domain;  ///< whose space
    Slot<Rsi, 32> slot;                              ///< where to
    Argument<Rights, R8, 0, rights_width> rights;    ///< rights to keep
};

/// Empties a slot. Needs Grant on the domain.
struct RemoveCapability {
    Object<Domain, DomainRight::Grant, Rdi> domain;  ///< whose space
    Slot<Rsi> slot;                                  ///< which slot
};

/// Tells type and rights of a capability and, by type, two more words: MemoryObject: size in bytes, physical
/// address if DeviceDma is held; Domain: free quota pages, slots; others: 0.
struct Inspect {
    struct Output {
        Argument<ObjectType, Rsi> type;                  ///< its type
        Argument<Rights, Rsi, 16, rights_width> rights;  ///< the rights held
        Argument<uint64_t, R8> first;                    ///< by type
        Argument<uint64_t, R9> second;                   ///< by type
    };
    Object<ObjectType::None, 0, Rdi> object;  ///< what to inspect
};

/// Makes a domain. Needs Create on the owner, whose quota is split.
struct CreateDomain {
    Owner<Rdi> owner;                             ///< parent domain
    Slot<Rsi> slot;                               ///< where the new capability goes, in the caller's space
    Argument<DomainKind, R8> kind;                ///< native or guest
    Argument<uint8_t, R8, 8> maximum_priority;    ///< bound of its scheduling contexts, at most the parent's
    Argument<uint32_t, R8, 32> capability_slots;  ///< 64..65536, rounded up to a power of two; 0 for a guest
    Argument<uint64_t, R9> quota_pages;           ///< kernel memory it may use, taken from the owner
};

/// Makes a thread in the domain that owns it. It runs when a scheduling context is bound to it or, as a handler,
/// when one of its portals is called. Maps its message buffer. Needs Create and Map on the owner.
struct CreateThread {
    Object<Domain, DomainRight::Create | DomainRight::Map, Rdi> owner;  ///< domain it lives in and that pays
    Slot<Rsi> slot;                                                     ///< where the new capability goes
    Argument<uint32_t, Rsi, 32> cpu;                                    ///< CPU it is bound to
    Argument<uint64_t, R8> entry;                                       ///< first instruction; unused for a handler
    Argument<uint64_t, R9> stack;                                       ///< initial RSP
    Argument<uint64_t, R10> message_buffer;  ///< page-aligned user address for its message buffer
    Argument<uint64_t, Rbx> argument;        ///< RDI at its start
    OptionalObject<Portal, PortalRight::Call, R12> exception_portal;  ///< gets its exceptions; 0: one stops it
    Argument<ThreadFlags, R12, 32> flags;                             ///< what it is
};

/// Sets the FS and GS base of a thread that is not running. Needs Control.
struct SetThreadBases {
    Object<Thread, ThreadRight::Control, Rdi> thread;  ///< which
    Argument<uint64_t, Rsi> fs_base;                   ///< canonical user address
    Argument<uint64_t, R8> gs_base;                    ///< canonical user address
};

/// Makes a scheduling context and binds it to a thread or vCPU that has none, which becomes ready. A handler's is its
/// fallback: it runs on it when its caller has left it (deadline, death), until it replies, which nobody hears. Needs
/// Create on the owner and Control on the target. BadArgument if the priority is above the owner's maximum.
struct CreateSchedulingContext {
    Owner<Rdi> owner;                                                ///< domain that pays
    Slot<Rsi> slot;                                                  ///< where the new capability goes
    Object<ObjectType::None, ThreadRight::Control, Rsi, 32> target;  ///< thread or vCPU
    Argument<uint8_t, R8> priority;                                  ///< 0..255, larger is more urgent
    Argument<uint64_t, R9> budget;                                   ///< TSC ticks per period; 0: unlimited
    Argument<uint64_t, R10> period;                                  ///< TSC ticks, at least the budget
};

/// Changes priority and budget. Needs Control.
struct SetSchedulingContext {
    Object<SchedulingContext, SchedulingContextRight::Control, Rdi> scheduling_context;  ///< which
    Argument<uint8_t, R8> priority;                                                      ///< 0..255
    Argument<uint64_t, R9> budget;   ///< TSC ticks per period; 0: unlimited
    Argument<uint64_t, R10> period;  ///< TSC ticks
};

/// Makes a portal to a handler thread. Needs Create on the owner and Control on the handler.
struct CreatePortal {
    Owner<Rdi> owner;                                       ///< domain that pays
    Slot<Rsi> slot;                                         ///< where the new capability goes
    Object<Thread, ThreadRight::Control, Rsi, 32> handler;  ///< thread made as a handler
    Argument<uint64_t, R8> entry;                           ///< first instruction of a call
    Argument<uint64_t, R9> badge;                           ///< RDI of a call
};

/// Makes a portal with another badge to the same handler and entry. Needs Create on the owner, Derive on the source.
struct DerivePortal {
    Object<Portal, Right::Derive, Rdi> source;  ///< portal
    Owner<Rdi, 32> owner;                       ///< domain that pays
    Slot<Rsi> slot;                             ///< where the new capability goes
    Argument<uint64_t, R9> badge;               ///< RDI of a call
};

/// Makes a notification: 64 flags, one waiter. Needs Create on the owner.
struct CreateNotification {
    Owner<Rdi> owner;  ///< domain that pays
    Slot<Rsi> slot;    ///< where the new capability goes
};

/// Makes a notification that can signal only some bits of another. Needs Create on the owner, Derive on the source.
struct DeriveNotification {
    Object<Notification, Right::Derive, Rdi> source;  ///< notification
    Owner<Rdi, 32> owner;                             ///< domain that pays
    Slot<Rsi> slot;                                   ///< where the new capability goes
    Argument<uint64_t, R8> mask;                      ///< bits it may signal
};

/// Sets bits of a notification; wakes its waiter if one of them is in its mask. Needs Signal.
struct Signal {
    Object<Notification, NotificationRight::Signal, Rdi> notification;  ///< which
    Argument<uint64_t, Rsi> bits;                                       ///< bits to set
};

/// Waits until a bit of the mask is set or the deadline has passed; returns and clears the mask's set bits.
/// Busy if another thread waits there. Needs Wait.
struct Wait {
    struct Output {
        Argument<uint64_t, Rsi> bits;  ///< the bits that were set
    };
    Object<Notification, NotificationRight::Wait, Rdi> notification;  ///< which
    Argument<uint64_t, Rsi> mask;                                     ///< bits to wait for
    Argument<uint64_t, R8> deadline;  ///< absolute TSC ticks; 0: poll; no_deadline: for ever
};

/// Makes a memory object of a part of another. Needs Create on the owner, Derive on the source. Without `share` the
/// part must not overlap another derivation, is cleared first (which needs Write, and a source that is no window
/// itself), and cannot be derived again until destroyed.
struct DeriveMemory {
    Object<MemoryObject, Right::Derive, Rdi> source;  ///< memory object
    Owner<Rdi, 32> owner;                             ///< domain that pays
    Slot<Rsi> slot;                                   ///< where the new capability goes
    Argument<Rights, Rsi, 32, rights_width> rights;   ///< rights to keep
    Argument<bool, Rsi, 48> share;  ///< a window on memory in use: may overlap other windows, content stays
    Argument<uint64_t, R8> offset;  ///< bytes, page-aligned
    Argument<uint64_t, R9> size;    ///< bytes, page-aligned, not 0
};

/// Maps a part of a memory object into a domain's address space. Needs Map on the domain and, on the memory, the
/// rights asked for. Overlap if something is mapped in the range. Long; preemptible.
struct MapMemory {
    Object<Domain, DomainRight::Map, Rdi> domain;             ///< whose space
    Object<MemoryObject, MemoryRight::Read, Rdi, 32> memory;  ///< memory object
    Argument<uint64_t, Rsi> offset;                           ///< bytes, page-aligned
    Argument<uint64_t, R8> size;                              ///< bytes, page-aligned, not 0
    Argument<uint64_t, R9> address;                           ///< page-aligned; guest-physical for a guest
    Argument<Rights, R10, 0, rights_width> access;            ///< MemoryRight bits Read, Write, Execute
    Argument<MemoryType, R10, 16> type;                       ///< cacheability
};

/// Removes the mapping that starts at an address, whole. Needs Map on the domain.
struct UnmapMemory {
    Object<Domain, DomainRight::Map, Rdi> domain;  ///< whose space
    Argument<uint64_t, Rsi> address;               ///< start of the mapping
};

/// Makes a port range of a part of another. Needs Create on the owner, Derive on the source.
struct DerivePorts {
    Object<PortRange, Right::Derive, Rdi> source;  ///< port range
    Owner<Rdi, 32> owner;                          ///< domain that pays
    Slot<Rsi> slot;                                ///< where the new capability goes
    Argument<uint16_t, R8> first;                  ///< first port
    Argument<uint32_t, R8, 32> count;              ///< 1..65536
};

/// Lets a native domain use ports, until the port range is destroyed. Needs Map on the domain, Access on the range.
struct MapPorts {
    Object<Domain, DomainRight::Map, Rdi> domain;          ///< whose space
    Object<PortRange, PortRangeRight::Access, Rsi> ports;  ///< port range
};

/// Binds an interrupt line to bits of a notification. A level-triggered line stays masked from its arrival until
/// AcknowledgeInterrupt. Needs Interrupts on the machine, Create on the owner, Signal on the notification.
struct CreateInterrupt {
    Object<Machine, MachineRight::Interrupts, Rdi> machine;                 ///< the machine
    Owner<Rdi, 32> owner;                                                   ///< domain that pays
    Slot<Rsi> slot;                                                         ///< where the new capability goes
    Object<Notification, NotificationRight::Signal, Rsi, 32> notification;  ///< what it signals
    Argument<uint32_t, R8> line;                                            ///< global system interrupt number (ACPI)
    Argument<uint32_t, R8, 32, 24> cpu;                                     ///< CPU that takes it
    Argument<InterruptTrigger, R8, 56> trigger;                             ///< how the line works
    Argument<uint64_t, R9> bits;                                            ///< bits to set
};

/// Lets the next interrupt of the line in. Needs Acknowledge.
struct AcknowledgeInterrupt {
    Object<Interrupt, InterruptRight::Acknowledge, Rdi> interrupt;  ///< which
};

/// Makes a vCPU of a guest domain, and the memory object of its state memory (vcpu.hpp), both owned by the guest.
/// NotSupported without usable virtualization. Needs Create on the guest.
struct CreateVcpu {
    Owner<Rdi> owner;            ///< guest domain
    Slot<Rsi> slot;              ///< where the vCPU capability goes
    Slot<Rsi, 32> state_slot;    ///< where that of the state memory goes
    Argument<uint32_t, R8> cpu;  ///< CPU it is bound to
};

/// Binds the portal that receives the vCPU's exits and reads `VcpuConfiguration`; a pending exit is delivered there
/// again. The portal's handler must be on the vCPU's CPU. Needs Control, and Call on the portal.
struct BindVcpu {
    Object<Vcpu, VcpuRight::Control, Rdi> vcpu;     ///< which
    Object<Portal, PortalRight::Call, Rsi> portal;  ///< exit portal
};

/// Makes the vCPU exit with reason Recall as soon as possible. Needs Control.
struct RecallVcpu {
    Object<Vcpu, VcpuRight::Control, Rdi> vcpu;  ///< which
};

/// Fills more groups of the state page, while the vCPU is in an exit. Busy otherwise. Needs Control.
struct PullVcpuState {
    Object<Vcpu, VcpuRight::Control, Rdi> vcpu;  ///< which
    Argument<uint32_t, Rsi> groups;              ///< VcpuStateGroup bits
};

/// Makes an event pending at a vCPU and ends its parking. Needs Post.
struct PostInterrupt {
    Object<Vcpu, VcpuRight::Post, Rdi> vcpu;  ///< which
    Argument<uint8_t, Rsi> vector;            ///< 16..255 for Fixed and FixedLevel
    Argument<PostKind, Rsi, 8> kind;          ///< which event
};

/// Makes the right to post one vector to a vCPU. Needs Create on the owner, Post on the vCPU.
struct CreateVirtualInterrupt {
    Owner<Rdi> owner;                             ///< guest domain
    Object<Vcpu, VcpuRight::Post, Rdi, 32> vcpu;  ///< target
    Slot<Rsi> slot;                               ///< where the new capability goes
    Argument<uint8_t, R8> vector;                 ///< 16..255
};

/// Retargets and masks a virtual interrupt; one that came while masked is posted at unmasking. Needs Control, and
/// Post on the vCPU.
struct SetVirtualInterrupt {
    Object<VirtualInterrupt, VirtualInterruptRight::Control, Rdi> virtual_interrupt;  ///< which
    Object<Vcpu, VcpuRight::Post, Rdi, 32> vcpu;                                      ///< target
    Argument<uint8_t, R8> vector;                                                     ///< 16..255
    Argument<bool, R8, 8> masked;                                                     ///< whether it is masked
};

/// Posts a virtual interrupt. Needs Post.
struct PostVirtualInterrupt {
    Object<VirtualInterrupt, VirtualInterruptRight::Post, Rdi> virtual_interrupt;  ///< which
};

/// Makes a doorbell of a guest domain, which owns it: an OUT of exactly `size` bytes to `port` by any of its vCPUs, not
/// by OUTS, signals what BindDoorbell bound to it, and the guest goes on behind the instruction without its monitor.
/// The value written is not looked at. Every other access to these ports goes to the monitor as before. Until something
/// is bound, rings are counted. Needs Create on the guest. WrongType if that is a native domain; Overlap if one of the
/// ports belongs to another doorbell of this guest; Busy if it has 64 doorbells.
struct CreateDoorbell {
    Owner<Rdi> owner;                ///< guest domain
    Slot<Rsi> slot;                  ///< where the new capability goes
    Argument<uint16_t, R8> port;     ///< first port; with all it covers below 65536
    Argument<uint8_t, R8, 16> size;  ///< bytes: 1, 2 or 4
};

/// Says which bits of a notification a doorbell sets from now on, in place of what it did before, and how often it was
/// rung in vain since the last such call: while nothing was bound or after the notification had been destroyed. A ring
/// during the call is signalled, or counted, or both. So a backend that takes over binds the doorbell and then looks
/// once at what the guest has put up. The doorbell's life does not depend on the notification. Needs Bind on the
/// doorbell and Signal on the notification.
struct BindDoorbell {
    struct Output {
        Argument<uint64_t, Rsi> missed;  ///< rings in vain
    };
    Object<Doorbell, DoorbellRight::Bind, Rdi> doorbell;                        ///< which
    OptionalObject<Notification, NotificationRight::Signal, Rsi> notification;  ///< 0: none, rings are counted
    Argument<uint64_t, R8> bits;                                                ///< bits to set at each ring
};

/// Copies kernel log text into the caller's message buffer words. Needs Log.
struct ReadLog {
    struct Output {
        Argument<uint64_t, Rsi> position;  ///< position behind the text returned
        Argument<uint64_t, R8> size;       ///< bytes returned, at most 3968; 0: no more
    };
    Object<Machine, MachineRight::Log, Rdi> machine;  ///< the machine
    Argument<uint64_t, Rsi> position;  ///< byte position since boot; older text than the kernel keeps is skipped
};

/// Appends text from the caller's message buffer words to the kernel's log. Needs Log.
struct WriteLog {
    Object<Machine, MachineRight::Log, Rdi> machine;  ///< the machine
    Argument<uint64_t, Rsi> size;                     ///< bytes, at most 3968
};

/// Says whether the kernel writes its log to the debug UART too (a panic always does), and which bits of a
/// notification new log text signals. Needs Log, and Signal on the notification.
struct SetLogOutput {
    struct Output {
        Argument<uint64_t, R8> position;  ///< of the log's end when it took effect, as for ReadLog
    };
    Object<Machine, MachineRight::Log, Rdi> machine;                                ///< the machine
    Argument<bool, Rsi> uart;                                                       ///< write to the UART
    OptionalObject<Notification, NotificationRight::Signal, Rsi, 32> notification;  ///< 0: none
    Argument<uint64_t, R8> bits;                                                    ///< bits to signal
};

/// Ends the run: says so in the log, to the debug UART, and has QEMU or Bochs exit. NotSupported where neither is
/// there: switching hardware off is the root task's business. Needs Halt.
struct Halt {
    Object<Machine, MachineRight::Halt, Rdi> machine;  ///< the machine
    Argument<uint8_t, Rsi> status;                     ///< 0: all is well
};

/// All calls of this page, by number: what dispatchers, checks and the printed reference iterate over.
using AllCalls =
    std::tuple<Null, Yield, Destroy, FinishCall, CopyCapability, RemoveCapability, Inspect, CreateDomain, CreateThread,
               SetThreadBases, CreateSchedulingContext, SetSchedulingContext, CreatePortal, DerivePortal,
               CreateNotification, DeriveNotification, Signal, Wait, DeriveMemory, MapMemory, UnmapMemory, DerivePorts,
               MapPorts, CreateInterrupt, AcknowledgeInterrupt, CreateVcpu, BindVcpu, RecallVcpu, PullVcpuState,
               PostInterrupt, CreateVirtualInterrupt, SetVirtualInterrupt, PostVirtualInterrupt, CreateDoorbell,
               BindDoorbell, ReadLog, WriteLog, SetLogOutput, Halt>;

/// RAX bits 0..7 on entry. The two fast paths come first, the calls above follow in their order.
enum class CallNumber : uint8_t {
    Call = 0,   ///< RDI: selector of a portal; the message in the others (message.hpp)
    Reply = 1,  ///< by a handler thread: replies to its caller, if there is one, and waits for the next call
    FirstOfAllCalls = 2,
    Count = FirstOfAllCalls + std::tuple_size_v<AllCalls>
};

template <typename Call>
inline constexpr CallNumber number_of = []<typename... Calls>(std::tuple<Calls...>*) {
    constexpr bool is_this[] = {std::is_same_v<Call, Calls>...};
    unsigned index = 0;
    while (!is_this[index]) ++index;
    return static_cast<CallNumber>(static_cast<unsigned>(CallNumber::FirstOfAllCalls) + index);
}(static_cast<AllCalls*>(nullptr));

/// The results of a call: its `Output`, or nothing.
template <typename Call>
struct OutputOf : std::type_identity<void> {};
template <typename Call>
requires requires { typename Call::Output; }
struct OutputOf<Call> : std::type_identity<typename Call::Output> {};
template <typename Call>
using Output = typename OutputOf<Call>::type;

static_assert(
    []<typename... Calls>(std::tuple<Calls...>*) {
        return ((disjoint<Calls>() && disjoint<Output<Calls>>()) && ...);
    }(static_cast<AllCalls*>(nullptr)),
    "two arguments of a call share bits of a register");

}  // namespace bulkhead::abi
