// SPDX-License-Identifier: Apache-2.0
// Calls about capabilities, domains, threads, scheduling contexts, portals and notifications.
#include "kernel/schedule/scheduler.hpp"
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using abi::CapabilityWord;
using abi::Status;

Outcome<abi::Null> handle(Thread&, const abi::Null&) { return {}; }

Outcome<abi::Yield> handle(Thread&, const abi::Yield&) {
    Scheduler::current().yield();
    return {};
}

Outcome<abi::Destroy> handle(Thread& caller, const abi::Destroy& call) {
    ConfigurationLock lock;
    Object* object = TRY(lookup<Object>(caller, call.object, abi::Right::Destroy));
    if (object->owner() == nullptr) return Status::BadArgument;  // the root domain is not owned by anybody
    bury(*object);
    return lock.run();
}

Outcome<abi::FinishCall> handle(Thread& caller, const abi::FinishCall&) {
    ConfigurationLock lock;  // when it is there, what was under way is over
    return caller.take_outcome();
}

Outcome<abi::CopyCapability> handle(Thread& caller, const abi::CopyCapability& call) {
    TRY(lookup<Object>(caller, call.source, 0));
    Domain* target = TRY(lookup<Domain>(caller, call.domain, abi::DomainRight::Grant));
    const uint64_t word = caller.domain().capabilities().read(call.source);
    const auto rights = static_cast<abi::Rights>(CapabilityWord::RightsField::read(word) & call.rights);
    return target->capabilities().fill(call.slot, CapabilityWord::RightsField::write(word, rights));
}

Outcome<abi::RemoveCapability> handle(Thread& caller, const abi::RemoveCapability& call) {
    Domain* target = TRY(lookup<Domain>(caller, call.domain, abi::DomainRight::Grant));
    return target->capabilities().clear(call.slot);
}

Outcome<abi::Inspect> handle(Thread& caller, const abi::Inspect& call) {
    ConfigurationLock lock;
    Object* object = TRY(lookup<Object>(caller, call.object, 0));
    abi::Inspect::Output output{.type = object->type(), .rights = 0, .first = 0, .second = 0};
    output.rights = CapabilityWord::RightsField::read(caller.domain().capabilities().read(call.object));
    if (const auto* memory = object_cast<MemoryObject>(object); memory != nullptr) {
        output.first = memory->bytes();
        if ((output.rights & abi::MemoryRight::DeviceDma) != 0) output.second = memory->start().value();
    }
    if (auto* domain = object_cast<Domain>(object); domain != nullptr) {
        output.first = domain->heap().free_pages();
        output.second = domain->capabilities().slot_count();
    }
    return output;
}

Outcome<abi::CreateDomain> handle(Thread& caller, const abi::CreateDomain& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    if (owner->is_guest()) return Status::BadArgument;
    Domain* domain = TRY(Domain::create(*owner, call));
    return caller.domain().publish(call.slot, *domain);
}

Outcome<abi::CreateThread> handle(Thread& caller, const abi::CreateThread& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call, abi::DomainRight::Create | abi::DomainRight::Map));
    const auto flags = Flags<abi::ThreadFlag>::from_word(call.flags);
    if (!(Flags{abi::ThreadFlag::Handler} | abi::ThreadFlag::UsesFpu).contains(flags)) return Status::BadArgument;
    uint64_t exception_portal = 0;
    if (call.exception_portal != abi::null_selector) {
        Portal* portal = TRY(lookup<Portal>(caller, call.exception_portal, abi::PortalRight::Call));
        if (portal->handler().cpu() != call.cpu) return Status::WrongCpu;
        exception_portal = caller.domain().capabilities().read(call.exception_portal);
    }
    Thread* thread = TRY(Thread::create(*owner, call, exception_portal));
    return caller.domain().publish(call.slot, *thread);
}

