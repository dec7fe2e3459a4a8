// SPDX-License-Identifier: Apache-2.0
// What connects local APICs, IOAPIC and MSI: finds the vCPUs a message is for and posts to them (machine lock held).
#pragma once

#include <cstdint>

#include "base/static_vector.hpp"
#include "vmm/arch/x86/local_apic.hpp"
#include "vmm/device/legacy/ioapic.hpp"
#include "vmm/device/seams.hpp"
#include "vmm/vm/vcpu_lifecycle.hpp"

namespace bulkhead::vmm {

inline constexpr unsigned max_vcpus = 4;

class InterruptFabric final : public ApicFabric, public MessageInterrupts {
  public:
    explicit InterruptFabric(Outside& outside) : outside_{outside} {}

    [[nodiscard]] bool add(LocalApic& apic, VcpuLifecycle& lifecycle) { return vcpus_.push_back({&apic, &lifecycle}); }
    void set_ioapic(Ioapic& ioapic) { ioapic_ = &ioapic; }

    void route(const InterruptMessage& message, bool wide) override;
    void route_command(unsigned source, Shorthand shorthand, const InterruptMessage& message, bool wide) override;
    void broadcast_end_of_interrupt(uint8_t vector) override;
    void send_message(uint64_t address, uint32_t data) override;

  private:
    struct Vcpu {
        LocalApic* apic = nullptr;
        VcpuLifecycle* lifecycle = nullptr;
    };
    /// False if the vCPU does not take it, so that "lowest priority" looks further.
    bool deliver(unsigned index, const InterruptMessage& message);

    Outside& outside_;
    StaticVector<Vcpu, max_vcpus> vcpus_;
    Ioapic* ioapic_ = nullptr;
};

}  // namespace bulkhead::vmm
