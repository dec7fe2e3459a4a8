// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/graveyard.hpp"

#include "kernel/capability/object_table.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/execution_context.hpp"
#include "kernel/schedule/cross_cpu.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

namespace {

constinit Graveyard graveyard;

void grace() {
    cross_cpu::run_everywhere([](void*) { cross_cpu::serve_wake_ups(); }, nullptr);
}

/// Whether the thread at work would end, or lose its time, if this went.
bool carries_this_call(const Object& object) {
    const ExecutionContext* member = Scheduler::current().running();
    if (member != nullptr && &object == member->donated()) return true;
    while (member != nullptr && member != &object) member = member->caller();
    return member != nullptr;
}

}  // namespace

LongOperation& Graveyard::bury(Object& object, abi::Status status) {
    graveyard.phase_ = Phase::Condemn;
    graveyard.status_ = status;
    graveyard.condemn(object);
    graveyard.at_ = &object;
    return graveyard;
}

std::optional<abi::Status> Graveyard::step() {
    if (phase_ == Phase::Free) return free_next() ? std::nullopt : std::optional{status_};
    if (!visit(*at_)) return std::nullopt;
    at_ = condemned_.next(*at_);
    if (at_ == nullptr) {
        if (phase_ == Phase::Condemn || phase_ == Phase::RetireRest) grace();
        phase_ = static_cast<Phase>(static_cast<uint8_t>(phase_) + 1);
        at_ = condemned_.front();
    }
    return std::nullopt;
}

/// Does a bounded part of what the phase does to an object; true when that was all.
bool Graveyard::visit(Object& object) {
    switch (phase_) {
        case Phase::Condemn:
            return !condemn_dependent(object);
        case Phase::Retire:
            if (!carries_this_call(object)) retire(object);
            return true;
        case Phase::Dismantle:
            return object.dismantle();
        default:
            if (!object.retired_) retire(object);
            return true;
    }
}

void Graveyard::condemn(Object& object) {
    ObjectTable::remove(object);
    object.owner_->owned_.remove(object);
    if (object.source_ != nullptr) object.source_->derived_.remove(object);
    condemned_.push_back(object);
}

/// The list grows behind the object at hand until everything that depends on it is in.
bool Graveyard::condemn_dependent(Object& object) {
    Object* dependent = object.derived_.front();
    auto* domain = object_cast<Domain>(&object);
    if (dependent == nullptr && domain != nullptr) dependent = domain->owned_.front();
    if (dependent != nullptr) condemn(*dependent);
    return dependent != nullptr;
}

void Graveyard::retire(Object& object) {
    object.retired_ = true;
    const uint32_t cpu = object.home_cpu();
    if (cpu == Object::any_cpu) {
        object.retire();
    } else {
        cross_cpu::run_on(cpu, [](void* target) { static_cast<Object*>(target)->retire(); }, &object);
    }
}

/// Domains go after everything else: an object's owner, and its owner's parent, are there until the object is not.
bool Graveyard::free_next() {
    Object* object = condemned_.pop_front();
    if (object == nullptr) {
        object = domains_.front();
        if (object != nullptr && !static_cast<Domain*>(object)->release_some()) return true;
        domains_.pop_front();
    } else if (object->type() == abi::ObjectType::Domain) {
        domains_.push_front(*object);
        return true;
    }
    if (object != nullptr) free(*object);
    return object != nullptr;
}

void Graveyard::discard(Object& object) {
    object.owner_->owned_.remove(object);
    if (object.source_ != nullptr) object.source_->derived_.remove(object);
    free(object);
}

void Graveyard::free(Object& object) {
    ObjectHeap& heap = object.owner_->heap();
    object.release();
    heap.free(&object, object.size_bytes());
}

}  // namespace bulkhead::kernel
