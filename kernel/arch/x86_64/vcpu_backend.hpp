// SPDX-License-Identifier: Apache-2.0
// What VT-x and AMD-V have in common, as the rest of the kernel sees it: a page of operations that both have. The
// back-end is chosen at boot and called without a virtual function, so that the compiler sees through: every exit comes
// this way. An exit comes back into `Vcpu` through its `on_...` functions, with RIP and the instruction's length noted
// in `VcpuHardware`.
//
// Concurrency: on the vCPU's CPU with interrupts off; `detect` and `create` during boot and under the configuration
// lock. `load` comes before anything that touches guest state.
#pragma once

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/svm/svm_backend.hpp"
#include "kernel/arch/x86_64/vmx/vmx_backend.hpp"

namespace bulkhead::kernel {

extern bool runs_on_vmx;  // constant after boot

/// An exit by IN or OUT, in the format in which the CPU tells it.
template <typename Io>
struct PortExit {
    /// What doorbells are compared by: not address size, segment, or whether the port was an immediate operand.
    static constexpr uint32_t key_mask =
        static_cast<uint32_t>(Io::Port::mask | Io::Size::mask | Io::In::mask | Io::String::mask | Io::Repeat::mask);
    static constexpr uint32_t write_key(uint16_t port, uint8_t size) {
        return static_cast<uint32_t>(Io::Port::make(port) | Io::Size::make(static_cast<uint8_t>(size - Io::size_bias)));
    }
    [[noreturn]] static void deliver(Vcpu& vcpu, uint64_t io) {
        using abi::PortAccess;
        const auto size = static_cast<uint8_t>(Io::Size::read(io) + Io::size_bias);
        vcpu.on_port(PortAccess::Port::make(Io::Port::read(io)) | PortAccess::SizeBytes::make(size) |
                         PortAccess::String::make(Io::String::read(io)) |
                         PortAccess::Repeat::make(Io::Repeat::read(io)),
                     Io::In::read(io), static_cast<uint32_t>(io) & key_mask);
    }
};

// Only if `virtualization()` (user_context.hpp) is not None.
#define ON_BACKEND(operation) (runs_on_vmx ? vmx::operation : svm::operation)

struct VcpuBackend {
    /// This CPU becomes able to run guests. What host state has at this moment is what it has after guests.
    bool initialize_cpu() { return ON_BACKEND(initialize_cpu()); }
    /// Fills the control block, a cleared page, with the architectural INIT state.
    void create(Vcpu& vcpu) { return ON_BACKEND(create(vcpu)); }
    /// Takes the vCPU off its CPU for good.
    void destroy(Vcpu& vcpu);
    /// Makes this the vCPU whose state is current on this CPU.
    void load(Vcpu& vcpu) {
        if (Cpu::current().loaded_vcpu != &vcpu) [[unlikely]]
            load_other(vcpu);
    }
    [[noreturn]] void enter(Vcpu& vcpu) { ON_BACKEND(enter(vcpu)); }
    /// Before anything but this guest, or the kernel for it, runs on this CPU.
    void leave() { return ON_BACKEND(leave()); }

    /// Goes on behind the instruction: no interrupt shadow, a #DB if the guest single-steps.
    void skip_instruction(Vcpu& vcpu) { return ON_BACKEND(skip_instruction(vcpu)); }
    /// An event (EventInformation with its error code) for the next entry.
    void inject(Vcpu& vcpu, uint64_t event) { return ON_BACKEND(inject(vcpu, event)); }
    /// An NMI for the next entry, or an exit as soon as the guest can take it.
    void deliver_nmi(Vcpu& vcpu) { return ON_BACKEND(deliver_nmi(vcpu)); }
    /// What is pending on the virtual-APIC page, for the next entry, or an exit as soon as the guest can take it.
    void deliver_interrupts(Vcpu& vcpu) { return ON_BACKEND(deliver_interrupts(vcpu)); }
    bool interrupts_enabled(Vcpu& vcpu) { return ON_BACKEND(interrupts_enabled(vcpu)); }

    void flush_guest_translations(Vcpu& vcpu) { return ON_BACKEND(flush_guest_translations(vcpu)); }
    /// Exits shall land in this host address space.
    void set_host_space(Vcpu& vcpu, PhysicalAddress root) { return ON_BACKEND(set_host_space(vcpu, root)); }
    /// Notes RIP, for an exit the kernel makes up.
    void note_position(Vcpu& vcpu) { return ON_BACKEND(note_position(vcpu)); }

    /// State page <-> hardware, entry by entry of `vcpu_state_table`. `write` refuses what can never be entered with.
    uint64_t read_state(Vcpu& vcpu, const StateEntry& entry) {
        const StatePlace& place = runs_on_vmx ? entry.vmx : entry.svm;
        if (place.kind == StatePlace::Kind::ControlBlock) [[likely]]
            return ON_BACKEND(read_state(vcpu, entry));
        return place.kind == StatePlace::Kind::Hardware ? hardware_word(vcpu, place) : 0;
    }
    [[nodiscard]] bool write_state(Vcpu& vcpu, const StateEntry& entry, uint64_t value);
    /// Around a row of these, which concerns `groups`. At the end: false if the values do not go together.
    void begin_state_access(Vcpu& vcpu, uint32_t groups);
    [[nodiscard]] bool end_state_write(Vcpu& vcpu);

    /// An OUT of `size` bytes as its exit tells it, cut to what it has to be compared by.
    uint32_t port_write_key(uint16_t port, uint8_t size) {
        return runs_on_vmx ? PortExit<x86::VmxIo>::write_key(port, size) : PortExit<x86::SvmIo>::write_key(port, size);
    }

    /// An MSR of the state table, which this back-end intercepts; nothing: the monitor's.
    std::optional<uint64_t> read_msr(Vcpu& vcpu, uint32_t index);
    bool write_msr(Vcpu& vcpu, uint32_t index, uint64_t value);

  private:
    void load_other(Vcpu& vcpu);
    static uint64_t& hardware_word(Vcpu& vcpu, const StatePlace& place) {
        return *reinterpret_cast<uint64_t*>(reinterpret_cast<std::byte*>(&vcpu.hardware()) + place.where);
    }
};

inline VcpuBackend vcpu_backend() { return {}; }

/// Pages full of ones: permission maps by which everything exits. At boot.
PhysicalAddress make_permission_map(unsigned order);
/// No exits for these. Each has so many bits in the map, those of the high MSRs behind the others.
void permit_msrs(PhysicalAddress map, unsigned bits, std::initializer_list<x86::Msr> msrs);

/// Chooses the back-end; says in the log what was found, or why guests cannot run. On the bootstrap processor, once.
void detect_virtualization();
/// Switches it on on this CPU, after its descriptor tables and system-call MSRs are set up: guests leave these as they
/// are now. Does nothing if it is on, or if nothing was detected yet; the first vCPU on a CPU asks again.
bool initialize_virtualization();

}  // namespace bulkhead::kernel
