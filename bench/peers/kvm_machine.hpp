// SPDX-License-Identifier: Apache-2.0
// A minimal monitor over Linux's KVM: one VM with 2 MiB of RAM, one CPU in 64-bit mode, the interrupt controllers in
// the kernel, and the loop guest in it.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <span>

#include "bench/nested/loops.hpp"

namespace bulkhead::peers {

class KvmMachine {
  public:
    KvmMachine();
    KvmMachine(const KvmMachine&) = delete;

    /// Lets the guest do so many rounds of one operation; what reaches this monitor is answered by going on.
    bench::LoopResults run(bench::LoopOperation operation, uint32_t rounds);

    /// A write to this port, or to this guest-physical address, signals the event in the kernel.
    void connect_doorbell(uint64_t address, bool port, int event);
    /// Signalling the event raises the vector.
    void connect_interrupt(uint8_t vector, int event);

  private:
    void create_memory();
    void create_cpu();
    void set_start_state();
    template <typename T>
    T& ram_at(uint64_t address) { return *reinterpret_cast<T*>(ram_ + address); }

    int kvm_ = -1;
    int vm_ = -1;
    int cpu_ = -1;
    std::byte* ram_ = nullptr;
    kvm_run* run_ = nullptr;
};

}  // namespace bulkhead::peers
