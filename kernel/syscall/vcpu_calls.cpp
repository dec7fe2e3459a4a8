// SPDX-License-Identifier: Apache-2.0
// Calls about virtual CPUs, virtual interrupts and doorbells.
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/object/configuration_lock.hpp"
#include "kernel/object/create.hpp"
#include "kernel/object/doorbell.hpp"
#include "kernel/object/memory_object.hpp"
#include "kernel/object/notification.hpp"
#include "kernel/object/port_range.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/object/vcpu.hpp"
#include "kernel/object/virtual_interrupt.hpp"
#include "kernel/schedule/cross_cpu.hpp"
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
    Domain* guest = TRY(caller.domain().lookup<Domain>(call.guest, abi::DomainRight::Create));
    if (!guest->is_guest()) return Status::WrongType;
    Vcpu* vcpu = TRY(Vcpu::create(*guest, call.cpu));
    TRY(publish(caller.domain(), call.slot, *vcpu));
    // The state memory dies with the vCPU it is derived from, so from here on failure is undone by destroying that.
    auto state = make_object<MemoryObject>(*guest, vcpu, vcpu->state_memory(), MemoryObject::Kind::Ram, true);
    const auto done = state.ok() ? publish(caller.domain(), call.state_slot, *state.value()) : abi::Result<void>{state.error()};
    if (!done.ok()) {
        (void)slots.clear(call.slot);
        TRY(lock.run(Graveyard::bury(*vcpu, done.error())));
    }
    return {};
}

Outcome<abi::BindVcpu> handle(Thread& caller, const abi::BindVcpu& call) {
    ConfigurationLock lock;
    struct Request {
        Vcpu* vcpu;
        Portal* portal;
        uint64_t word;
    } request{};
    request.vcpu = TRY(caller.domain().lookup<Vcpu>(call.vcpu, VcpuRight::Control));
    request.portal = TRY(caller.domain().lookup<Portal>(call.portal, abi::PortalRight::Call));
    request.word = caller.domain().capabilities().read(call.portal);
    if (ObjectTable::find(request.word) != request.portal) return Status::BadCapability;  // changed meanwhile
    if (request.portal->handler().cpu() != request.vcpu->cpu()) return Status::WrongCpu;
    cross_cpu::run_on(
        request.vcpu->cpu(),
        [](void* argument) {
            const auto& wanted = *static_cast<Request*>(argument);
            wanted.vcpu->bind(wanted.word, *wanted.portal);
        },
        &request);
    return {};
}

Outcome<abi::RecallVcpu> handle(Thread& caller, const abi::RecallVcpu& call) {
    Vcpu* vcpu = TRY(caller.domain().lookup<Vcpu>(call.vcpu, VcpuRight::Control));
    vcpu->recall();
    return {};
}

Outcome<abi::PullVcpuState> handle(Thread& caller, const abi::PullVcpuState& call) {
    Vcpu* vcpu = TRY(caller.domain().lookup<Vcpu>(call.vcpu, VcpuRight::Control));
    if ((call.groups & ~abi::all_vcpu_state_groups) != 0) return Status::BadArgument;
    if (vcpu->cpu() != caller.cpu()) return Status::WrongCpu;
    return vcpu->pull(call.groups);
}

Outcome<abi::PostInterrupt> handle(Thread& caller, const abi::PostInterrupt& call) {
    Vcpu* vcpu = TRY(caller.domain().lookup<Vcpu>(call.vcpu, VcpuRight::Post));
    if (call.kind > abi::PostKind::Nmi) return Status::BadArgument;
    if (call.kind != abi::PostKind::Nmi && !Vcpu::valid_vector(call.vector)) return Status::BadArgument;
    vcpu->post(call.vector, call.kind);
    return {};
}

Outcome<abi::CreateVirtualInterrupt> handle(Thread& caller, const abi::CreateVirtualInterrupt& call) {
    ConfigurationLock lock;
    TRY(caller.domain().capabilities().check_empty(call.slot));
    Domain* owner = TRY(caller.domain().lookup<Domain>(call.owner, abi::DomainRight::Create));
    Vcpu* vcpu = TRY(caller.domain().lookup<Vcpu>(call.vcpu, VcpuRight::Post));
    if (!Vcpu::valid_vector(call.vector)) return Status::BadArgument;
    VirtualInterrupt* interrupt = TRY(make_object<VirtualInterrupt>(*owner, *vcpu, call.vector));
    return publish(caller.domain(), call.slot, *interrupt);
}

Outcome<abi::SetVirtualInterrupt> handle(Thread& caller, const abi::SetVirtualInterrupt& call) {
    ConfigurationLock lock;
    VirtualInterrupt* interrupt =
        TRY(caller.domain().lookup<VirtualInterrupt>(call.virtual_interrupt, abi::VirtualInterruptRight::Control));
    Vcpu* vcpu = TRY(caller.domain().lookup<Vcpu>(call.vcpu, VcpuRight::Post));
    if (!Vcpu::valid_vector(call.vector)) return Status::BadArgument;
    interrupt->set(*vcpu, call.vector, call.masked);
    return {};
}

Outcome<abi::PostVirtualInterrupt> handle(Thread& caller, const abi::PostVirtualInterrupt& call) {
    VirtualInterrupt* interrupt =
        TRY(caller.domain().lookup<VirtualInterrupt>(call.virtual_interrupt, abi::VirtualInterruptRight::Post));
    interrupt->post();
    return {};
}

Outcome<abi::CreateDoorbell> handle(Thread& caller, const abi::CreateDoorbell& call) {
    ConfigurationLock lock;
    TRY(caller.domain().capabilities().check_empty(call.slot));
    Domain* guest = TRY(caller.domain().lookup<Domain>(call.guest, abi::DomainRight::Create));
    if (!guest->is_guest()) return Status::WrongType;
    if (call.size != 1 && call.size != 2 && call.size != 4) return Status::BadArgument;
    if (call.port + call.size > PortRange::port_count) return Status::BadArgument;
    DoorbellTable* doorbells = TRY(guest->needed_doorbells());
    TRY(doorbells->check(call.port, call.size));
    Doorbell* doorbell = TRY(make_object<Doorbell>(*guest, call.port, call.size));
    TRY(publish(caller.domain(), call.slot, *doorbell));
    doorbells->insert(*doorbell);
    return {};
}

Outcome<abi::BindDoorbell> handle(Thread& caller, const abi::BindDoorbell& call) {
    ConfigurationLock lock;
    Doorbell* doorbell = TRY(caller.domain().lookup<Doorbell>(call.doorbell, abi::DoorbellRight::Bind));
    uint64_t word = Doorbell::nobody;
    if (call.notification != abi::null_selector) {
        Notification* notification =
            TRY(caller.domain().lookup<Notification>(call.notification, abi::NotificationRight::Signal));
        word = caller.domain().capabilities().read(call.notification);
        if (ObjectTable::find(word) != notification) return Status::BadCapability;  // changed meanwhile
    }
    return abi::BindDoorbell::Output{doorbell->bind(word, call.bits)};
}

}  // namespace bulkhead::kernel
