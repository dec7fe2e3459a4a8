// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/vcpu_backend.hpp"

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/features.hpp"
#include "kernel/arch/x86_64/svm/svm_backend.hpp"
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/arch/x86_64/vmx/vmx_backend.hpp"
#include "kernel/debug/log.hpp"

namespace bulkhead::kernel {

namespace {
constinit VmxBackend vmx_backend;
constinit SvmBackend svm_backend;
constinit VcpuBackend* chosen = nullptr;
constinit abi::Virtualization chosen_kind = abi::Virtualization::None;
constinit bool ready_on[max_cpus] = {};  // each used by its CPU
}  // namespace

void detect_virtualization() {
    const char* refusal = "this CPU has neither VT-x nor AMD-V, or the hypervisor around us does not pass it on";
    if (cpu_features().vmx) {
        refusal = vmx_backend.detect();
        if (refusal == nullptr) {
            chosen = &vmx_backend;
            chosen_kind = abi::Virtualization::Vmx;
        }
    } else if (cpu_features().svm) {
        refusal = svm_backend.detect();
        if (refusal == nullptr) {
            chosen = &svm_backend;
            chosen_kind = abi::Virtualization::Svm;
        }
    }
    if (refusal != nullptr) {
        log("bulkhead: no guests can run: {}", refusal);
    } else if (chosen_kind == abi::Virtualization::Vmx) {
        log("bulkhead: guests run by VT-x, interrupts delivered by {}", vmx_backend.interrupt_delivery() ? "the CPU" : "the kernel");
    } else {
        log("bulkhead: guests run by AMD-V");
    }
}

bool initialize_virtualization() {
    bool& ready = ready_on[Cpu::current().id];
    if (chosen != nullptr && !ready) ready = chosen->initialize_cpu();
    return ready;
}

abi::Virtualization virtualization() { return chosen_kind; }
VcpuBackend& vcpu_backend() { return *chosen; }

}  // namespace bulkhead::kernel
