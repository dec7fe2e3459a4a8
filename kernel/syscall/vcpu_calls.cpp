// SPDX-License-Identifier: Apache-2.0
// Calls about virtual CPUs, virtual interrupts and doorbells.
#include "kernel/object/doorbell.hpp"
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using abi::Status;
using abi::VcpuRight;

Outcome<abi::CreateVcpu> handle(Thread& caller, const abi::CreateVcpu& call) {
    ConfigurationLock lock;
    CapabilitySpace& slots = caller.domain().capabilities();
    TRY(slots.check_empty(call.slot));
    TRY(slots.check_empty(call.state_slot));
    if (call.slot == call.state_slot || call.cpu >= cpu_count()) return Status::BadArgument;
    Domain* guest = TRY(lookup<Domain>(caller, call.guest, abi::DomainRight::Create));
    if (!guest->is_guest()) return Status::WrongType;
    Vcpu* vcpu = TRY(guest->make<Vcpu>(call.cpu));
    TRY(caller.domain().publish(call.slot, *vcpu));
    // The state memory dies with the vCPU it is derived from, so from here on failure is undone by destroying that.
    auto state = guest->make<MemoryObject>(vcpu, vcpu->state_memory(), MemoryObject::Kind::Ram, true);
    const auto done =
        state.ok() ? caller.domain().publish(call.state_slot, *state.value()) : abi::Result<void>{state.error()};
    if (!done.ok()) {
        (void)slots.clear(call.slot);
        bury(*vcpu, done.error());
        TRY(lock.run());
    }
    return {};
}

Outcome<abi::BindVcpu> handle(Thread& caller, const abi::BindVcpu& call) {
    ConfigurationLock lock;
    Vcpu* vcpu = TRY(lookup<Vcpu>(caller, call.vcpu, VcpuRight::Control));
    Portal* portal = TRY(lookup<Portal>(caller, call.portal, abi::PortalRight::Call));
    const uint64_t word = caller.domain().capabilities().read(call.portal);
    if (ObjectTable::find(word) != portal) return Status::BadCapability;  // changed meanwhile
    if (portal->handler().cpu() != vcpu->cpu()) return Status::WrongCpu;
    cross_cpu::run_on(vcpu->cpu(), [&] { vcpu->bind(word, *portal); });
    return {};
}

Outcome<abi::RecallVcpu> handle(Thread& caller, const abi::RecallVcpu& call) {
    TRY(lookup<Vcpu>(caller, call.vcpu, VcpuRight::Control))->recall();
    return {};
}

Outcome<abi::PullVcpuState> handle(Thread& caller, const abi::PullVcpuState& call) {
    Vcpu* vcpu = TRY(lookup<Vcpu>(caller, call.vcpu, VcpuRight::Control));
    if ((call.groups & ~abi::all_vcpu_state_groups) != 0) return Status::BadArgument;
    if (vcpu->cpu() != caller.cpu()) return Status::WrongCpu;
    return vcpu->pull(call.groups);
}

Outcome<abi::PostInterrupt> handle(Thread& caller, const abi::PostInterrupt& call) {
    Vcpu* vcpu = TRY(lookup<Vcpu>(caller, call.vcpu, VcpuRight::Post));
    if (call.kind > abi::PostKind::Nmi) return Status::BadArgument;
    if (call.kind != abi::PostKind::Nmi && !Vcpu::valid_vector(call.vector)) return Status::BadArgument;
    vcpu->post(call.vector, call.kind);
    return {};
}

Outcome<abi::CreateVirtualInterrupt> handle(Thread& caller, const abi::CreateVirtualInterrupt& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    Vcpu* vcpu = TRY(lookup<Vcpu>(caller, call.vcpu, VcpuRight::Post));
    if (!Vcpu::valid_vector(call.vector)) return Status::BadArgument;
    return create<VirtualInterrupt>(caller, call, *owner, abi::all_rights, *vcpu, call.vector);
}

Outcome<abi::SetVirtualInterrupt> handle(Thread& caller, const abi::SetVirtualInterrupt& call) {
    ConfigurationLock lock;
    VirtualInterrupt* interrupt =
        TRY(lookup<VirtualInterrupt>(caller, call.virtual_interrupt, abi::VirtualInterruptRight::Control));
    Vcpu* vcpu = TRY(lookup<Vcpu>(caller, call.vcpu, VcpuRight::Post));
    if (!Vcpu::valid_vector(call.vector)) return Status::BadArgument;
    interrupt->set(*vcpu, call.vector, call.masked);
    return {};
}

Outcome<abi::PostVirtualInterrupt> handle(Thread& caller, const abi::PostVirtualInterrupt& call) {
    TRY(lookup<VirtualInterrupt>(caller, call.virtual_interrupt, abi::VirtualInterruptRight::Post))->post();
    return {};
}

Outcome<abi::CreateDoorbell> handle(Thread& caller, const abi::CreateDoorbell& call) {
    ConfigurationLock lock;
    Domain* guest = TRY(owner_of_new(caller, call));
    if (!guest->is_guest()) return Status::WrongType;
    if (call.size != 1 && call.size != 2 && call.size != 4) return Status::BadArgument;
    if (call.port + call.size > PortRange::port_count) return Status::BadArgument;
    DoorbellTable* doorbells = TRY(guest->needed_doorbells());
    TRY(doorbells->check(call.port, call.size));
    Doorbell* doorbell = TRY(guest->make<Doorbell>(call.port, call.size));
    TRY(caller.domain().publish(call.slot, *doorbell));
    doorbells->insert(*doorbell);
    return {};
}

Outcome<abi::BindDoorbell> handle(Thread& caller, const abi::BindDoorbell& call) {
    ConfigurationLock lock;
    Doorbell* doorbell = TRY(lookup<Doorbell>(caller, call.doorbell, abi::DoorbellRight::Bind));
    uint64_t word = Doorbell::nobody;
    if (call.notification != abi::null_selector) {
        Notification* notification =
            TRY(lookup<Notification>(caller, call.notification, abi::NotificationRight::Signal));
        word = caller.domain().capabilities().read(call.notification);
        if (ObjectTable::find(word) != notification) return Status::BadCapability;  // changed meanwhile
    }
    return abi::BindDoorbell::Output{doorbell->bind(word, call.bits)};
}

}  // namespace bulkhead::kernel
