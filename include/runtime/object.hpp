// SPDX-License-Identifier: Apache-2.0
// Kernel objects as small classes over a selector: the calls of abi/calls.hpp with names, default owner (this program)
// and slots taken from the program's own map. Copies name the same capability; nothing is destroyed by a destructor,
// since lifetimes here are those of domains. Any thread.
#pragma once

#include <cstdint>

#include "abi/calls.hpp"
#include "abi/layout.hpp"
#include "runtime/call.hpp"
#include "runtime/slots.hpp"

namespace bulkhead::runtime {

inline constexpr abi::Selector self = abi::WellKnownSlot::Self;

/// Takes a slot, makes the call with it, and gives it back if the call fails.
template <typename Call>
abi::Result<abi::Selector> make_in_new_slot(Call call) {
    call.slot = TRY(allocate_slots());
    const auto result = invoke(call);
    if (result.ok()) return call.slot.value;
    release_slots(call.slot);
    return result.error();
}

class Capability {
  public:
    constexpr Capability() = default;
    constexpr explicit Capability(abi::Selector selector) : selector_{selector} {}

    constexpr abi::Selector selector() const { return selector_; }
    constexpr explicit operator bool() const { return selector_ != abi::null_selector; }

    [[nodiscard]] abi::Result<abi::Inspect::Output> inspect() const { return invoke(abi::Inspect{selector_}); }
    /// Puts a copy into a slot of a domain.
    [[nodiscard]] abi::Result<void> copy_to(abi::Selector domain, abi::Selector slot,
                                            abi::Rights rights = abi::all_rights) const {
        return invoke(abi::CopyCapability{selector_, domain, slot, rights});
    }
    /// A copy with fewer rights in a slot of this program.
    abi::Result<abi::Selector> restricted(abi::Rights rights) const {
        return make_in_new_slot(abi::CopyCapability{selector_, self, 0, rights});
    }
    /// Destroys the object and frees the slot.
    abi::Result<void> destroy() {
        const auto result = invoke(abi::Destroy{selector_});
        if (result.ok()) forget();
        return result;
    }
    /// Empties the slot and frees it; the object lives on.
    void forget() {
        if (selector_ == abi::null_selector) return;
        static_cast<void>(invoke(abi::RemoveCapability{self, selector_}));
        release_slots(selector_);
        selector_ = abi::null_selector;
    }

  protected:
    abi::Selector selector_ = abi::null_selector;
};

class Notification : public Capability {
  public:
    using Capability::Capability;

    static abi::Result<Notification> create(abi::Selector owner = self) {
        return Notification{TRY(make_in_new_slot(abi::CreateNotification{owner, 0}))};
    }
    abi::Result<Notification> derive(uint64_t mask, abi::Selector owner = self) const {
        return Notification{TRY(make_in_new_slot(abi::DeriveNotification{selector_, owner, 0, mask}))};
    }
    abi::Result<void> signal(uint64_t bits) const { return invoke(abi::Signal{selector_, bits}); }
    /// Waits for a bit of the mask until a deadline in ticks; returns and clears those that were set.
    [[nodiscard]] abi::Result<uint64_t> wait(uint64_t mask = ~uint64_t{0}, uint64_t deadline = abi::no_deadline) const {
        return TRY(invoke(abi::Wait{selector_, mask, deadline})).bits.value;
    }
    /// The bits of the mask that are set, which are cleared; 0 if there are none.
    uint64_t poll(uint64_t mask = ~uint64_t{0}) const { return wait(mask, 0).value_or(0); }
};

class Memory : public Capability {
  public:
    using Capability::Capability;

    abi::Result<Memory> derive(uint64_t offset, uint64_t size, abi::Rights rights = abi::all_rights, bool share = false,
                               abi::Selector owner = self) const {
        return Memory{TRY(make_in_new_slot(abi::DeriveMemory{selector_, owner, 0, rights, share, offset, size}))};
    }
    /// A window that may overlap others and keeps the content.
    abi::Result<Memory> share(uint64_t offset, uint64_t size, abi::Rights rights = abi::all_rights,
                              abi::Selector owner = self) const {
        return derive(offset, size, rights, true, owner);
    }
    /// Maps a part of it into a domain.
    [[nodiscard]] abi::Result<void> map(uint64_t address, uint64_t offset, uint64_t size, abi::Rights access,
                                        abi::Selector domain = self,
                                        abi::MemoryType type = abi::MemoryType::WriteBack) const {
        return invoke(abi::MapMemory{domain, selector_, offset, size, address, access, type});
    }
    abi::Result<uint64_t> size_bytes() const { return TRY(inspect()).first.value; }
};

inline constexpr abi::Rights read_only = abi::MemoryRight::Read;
inline constexpr abi::Rights read_write = abi::MemoryRight::Read | abi::MemoryRight::Write;
inline constexpr abi::Rights read_execute = abi::MemoryRight::Read | abi::MemoryRight::Execute;

inline abi::Result<void> unmap(uint64_t address, abi::Selector domain = self) {
    return invoke(abi::UnmapMemory{domain, address});
}

class Portal : public Capability {
  public:
    using Capability::Capability;

