// SPDX-License-Identifier: Apache-2.0
// The choice of a back-end, and what both do in the same way: registers that stay in the CPU, access to the state
// table.
#include "kernel/arch/x86_64/vcpu_backend.hpp"

#include <algorithm>

#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/debug/log.hpp"
#include "kernel/memory/kernel_pages.hpp"

namespace bulkhead::kernel {

constinit bool runs_on_vmx = false;
static constinit abi::Virtualization chosen = abi::Virtualization::None;
static constinit bool ready_on[max_cpus] = {};  // each used by its CPU

/// Writes what differs from what is loaded. Every value was checked when it came in, and has a fixup on top.
static void load_resident(Vcpu& vcpu) {
    const ResidentRegisters& wanted = vcpu.hardware().resident;
    ResidentRegisters& loaded = Cpu::current().resident;
    if (wanted.debug[0] != loaded.debug[0]) write_dr0(wanted.debug[0]);
    if (wanted.debug[1] != loaded.debug[1]) write_dr1(wanted.debug[1]);
    if (wanted.debug[2] != loaded.debug[2]) write_dr2(wanted.debug[2]);
    if (wanted.debug[3] != loaded.debug[3]) write_dr3(wanted.debug[3]);
    if (wanted.debug_status != loaded.debug_status) write_dr6(wanted.debug_status);
    const auto update = [](x86::Msr index, uint64_t value, uint64_t before) {
        if (value != before) (void)write_msr_checked(index, value);
    };
    update(x86::Msr::Star, wanted.star, loaded.star);
    update(x86::Msr::Lstar, wanted.lstar, loaded.lstar);
    update(x86::Msr::SyscallMask, wanted.sfmask, loaded.sfmask);
    update(x86::Msr::KernelGsBase, wanted.kernel_gs_base, loaded.kernel_gs_base);
    update(x86::Msr::TscAux, wanted.tsc_aux, loaded.tsc_aux);
    loaded = wanted;
}

static const StateEntry* entry_of_msr(uint32_t msr) {
    if (msr < static_cast<uint32_t>(x86::Msr::Efer) && x86::Msr{msr} != x86::Msr::Pat) return nullptr;
    const StateEntry* entry = std::ranges::find(state_table::entries, x86::Msr{msr}, &StateEntry::msr);
    return entry == std::end(state_table::entries) ? nullptr : entry;
}

/// Notes what a guest has changed without an exit: by MOV DR; on VT-x by SWAPGS too.
static void save_resident(Vcpu& vcpu) {
    ResidentRegisters& registers = vcpu.hardware().resident;
    registers.debug[0] = read_dr0();
    registers.debug[1] = read_dr1();
    registers.debug[2] = read_dr2();
    registers.debug[3] = read_dr3();
    if (runs_on_vmx) {
        registers.debug_status = read_dr6();
        registers.kernel_gs_base = read_msr(x86::Msr::KernelGsBase);
    }
    Cpu::current().resident = registers;
}

void VcpuBackend::load_other(Vcpu& vcpu) {
    Vcpu*& loaded = Cpu::current().loaded_vcpu;
    if (loaded != nullptr) save_resident(*loaded);
    if (runs_on_vmx) {
        const bool current = vmx::make_current(vcpu.hardware().control_block_address);
        ASSERT(current);
    }
    load_resident(vcpu);
    loaded = &vcpu;
}

void VcpuBackend::destroy(Vcpu& vcpu) {
    Vcpu*& loaded = Cpu::current().loaded_vcpu;
    if (loaded == &vcpu) {
        save_resident(vcpu);
        loaded = nullptr;
    }
    if (runs_on_vmx) vmx::clear(vcpu.hardware().control_block_address);
}

bool VcpuBackend::write_state(Vcpu& vcpu, const StateEntry& entry, uint64_t value) {
    const StatePlace& place = runs_on_vmx ? entry.vmx : entry.svm;
    if (place.kind != StatePlace::Kind::Hardware) return ON_BACKEND(write_state(vcpu, entry, value));
    hardware_word(vcpu, place) = value;
    return true;
}

void VcpuBackend::begin_state_access(Vcpu& vcpu, uint32_t groups) {
    constexpr uint32_t resident = static_cast<uint32_t>(abi::VcpuStateGroup::DebugRegisters) |
                                  static_cast<uint32_t>(abi::VcpuStateGroup::SystemCallMsrs);
    if ((groups & resident) != 0) save_resident(vcpu);
    if (!runs_on_vmx) svm::begin_state_access(vcpu);
}

bool VcpuBackend::end_state_write(Vcpu& vcpu) {
    load_resident(vcpu);
    return runs_on_vmx || svm::end_state_write(vcpu);  // with VT-x the next VM entry fails
}

std::optional<uint64_t> VcpuBackend::read_msr(Vcpu& vcpu, uint32_t index) {
    const StateEntry* entry = entry_of_msr(index);
    if (entry == nullptr) return std::nullopt;
    return read_state(vcpu, *entry);
}

bool VcpuBackend::write_msr(Vcpu& vcpu, uint32_t index, uint64_t value) {
    using x86::Efer;
    const StateEntry* entry = entry_of_msr(index);
    // What the rule would change is #GP on the CPU: the monitor's to inject.
    if (entry == nullptr || admissible(entry->rule, value) != value) return false;
    begin_state_access(vcpu, static_cast<uint32_t>(entry->group));
    if (entry->rule == StateRule::Efer) {
        // LME is fixed while paging is on (#GP too); LMA is the CPU's.
        const uint64_t changed = value ^ read_state(vcpu, *entry);
        const uint64_t cr0 =
            read_state(vcpu, *std::ranges::find(state_table::entries, StateRule::Cr0, &StateEntry::rule));
        if (Efer::LongModeEnable::read(changed) && x86::Cr0::Paging::read(cr0)) return false;
        value ^= changed & Efer::LongModeActive::mask;
    }
    return write_state(vcpu, *entry, value) && end_state_write(vcpu);
}

PhysicalAddress make_permission_map(unsigned order) {
    const std::optional<PhysicalAddress> pages = allocate_pages(order);
    ASSERT(pages.has_value());  // the pool is at least 16 MiB at boot
    __builtin_memset(direct_map(*pages), UINT8_MAX, page_size_bytes << order);
    return *pages;
}

void permit_msrs(PhysicalAddress map, unsigned bits, std::initializer_list<x86::Msr> msrs) {
    constexpr uint32_t high_msrs = 0xc0000000, half = 0x2000;
    for (const x86::Msr msr : msrs) {
        const auto index = static_cast<uint32_t>(msr);
        const uint32_t first = bits * (index % half + (index >= high_msrs ? half : 0));
        uint8_t& byte = direct_map<uint8_t>(map)[first / 8];
        byte = static_cast<uint8_t>(byte & ~(((1u << bits) - 1) << first % 8));
    }
}

void detect_virtualization() {
    const char* refusal = "this CPU has neither VT-x nor AMD-V, or the hypervisor around us does not pass it on";
    // The hand-laid paths rely on it that VT-x comes with SYSENTER and AMD-V with SYSCALL.
    const bool amd = cpu_features().vendor == abi::ProcessorVendor::Amd;
    runs_on_vmx = cpu_features().vmx && !amd;
    if (runs_on_vmx) refusal = vmx::detect();
    if (cpu_features().svm && amd) refusal = svm::detect();
    if (refusal != nullptr) return log("bulkhead: no guests can run: {}", refusal);
    chosen = runs_on_vmx ? abi::Virtualization::Vmx : abi::Virtualization::Svm;
    if (!runs_on_vmx) return log("bulkhead: guests run by AMD-V");
    log("bulkhead: guests run by VT-x, interrupts delivered by {}",
        vmx::controls.interrupt_delivery ? "the CPU" : "the kernel");
}

bool initialize_virtualization() {
    bool& ready = ready_on[Cpu::current().id];
    if (chosen != abi::Virtualization::None && !ready) ready = vcpu_backend().initialize_cpu();
    return ready;
}

abi::Virtualization virtualization() { return chosen; }

}  // namespace bulkhead::kernel
