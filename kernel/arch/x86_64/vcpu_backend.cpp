// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/vcpu_backend.hpp"

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/features.hpp"
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/debug/log.hpp"

namespace bulkhead::kernel {

constinit VmxBackend vmx_backend;
constinit SvmBackend svm_backend;
constinit bool runs_on_vmx = false;

namespace {
constinit abi::Virtualization chosen = abi::Virtualization::None;
constinit bool ready_on[max_cpus] = {};  // each used by its CPU
}  // namespace

void detect_virtualization() {
    const char* refusal = "this CPU has neither VT-x nor AMD-V, or the hypervisor around us does not pass it on";
    // The hand-laid paths rely on it that VT-x comes with SYSENTER and AMD-V with SYSCALL.
    const bool amd = cpu_features().vendor == abi::ProcessorVendor::Amd;
    runs_on_vmx = cpu_features().vmx && !amd;
    if (runs_on_vmx) {
        refusal = vmx_backend.detect();
    } else if (cpu_features().svm && amd) {
        refusal = svm_backend.detect();
    }
    if (refusal != nullptr) {
        log("bulkhead: no guests can run: {}", refusal);
        return;
    }
    chosen = runs_on_vmx ? abi::Virtualization::Vmx : abi::Virtualization::Svm;
    if (runs_on_vmx) {
        log("bulkhead: guests run by VT-x, interrupts delivered by {}", vmx_backend.interrupt_delivery() ? "the CPU" : "the kernel");
    } else {
        log("bulkhead: guests run by AMD-V");
    }
}

bool initialize_virtualization() {
    bool& ready = ready_on[Cpu::current().id];
    if (chosen != abi::Virtualization::None && !ready) ready = vcpu_backend().initialize_cpu();
    return ready;
}

abi::Virtualization virtualization() { return chosen; }

}  // namespace bulkhead::kernel