    static abi::Result<Portal> create(abi::Selector handler, void (*entry)(), uint64_t badge,
                                      abi::Selector owner = self) {
        return Portal{
            TRY(make_in_new_slot(abi::CreatePortal{owner, 0, handler, reinterpret_cast<uint64_t>(entry), badge}))};
    }
    abi::Result<Portal> derive(uint64_t badge, abi::Selector owner = self) const {
        return Portal{TRY(make_in_new_slot(abi::DerivePortal{selector_, owner, 0, badge}))};
    }
};

class SchedulingContext : public Capability {
  public:
    using Capability::Capability;

    /// Budget and period in ticks; budget 0: unlimited.
    static abi::Result<SchedulingContext> create(abi::Selector target, uint8_t priority, uint64_t budget = 0,
                                                 uint64_t period = 0, abi::Selector owner = self) {
        return SchedulingContext{
            TRY(make_in_new_slot(abi::CreateSchedulingContext{owner, 0, target, priority, budget, period}))};
    }
    abi::Result<void> set(uint8_t priority, uint64_t budget = 0, uint64_t period = 0) const {
        return invoke(abi::SetSchedulingContext{selector_, priority, budget, period});
    }
};

class Domain : public Capability {
  public:
    using Capability::Capability;

    static abi::Result<Domain> create(uint64_t quota_pages, uint32_t capability_slots, uint8_t maximum_priority = 255,
                                      abi::Selector owner = self) {
        return Domain{TRY(make_in_new_slot(
            abi::CreateDomain{owner, 0, abi::DomainKind::Native, maximum_priority, capability_slots, quota_pages}))};
    }
    static abi::Result<Domain> create_guest(uint64_t quota_pages, uint8_t maximum_priority = 255,
                                            abi::Selector owner = self) {
        return Domain{TRY(
            make_in_new_slot(abi::CreateDomain{owner, 0, abi::DomainKind::Guest, maximum_priority, 0, quota_pages}))};
    }
    abi::Result<uint64_t> free_quota_pages() const { return TRY(inspect()).first.value; }
};

class Ports : public Capability {
  public:
    using Capability::Capability;

    abi::Result<Ports> derive(uint16_t first, uint32_t count, abi::Selector owner = self) const {
        return Ports{TRY(make_in_new_slot(abi::DerivePorts{selector_, owner, 0, first, count}))};
    }
    [[nodiscard]] abi::Result<void> map(abi::Selector domain = self) const {
        return invoke(abi::MapPorts{domain, selector_});
    }
};

class Interrupt : public Capability {
  public:
    using Capability::Capability;

    static abi::Result<Interrupt> create(abi::Selector machine, uint32_t line, abi::Selector notification,
                                         uint64_t bits, uint32_t cpu = 0,
                                         abi::InterruptTrigger trigger = abi::InterruptTrigger::Default,
                                         abi::Selector owner = self) {
        return Interrupt{
            TRY(make_in_new_slot(abi::CreateInterrupt{machine, owner, 0, notification, line, cpu, trigger, bits}))};
    }
    abi::Result<void> acknowledge() const { return invoke(abi::AcknowledgeInterrupt{selector_}); }
};

class Vcpu : public Capability {
  public:
    using Capability::Capability;

    [[nodiscard]] abi::Result<void> bind(abi::Selector portal) const {
        return invoke(abi::BindVcpu{selector_, portal});
    }
    abi::Result<void> recall() const { return invoke(abi::RecallVcpu{selector_}); }
    [[nodiscard]] abi::Result<void> pull(uint32_t groups) const {
        return invoke(abi::PullVcpuState{selector_, groups});
    }
    abi::Result<void> post(uint8_t vector, abi::PostKind kind = abi::PostKind::Fixed) const {
        return invoke(abi::PostInterrupt{selector_, vector, kind});
    }
};

/// A vCPU and its state memory, both owned by the guest.
struct VcpuWithState {
    Vcpu vcpu;
    Memory state;
};
inline abi::Result<VcpuWithState> create_vcpu(abi::Selector guest, uint32_t cpu) {
    const abi::Selector state = TRY(allocate_slots());
    auto vcpu = make_in_new_slot(abi::CreateVcpu{guest, 0, state, cpu});
    if (vcpu.ok()) return VcpuWithState{Vcpu{vcpu.value()}, Memory{state}};
    release_slots(state);
    return vcpu.error();
}

class VirtualInterrupt : public Capability {
  public:
    using Capability::Capability;

    static abi::Result<VirtualInterrupt> create(abi::Selector guest, abi::Selector vcpu, uint8_t vector) {
        return VirtualInterrupt{TRY(make_in_new_slot(abi::CreateVirtualInterrupt{guest, vcpu, 0, vector}))};
    }
    abi::Result<void> set(abi::Selector vcpu, uint8_t vector, bool masked) const {
        return invoke(abi::SetVirtualInterrupt{selector_, vcpu, vector, masked});
    }
    abi::Result<void> post() const { return invoke(abi::PostVirtualInterrupt{selector_}); }
};

class Doorbell : public Capability {
  public:
    using Capability::Capability;

    static abi::Result<Doorbell> create(abi::Selector guest, uint16_t port, uint8_t size) {
        return Doorbell{TRY(make_in_new_slot(abi::CreateDoorbell{guest, 0, port, size}))};
    }
    /// Returns how often it was rung in vain.
    abi::Result<uint64_t> bind(abi::Selector notification, uint64_t bits) const {
        return TRY(invoke(abi::BindDoorbell{selector_, notification, bits})).missed.value;
    }
};

}  // namespace bulkhead::runtime
