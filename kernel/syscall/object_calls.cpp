// SPDX-License-Identifier: Apache-2.0
// Calls about capabilities, domains, threads, scheduling contexts, portals and notifications.
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/object/configuration_lock.hpp"
#include "kernel/object/create.hpp"
#include "kernel/object/memory_object.hpp"
#include "kernel/object/notification.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/object/vcpu.hpp"
#include "kernel/schedule/cross_cpu.hpp"
#include "kernel/schedule/scheduler.hpp"
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using abi::CapabilityWord;
using abi::Status;

namespace {

/// Rights of a derived object's capability: it can be destroyed and derived from again, the rest as far as held.
abi::Rights derived_rights(Domain& holder, abi::Selector source, abi::Rights wanted) {
    const abi::Rights held = CapabilityWord::RightsField::read(holder.capabilities().read(source));
    return static_cast<abi::Rights>(abi::Right::Destroy | abi::Right::Derive | (held & wanted));
}

struct StartRequest {
    SchedulingContext* context;
    SchedulingContext::Parameters parameters;
};

}  // namespace

Outcome<abi::Null> handle(Thread&, const abi::Null&) { return abi::NoOutput{}; }

Outcome<abi::Yield> handle(Thread&, const abi::Yield&) {
    Scheduler::current().yield();
    return abi::NoOutput{};
}

Outcome<abi::Destroy> handle(Thread& caller, const abi::Destroy& call) {
    ConfigurationLock lock;
    Object* object = TRY(caller.domain().lookup<Object>(call.object, abi::Right::Destroy));
    if (object->owner() == nullptr) return Status::BadArgument;  // the root domain is not owned by anybody
    Graveyard::destroy(*object);
    return abi::NoOutput{};
}

Outcome<abi::CopyCapability> handle(Thread& caller, const abi::CopyCapability& call) {
    TRY(caller.domain().lookup<Object>(call.source, 0));
    Domain* target = TRY(caller.domain().lookup<Domain>(call.domain, abi::DomainRight::Grant));
    const uint64_t word = caller.domain().capabilities().read(call.source);
    const auto rights = static_cast<abi::Rights>(CapabilityWord::RightsField::read(word) & call.rights);
    TRY(target->capabilities().fill(call.slot, CapabilityWord::RightsField::write(word, rights)));
    return abi::NoOutput{};
}

Outcome<abi::RemoveCapability> handle(Thread& caller, const abi::RemoveCapability& call) {
    Domain* target = TRY(caller.domain().lookup<Domain>(call.domain, abi::DomainRight::Grant));
    TRY(target->capabilities().clear(call.slot));
    return abi::NoOutput{};
}

Outcome<abi::Inspect> handle(Thread& caller, const abi::Inspect& call) {
    ConfigurationLock lock;
    Object* object = TRY(caller.domain().lookup<Object>(call.object, 0));
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
    TRY(caller.domain().capabilities().check_empty(call.slot));
    Domain* owner = TRY(caller.domain().lookup<Domain>(call.owner, abi::DomainRight::Create));
    if (owner->is_guest()) return Status::BadArgument;
    Domain* domain = TRY(Domain::create(*owner, {.kind = call.kind,
                                                 .maximum_priority = call.maximum_priority,
                                                 .capability_slots = call.capability_slots,
                                                 .quota_pages = call.quota_pages}));
    TRY(publish(caller.domain(), call.slot, *domain));
    return abi::NoOutput{};
}

Outcome<abi::CreateThread> handle(Thread& caller, const abi::CreateThread& call) {
    ConfigurationLock lock;
    TRY(caller.domain().capabilities().check_empty(call.slot));
    Domain* owner = TRY(caller.domain().lookup<Domain>(call.owner, abi::DomainRight::Create | abi::DomainRight::Map));
    const auto flags = Flags<abi::ThreadFlag>::from_word(call.flags);
    if (!(Flags{abi::ThreadFlag::Handler} | abi::ThreadFlag::UsesFpu).contains(flags)) return Status::BadArgument;
    uint64_t exception_portal = 0;
    if (call.exception_portal != abi::null_selector) {
        Portal* portal = TRY(caller.domain().lookup<Portal>(call.exception_portal, abi::PortalRight::Call));
        if (portal->handler().cpu() != call.cpu) return Status::WrongCpu;
        exception_portal = caller.domain().capabilities().read(call.exception_portal);
    }
    Thread* thread = TRY(Thread::create(*owner, {.cpu = call.cpu,
                                                 .entry = call.entry,
                                                 .stack = call.stack,
                                                 .message_buffer = call.message_buffer,
                                                 .argument = call.argument,
                                                 .exception_portal = exception_portal,
                                                 .handler = flags.has(abi::ThreadFlag::Handler),
                                                 .uses_fpu = flags.has(abi::ThreadFlag::UsesFpu)}));
    TRY(publish(caller.domain(), call.slot, *thread));
    return abi::NoOutput{};
}

Outcome<abi::SetThreadBases> handle(Thread& caller, const abi::SetThreadBases& call) {
    ConfigurationLock lock;
    Thread* thread = TRY(caller.domain().lookup<Thread>(call.thread, abi::ThreadRight::Control));
    if (call.fs_base >= abi::user_address_limit || call.gs_base >= abi::user_address_limit) return Status::BadArgument;
    thread->set_bases(call.fs_base, call.gs_base);
    return abi::NoOutput{};
}

