// SPDX-License-Identifier: Apache-2.0
// Destroys objects, in phases that make each next one safe (architecture.md section 3):
//
//   1 condemn    the object, all derived from it, all owned by it, and so on: their capabilities become stale at once
//   2 grace      every CPU leaves what it was doing in the kernel: nobody can reach them by a lookup made before
//   3 retire     each on its own CPU is taken out of queues, waits and call chains; waiters get an error
//   4 dismantle  mappings go, with their TLB entries
//   5 retire     what the thread at work lives on: without it nobody would be left to go on behind a preemption
//   6 grace      again: pointers picked up from other objects before they retired are gone, and wake-ups arrived
//   7 free       memory goes back to the owners
//
// Concurrency: under the configuration lock, a long operation: threads run between the steps.
#include "kernel/object/domain.hpp"
#include "kernel/object/execution_context.hpp"
#include "kernel/schedule/cross_cpu.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

class Graveyard {
  public:
    void begin(Object& object, abi::Status status) {
        phase_ = Phase::Condemn;
        status_ = status;
        condemn(object);
        at_ = &object;
    }

    std::optional<abi::Status> step() {
        if (phase_ == Phase::Free) return free_next() ? std::nullopt : std::optional{status_};
        if (!visit(*at_)) return std::nullopt;
        at_ = condemned_.next(*at_);
        if (at_ == nullptr) {
            if (phase_ == Phase::Condemn || phase_ == Phase::RetireRest)
                cross_cpu::run_everywhere([] { Scheduler::current().serve_woken(); });  // grace
            phase_ = static_cast<Phase>(static_cast<uint8_t>(phase_) + 1);
            at_ = condemned_.front();
        }
        return std::nullopt;
    }

    static void discard(Object& object) {
        unlink(object);
        retire(object);
        free(object);
    }

  private:
    enum class Phase : uint8_t { Condemn, Retire, Dismantle, RetireRest, Free };

    /// Does a bounded part of what the phase does to an object; true when that was all.
    bool visit(Object& object) {
        if (phase_ == Phase::Condemn) return !condemn_dependent(object);
        if (phase_ == Phase::Dismantle) return object.dismantle();
        const bool later = phase_ == Phase::Retire && carries_this_call(object);
        if (!later && !object.retired_) retire(object);
        return true;
    }

    static void unlink(Object& object) {
        object.owner_->owned_.remove(object);
        if (object.source_ != nullptr) object.source_->derived_.remove(object);
    }

    void condemn(Object& object) {
        ObjectTable::remove(object);
        unlink(object);
        condemned_.push_back(object);
    }

    /// The list grows behind the object at hand until everything that depends on it is in.
    bool condemn_dependent(Object& object) {
        Object* dependent = object.derived_.front();
        auto* domain = object_cast<Domain>(&object);
        if (dependent == nullptr && domain != nullptr) dependent = domain->owned_.front();
        if (dependent != nullptr) condemn(*dependent);
        return dependent != nullptr;
    }

    /// Whether the thread at work would end, or lose its time, if this went.
    static bool carries_this_call(const Object& object) {
        const ExecutionContext* member = Scheduler::current().running();
        if (member != nullptr && &object == member->donated_) return true;
        while (member != nullptr && member != &object) member = member->caller_;
        return member != nullptr;
    }

    static void retire(Object& object) {
        object.retired_ = true;
        if (object.home_cpu() == Object::any_cpu) return object.retire();
        cross_cpu::run_on(object.home_cpu(), [&] { object.retire(); });
    }

    /// Domains go after everything else: an object's owner, and its owner's parent, are there until the object is not.
    bool free_next() {
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

    static void free(Object& object) {
        ObjectHeap& heap = object.owner_->heap();
        object.release();
        heap.free(&object);
    }

    Phase phase_ = Phase::Free;
    abi::Status status_ = abi::Status::Ok;
    Object* at_ = nullptr;  // whom this phase has come to
    // Order of condemnation: sources before what is derived, domains before what they own.
    IntrusiveList<Object, &Object::owned_hook_> condemned_;
    IntrusiveList<Object, &Object::owned_hook_> domains_;  // to be freed, the last condemned first
};

static constinit Graveyard graveyard;

void bury(Object& object, abi::Status status) {
    graveyard.begin(object, status);
    LongOperation::begin([] { return graveyard.step(); });
}

void discard(Object& object) { Graveyard::discard(object); }

}  // namespace bulkhead::kernel
