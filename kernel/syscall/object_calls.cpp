// SPDX-License-Identifier: Apache-2.0
// Calls about capabilities, domains, threads, scheduling contexts, portals and notifications.
#include "kernel/schedule/scheduler.hpp"
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using namespace abi;  // the calls and their arguments

Outcome<Null> handle(Thread&, const Null&) { return {}; }

Outcome<Yield> handle(Thread&, const Yield&) {
    Scheduler::current().yield();
    return {};
}

Outcome<Destroy> handle(Thread&, const Destroy&, Held<Object> object) {
    if (object->owner() == nullptr) return Status::BadArgument;  // the root domain is not owned by anybody
    bury(*object);
    return ConfigurationLock::run();
}

Outcome<FinishCall> handle(Thread& caller, const FinishCall&) {
    return caller.take_outcome();  // with the lock: what was under way is over
}

Outcome<CopyCapability> handle(Thread&, const CopyCapability& call, Held<Object> source, Held<Domain> target) {
    const auto rights = static_cast<Rights>(source.rights() & call.rights);
    return target->capabilities().fill(call.slot, CapabilityWord::RightsField::write(source.word, rights));
}

Outcome<RemoveCapability> handle(Thread&, const RemoveCapability& call, Held<Domain> target) {
    return target->capabilities().clear(call.slot);
}

Outcome<Inspect> handle(Thread&, const Inspect&, Held<Object> object) {
    Inspect::Output output{.type = object->type(), .rights = object.rights(), .first = 0, .second = 0};
    if (const auto* memory = object_cast<MemoryObject>(object.object); memory != nullptr) {
        output.first = memory->bytes();
        if ((output.rights & MemoryRight::DeviceDma) != 0) output.second = memory->start().value();
    }
    if (auto* domain = object_cast<Domain>(object.object); domain != nullptr) {
        output.first = domain->heap().free_pages();
        output.second = domain->capabilities().slot_count();
    }
    return output;
}

Outcome<CreateDomain> handle(Thread& caller, const CreateDomain& call, Held<Domain> owner) {
    if (owner->is_guest()) return Status::BadArgument;
    Domain* domain = TRY(Domain::create(*owner, call));
    return caller.domain().publish(call.slot, *domain);
}

Outcome<CreateThread> handle(Thread& caller, const CreateThread& call, Held<Domain> owner, Held<Portal> exceptions) {
    if (exceptions.object != nullptr && exceptions->handler().cpu() != call.cpu) return Status::WrongCpu;
    Thread* thread = TRY(Thread::create(*owner, call, exceptions.word));
    return caller.domain().publish(call.slot, *thread);
}

Outcome<SetThreadBases> handle(Thread&, const SetThreadBases& call, Held<Thread> thread) {
    if (call.fs_base >= user_address_limit || call.gs_base >= user_address_limit) return Status::BadArgument;
    thread->set_bases(call.fs_base, call.gs_base);
    return {};
}

Outcome<CreateSchedulingContext> handle(Thread& caller, const CreateSchedulingContext& call, Held<Domain> owner,
                                        Held<Object> target) {
    static_assert(ThreadRight::Control == VcpuRight::Control);
    ExecutionContext* whose = object_cast<Thread>(target.object);
    if (whose == nullptr) whose = object_cast<Vcpu>(target.object);
    if (whose == nullptr) return Status::WrongType;
    const SchedulingContext::Parameters parameters{call.priority, call.budget, call.period};
    TRY(SchedulingContext::check(parameters));
    if (call.priority > owner->maximum_priority()) return Status::BadArgument;
    if (whose->has_scheduling_context()) return Status::Busy;
    SchedulingContext* context = TRY(owner->make<SchedulingContext>(*whose, parameters));
    TRY(caller.domain().publish(call.slot, *context));
    cross_cpu::run_on(context->home_cpu(), [&] { context->start(); });
    return {};
}

Outcome<SetSchedulingContext> handle(Thread&, const SetSchedulingContext& call, Held<SchedulingContext> context) {
    const SchedulingContext::Parameters parameters{call.priority, call.budget, call.period};
    TRY(SchedulingContext::check(parameters));
    if (call.priority > context->owner()->maximum_priority()) return Status::BadArgument;
    cross_cpu::run_on(context->home_cpu(), [&] { context->set(parameters); });
    return {};
}

Outcome<CreatePortal> handle(Thread& caller, const CreatePortal& call, Held<Domain> owner, Held<Thread> handler) {
    if (!handler->handler() || call.entry >= user_address_limit) return Status::BadArgument;
    return create<Portal>(caller, call.slot, *owner, all_rights, *handler, *handler, call.entry, call.badge);
}

Outcome<DerivePortal> handle(Thread& caller, const DerivePortal& call, Held<Portal> source, Held<Domain> owner) {
    const Rights rights = source.derived_rights(PortalRight::Call);
    return create<Portal>(caller, call.slot, *owner, rights, *source, source->handler(), source->entry(), call.badge);
}

Outcome<CreateNotification> handle(Thread& caller, const CreateNotification& call, Held<Domain> owner) {
    return create<Notification>(caller, call.slot, *owner, all_rights);
}

Outcome<DeriveNotification> handle(Thread& caller, const DeriveNotification& call, Held<Notification> source,
                                   Held<Domain> owner) {
    const Rights rights = source.derived_rights(NotificationRight::Signal);
    return create<Notification>(caller, call.slot, *owner, rights, *source, call.mask);
}

Outcome<Signal> handle(Thread&, const Signal& call, Held<Notification> notification) {
    notification->signal(call.bits);
    return {};
}

Outcome<Wait> handle(Thread& caller, const Wait& call, Held<Notification> notification) {
    if (!notification->can_wait() || call.mask == 0) return Status::BadArgument;
    caller.wait(*notification, call.mask, call.deadline);
}

}  // namespace bulkhead::kernel
