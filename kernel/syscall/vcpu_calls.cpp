// SPDX-License-Identifier: Apache-2.0
// Calls about virtual CPUs, virtual interrupts and doorbells.
#include "kernel/object/doorbell.hpp"
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using namespace abi;  // the calls and their arguments

Outcome<CreateVcpu> handle(Thread& caller, const CreateVcpu& call, Held<Domain> guest) {
    CapabilitySpace& slots = caller.domain().capabilities();
    TRY(slots.check_empty(call.state_slot));
    if (call.slot == call.state_slot || call.cpu >= cpu_count()) return Status::BadArgument;
    if (!guest->is_guest()) return Status::WrongType;
    Vcpu* vcpu = TRY(guest->make<Vcpu>(call.cpu));
    TRY(caller.domain().publish(call.slot, *vcpu));
    // The state memory dies with the vCPU it is derived from, so from here on failure is undone by destroying that.
    const auto done = create<MemoryObject>(caller, call.state_slot, *guest, all_rights, vcpu, vcpu->state_memory(),
                                           MemoryObject::Kind::Ram, true);
    if (done.ok()) return done;
    (void)slots.clear(call.slot);
    bury(*vcpu, done.error());
    return ConfigurationLock::run();
}

Outcome<BindVcpu> handle(Thread&, const BindVcpu&, Held<Vcpu> vcpu, Held<Portal> portal) {
    if (portal->handler().cpu() != vcpu->cpu()) return Status::WrongCpu;
    cross_cpu::run_on(vcpu->cpu(), [&] { vcpu->bind(portal.word, *portal); });
    return {};
}

Outcome<RecallVcpu> handle(Thread&, const RecallVcpu&, Held<Vcpu> vcpu) {
    vcpu->recall();
    return {};
}

Outcome<PullVcpuState> handle(Thread& caller, const PullVcpuState& call, Held<Vcpu> vcpu) {
    if ((call.groups & ~all_vcpu_state_groups) != 0) return Status::BadArgument;
    if (vcpu->cpu() != caller.cpu()) return Status::WrongCpu;
    return vcpu->pull(call.groups);
}

Outcome<PostInterrupt> handle(Thread&, const PostInterrupt& call, Held<Vcpu> vcpu) {
    const bool has_vector = call.kind < PostKind::Nmi;
    if (has_vector ? !Vcpu::valid_vector(call.vector) : call.kind != PostKind::Nmi) return Status::BadArgument;
    vcpu->post(call.vector, call.kind);
    return {};
}

Outcome<CreateVirtualInterrupt> handle(Thread& caller, const CreateVirtualInterrupt& call, Held<Domain> owner,
                                       Held<Vcpu> vcpu) {
    if (!Vcpu::valid_vector(call.vector)) return Status::BadArgument;
    return create<VirtualInterrupt>(caller, call.slot, *owner, all_rights, *vcpu, call.vector);
}

Outcome<SetVirtualInterrupt> handle(Thread&, const SetVirtualInterrupt& call, Held<VirtualInterrupt> interrupt,
                                    Held<Vcpu> vcpu) {
    if (!Vcpu::valid_vector(call.vector)) return Status::BadArgument;
    interrupt->set(*vcpu, call.vector, call.masked);
    return {};
}

Outcome<PostVirtualInterrupt> handle(Thread&, const PostVirtualInterrupt&, Held<VirtualInterrupt> interrupt) {
    interrupt->post();
    return {};
}

Outcome<CreateDoorbell> handle(Thread& caller, const CreateDoorbell& call, Held<Domain> guest) {
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

Outcome<BindDoorbell> handle(Thread&, const BindDoorbell& call, Held<Doorbell> doorbell,
                             Held<Notification> notification) {
    const uint64_t word = notification.object != nullptr ? notification.word : Doorbell::nobody;
    return BindDoorbell::Output{doorbell->bind(word, call.bits)};
}

}  // namespace bulkhead::kernel