Outcome<abi::SetThreadBases> handle(Thread& caller, const abi::SetThreadBases& call) {
    ConfigurationLock lock;
    Thread* thread = TRY(lookup<Thread>(caller, call.thread, abi::ThreadRight::Control));
    if (call.fs_base >= abi::user_address_limit || call.gs_base >= abi::user_address_limit) return Status::BadArgument;
    thread->set_bases(call.fs_base, call.gs_base);
    return {};
}

Outcome<abi::CreateSchedulingContext> handle(Thread& caller, const abi::CreateSchedulingContext& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    static_assert(abi::ThreadRight::Control == abi::VcpuRight::Control);
    Object* object = TRY(lookup<Object>(caller, call.target, abi::ThreadRight::Control));
    ExecutionContext* target = object_cast<Thread>(object);
    if (target == nullptr) target = object_cast<Vcpu>(object);
    if (target == nullptr) return Status::WrongType;
    const SchedulingContext::Parameters parameters{call.priority, call.budget, call.period};
    TRY(SchedulingContext::check(parameters));
    if (call.priority > owner->maximum_priority()) return Status::BadArgument;
    if (target->has_scheduling_context()) return Status::Busy;
    SchedulingContext* context = TRY(owner->make<SchedulingContext>(*target, parameters));
    TRY(caller.domain().publish(call.slot, *context));
    cross_cpu::run_on(context->home_cpu(), [&] { context->start(); });
    return {};
}

Outcome<abi::SetSchedulingContext> handle(Thread& caller, const abi::SetSchedulingContext& call) {
    ConfigurationLock lock;
    auto* context =
        TRY(lookup<SchedulingContext>(caller, call.scheduling_context, abi::SchedulingContextRight::Control));
    const SchedulingContext::Parameters parameters{call.priority, call.budget, call.period};
    TRY(SchedulingContext::check(parameters));
    if (call.priority > context->owner()->maximum_priority()) return Status::BadArgument;
    cross_cpu::run_on(context->home_cpu(), [&] { context->set(parameters); });
    return {};
}

Outcome<abi::CreatePortal> handle(Thread& caller, const abi::CreatePortal& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    Thread* handler = TRY(lookup<Thread>(caller, call.handler, abi::ThreadRight::Control));
    if (!handler->handler() || call.entry >= abi::user_address_limit) return Status::BadArgument;
    return create<Portal>(caller, call, *owner, abi::all_rights, *handler, *handler, call.entry, call.badge);
}

Outcome<abi::DerivePortal> handle(Thread& caller, const abi::DerivePortal& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    Portal* source = TRY(lookup<Portal>(caller, call.source, abi::Right::Derive));
    const abi::Rights rights = derived_rights(caller, call.source, abi::PortalRight::Call);
    return create<Portal>(caller, call, *owner, rights, *source, source->handler(), source->entry(), call.badge);
}

Outcome<abi::CreateNotification> handle(Thread& caller, const abi::CreateNotification& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    return create<Notification>(caller, call, *owner, abi::all_rights);
}

Outcome<abi::DeriveNotification> handle(Thread& caller, const abi::DeriveNotification& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    Notification* source = TRY(lookup<Notification>(caller, call.source, abi::Right::Derive));
    const abi::Rights rights = derived_rights(caller, call.source, abi::NotificationRight::Signal);
    return create<Notification>(caller, call, *owner, rights, *source, call.mask);
}

Outcome<abi::Signal> handle(Thread& caller, const abi::Signal& call) {
    TRY(lookup<Notification>(caller, call.notification, abi::NotificationRight::Signal))->signal(call.bits);
    return {};
}

Outcome<abi::Wait> handle(Thread& caller, const abi::Wait& call) {
    Notification* notification = TRY(lookup<Notification>(caller, call.notification, abi::NotificationRight::Wait));
    if (!notification->can_wait() || call.mask == 0) return Status::BadArgument;
    caller.wait(*notification, call.mask, call.deadline);
}

}  // namespace bulkhead::kernel
