// SPDX-License-Identifier: Apache-2.0
// What VT-x and AMD-V have in common, as the rest of the kernel sees it. One back-end is chosen at boot. An exit comes
// back into `Vcpu` through its `on_...` functions, with RIP and the instruction's length noted in `VcpuHardware`.
//
// Concurrency: on the vCPU's CPU with interrupts off; `detect` and `create` during boot and under the configuration
// lock. `load` comes before anything that touches guest state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "abi/layout.hpp"
#include "abi/vcpu.hpp"
#include "base/address.hpp"
#include "kernel/arch/x86_64/guest_frame.h"

namespace bulkhead::kernel {

class Domain;
class Vcpu;

/// A register's number in instructions: index into GuestFrame::general.
enum class GeneralRegister : uint8_t { Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15 };

/// Where an exit saves the guest's registers, and what it goes on with. RSP is not among them (see guest_frame.h).
struct GuestFrame {
    uint64_t general[16];
    uint64_t kernel_stack_top;
    Vcpu* vcpu;

    uint64_t& operator[](GeneralRegister index) { return general[static_cast<size_t>(index)]; }
};
static_assert(offsetof(GuestFrame, kernel_stack_top) == GUEST_REGISTERS_SIZE && GUEST_FRAME_STACK == GUEST_REGISTERS_SIZE);
static_assert(offsetof(GuestFrame, general[4]) == GUEST_CR2);

/// Registers of a guest that VMCS or VMCB do not hold. They stay in the CPU until another vCPU is loaded there.
struct ResidentRegisters {
    uint64_t debug[4];
    uint64_t debug_status;  // DR6; in the VMCB on AMD-V
    uint64_t star, lstar, sfmask, kernel_gs_base;  // VT-x only
    uint64_t tsc_aux;
};

/// A vCPU as its back-end sees it.
struct VcpuHardware {
    GuestFrame frame{};
    ResidentRegisters resident{};
    uint64_t cstar = 0;           // Intel CPUs never use it
    uint64_t rip = 0xfff0;        // as of the last exit that was looked at
    uint64_t tsc_offset = 0;
    uint64_t written_tsc_offset = 0;  // VT-x: as it stands in the VMCS
    uint64_t interrupted = 0;     // event the last exit interrupted (EventInformation), injected again by itself
    uint8_t instruction_length = 0;
    bool injecting = false;       // an event is in the entry field and not yet delivered
    bool launched = false;        // VT-x: VMRESUME, not VMLAUNCH
    bool apic_changed = false;    // the monitor changed ISR: the hardware's copy must follow
    bool nmi_blocked = false;     // AMD-V: the guest is in its NMI handler
    bool nmi_waits = false;       // AMD-V: another NMI came meanwhile
    enum class Step : uint8_t { None, TaskPriority, NmiReturn };
    Step step = Step::None;       // AMD-V: one instruction is executed and then looked at
    uint16_t tag = 0;             // VPID; ASID
    uint64_t tag_generation = 0;  // AMD-V: when the ASID was handed out
    uint32_t controls = 0;        // VT-x: primary controls as last written
    uint32_t tpr_threshold = 0;   // VT-x: likewise
    void* control_block = nullptr;  // VMCS or VMCB
    PhysicalAddress control_block_address;
    PhysicalAddress virtual_apic_page;
    PhysicalAddress host_space;
    PhysicalAddress guest_space;
    uint64_t eoi_exit_bitmap[4] = {};
};

class VcpuBackend {
  public:
    /// This CPU becomes able to run guests. What host state has at this moment is what it has after guests.
    virtual bool initialize_cpu() = 0;
    /// Fills the control block, a cleared page, with the architectural INIT state.
    virtual void create(Vcpu& vcpu) = 0;
    /// Takes the vCPU off its CPU for good.
    virtual void destroy(Vcpu& vcpu) = 0;
    /// Makes this the vCPU whose state is current on this CPU.
    virtual void load(Vcpu& vcpu) = 0;
    [[noreturn]] virtual void enter(Vcpu& vcpu) = 0;
    /// Before anything but this guest, or the kernel for it, runs on this CPU.
    virtual void leave() = 0;

    /// Goes on behind the instruction: no interrupt shadow, a #DB if the guest single-steps.
    virtual void skip_instruction(Vcpu& vcpu) = 0;
    /// An event (EventInformation with its error code) for the next entry.
    virtual void inject(Vcpu& vcpu, uint64_t event) = 0;
    /// An NMI for the next entry, or an exit as soon as the guest can take it.
    virtual void deliver_nmi(Vcpu& vcpu) = 0;
    /// What is pending on the virtual-APIC page, for the next entry, or an exit as soon as the guest can take it.
    virtual void deliver_interrupts(Vcpu& vcpu) = 0;
    virtual bool interrupts_enabled(Vcpu& vcpu) = 0;

    virtual void flush_guest_translations(Vcpu& vcpu) = 0;
    /// Exits shall land in this host address space.
    virtual void set_host_space(Vcpu& vcpu, PhysicalAddress root) = 0;
    /// Notes RIP, for an exit the kernel makes up.
    virtual void note_position(Vcpu& vcpu) = 0;

    /// State page <-> hardware, entry by entry of `vcpu_state_table`. `write` refuses what can never be entered with.
    virtual uint64_t read_state(Vcpu& vcpu, const struct StateEntry& entry) = 0;
    [[nodiscard]] virtual bool write_state(Vcpu& vcpu, const struct StateEntry& entry, uint64_t value) = 0;
    /// Around a row of these, which concerns `groups`. At the end: false if the values do not go together.
    virtual void begin_state_access(Vcpu& vcpu, uint32_t groups) = 0;
    [[nodiscard]] virtual bool end_state_write(Vcpu& vcpu, uint32_t groups) = 0;

    /// An MSR only this back-end has to handle; nothing: the monitor's.
    virtual std::optional<uint64_t> read_msr(Vcpu& vcpu, uint32_t index) = 0;
    virtual bool write_msr(Vcpu& vcpu, uint32_t index, uint64_t value) = 0;

  protected:
    ~VcpuBackend() = default;
};

/// Chooses the back-end; says in the log what was found, or why guests cannot run. On the bootstrap processor, once.
void detect_virtualization();
/// Switches it on on this CPU, after its descriptor tables and system-call MSRs are set up: guests leave these as they
/// are now. Does nothing if it is on, or if nothing was detected yet; the first vCPU on a CPU asks again.
bool initialize_virtualization();
/// The back-end. Only if `virtualization()` (user_context.hpp) is not None.
VcpuBackend& vcpu_backend();

}  // namespace bulkhead::kernel