Outcome<abi::CreateSchedulingContext> handle(Thread& caller, const abi::CreateSchedulingContext& call) {
    ConfigurationLock lock;
    TRY(caller.domain().capabilities().check_empty(call.slot));
    Domain* owner = TRY(caller.domain().lookup<Domain>(call.owner, abi::DomainRight::Create));
    static_assert(abi::ThreadRight::Control == abi::VcpuRight::Control);
    Object* object = TRY(caller.domain().lookup<Object>(call.target, abi::ThreadRight::Control));
    ExecutionContext* target = object_cast<Thread>(object);
    if (target == nullptr) target = object_cast<Vcpu>(object);
    if (target == nullptr) return Status::WrongType;
    const SchedulingContext::Parameters parameters{call.priority, call.budget, call.period};
    TRY(SchedulingContext::check(parameters));
    if (call.priority > owner->maximum_priority()) return Status::BadArgument;
    if (target->has_scheduling_context() || target->state() == ExecutionContext::State::Idle) return Status::Busy;
    SchedulingContext* context = TRY(make_object<SchedulingContext>(*owner, *target, parameters));
    TRY(publish(caller.domain(), call.slot, *context));
    cross_cpu::run_on(
        context->home_cpu(), [](void* self) { static_cast<SchedulingContext*>(self)->start(); }, context);
    return abi::NoOutput{};
}

Outcome<abi::SetSchedulingContext> handle(Thread& caller, const abi::SetSchedulingContext& call) {
    ConfigurationLock lock;
    StartRequest request{nullptr, {call.priority, call.budget, call.period}};
    request.context = TRY(
        caller.domain().lookup<SchedulingContext>(call.scheduling_context, abi::SchedulingContextRight::Control));
    TRY(SchedulingContext::check(request.parameters));
    if (call.priority > request.context->owner()->maximum_priority()) return Status::BadArgument;
    cross_cpu::run_on(
        request.context->home_cpu(),
        [](void* self) {
            const auto& wanted = *static_cast<StartRequest*>(self);
            wanted.context->set(wanted.parameters);
        },
        &request);
    return abi::NoOutput{};
}

Outcome<abi::CreatePortal> handle(Thread& caller, const abi::CreatePortal& call) {
    ConfigurationLock lock;
    TRY(caller.domain().capabilities().check_empty(call.slot));
    Domain* owner = TRY(caller.domain().lookup<Domain>(call.owner, abi::DomainRight::Create));
    Thread* handler = TRY(caller.domain().lookup<Thread>(call.handler, abi::ThreadRight::Control));
    if (!handler->handler() || call.entry >= abi::user_address_limit) return Status::BadArgument;
    Portal* portal = TRY(make_object<Portal>(*owner, *handler, *handler, call.entry, call.badge));
    TRY(publish(caller.domain(), call.slot, *portal));
    return abi::NoOutput{};
}

Outcome<abi::DerivePortal> handle(Thread& caller, const abi::DerivePortal& call) {
    ConfigurationLock lock;
    TRY(caller.domain().capabilities().check_empty(call.slot));
    Domain* owner = TRY(caller.domain().lookup<Domain>(call.owner, abi::DomainRight::Create));
    Portal* source = TRY(caller.domain().lookup<Portal>(call.source, abi::Right::Derive));
    Portal* portal = TRY(make_object<Portal>(*owner, *source, source->handler(), source->entry(), call.badge));
    TRY(publish(caller.domain(), call.slot, *portal,
                derived_rights(caller.domain(), call.source, abi::PortalRight::Call)));
    return abi::NoOutput{};
}

Outcome<abi::CreateNotification> handle(Thread& caller, const abi::CreateNotification& call) {
    ConfigurationLock lock;
    TRY(caller.domain().capabilities().check_empty(call.slot));
    Domain* owner = TRY(caller.domain().lookup<Domain>(call.owner, abi::DomainRight::Create));
    Notification* notification = TRY(make_object<Notification>(*owner));
    TRY(publish(caller.domain(), call.slot, *notification));
    return abi::NoOutput{};
}

Outcome<abi::DeriveNotification> handle(Thread& caller, const abi::DeriveNotification& call) {
    ConfigurationLock lock;
    TRY(caller.domain().capabilities().check_empty(call.slot));
    Domain* owner = TRY(caller.domain().lookup<Domain>(call.owner, abi::DomainRight::Create));
    Notification* source = TRY(caller.domain().lookup<Notification>(call.source, abi::Right::Derive));
    Notification* notification = TRY(make_object<Notification>(*owner, *source, call.mask));
    TRY(publish(caller.domain(), call.slot, *notification,
                derived_rights(caller.domain(), call.source, abi::NotificationRight::Signal)));
    return abi::NoOutput{};
}

Outcome<abi::Signal> handle(Thread& caller, const abi::Signal& call) {
    Notification* notification =
        TRY(caller.domain().lookup<Notification>(call.notification, abi::NotificationRight::Signal));
    notification->signal(call.bits);
    return abi::NoOutput{};
}

Outcome<abi::Wait> handle(Thread& caller, const abi::Wait& call) {
    Notification* notification =
        TRY(caller.domain().lookup<Notification>(call.notification, abi::NotificationRight::Wait));
    if (!notification->can_wait() || call.mask == 0) return Status::BadArgument;
    caller.wait(*notification, call.mask, call.deadline);
}

}  // namespace bulkhead::kernel
