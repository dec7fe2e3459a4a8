// SPDX-License-Identifier: Apache-2.0
// The least of a monitor over Linux's KVM: one VM with its RAM from 0 on and one CPU, the interrupt controllers and the
// timer in the kernel. Exits are the caller's.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>

namespace bulkhead::peers {

class KvmMachine {
  public:
    explicit KvmMachine(uint64_t ram_bytes);
    KvmMachine(const KvmMachine&) = delete;

    template <typename T = std::byte>
    T* ram_at(uint64_t address) { return reinterpret_cast<T*>(ram_ + address); }
    [[nodiscard]] uint64_t ram_bytes() const { return ram_bytes_; }

    /// 64-bit mode, interrupts off, the first GiB mapped one to one. Uses guest-physical 0x500 (GDT), 0x9000 downwards
    /// (stack) and 0x10000 to 0x12fff (page tables).
    void start_at(uint64_t rip, uint64_t rsi);
    /// Runs the guest to the next exit that is not the kernel's.
    kvm_run& run();

    /// A write to this port, or to this guest-physical address, signals the event in the kernel.
    void connect_doorbell(uint64_t address, bool port, int event);
    /// Signalling the event raises the vector.
    void connect_interrupt(uint8_t vector, int event);
    /// An interrupt line, as devices on the board have them.
    void set_line(unsigned line, bool level);

  private:
    void create_memory();
    void create_cpu();
    void write_tables();

    int kvm_ = -1;
    int vm_ = -1;
    int cpu_ = -1;
    uint64_t ram_bytes_;
    std::byte* ram_ = nullptr;
    kvm_run* run_ = nullptr;
};

/// The value and the size of a port exit's access, whose bytes lie in the shared page.
inline void* port_data(kvm_run& run) { return reinterpret_cast<std::byte*>(&run) + run.io.data_offset; }

}  // namespace bulkhead::peers
