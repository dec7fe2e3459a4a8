// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/graveyard.hpp"

#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/capability/object_table.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

void Graveyard::destroy(Object& object) {
    Graveyard graveyard;
    graveyard.condemn(object);
    // The list grows behind the object at hand until everything that depends on it is in.
    for (Object* next = graveyard.condemned_.front(); next != nullptr; next = graveyard.condemned_.next(*next))
        graveyard.condemn_dependents(*next);
    grace();
    graveyard.retire_all();
    for (Object& condemned : graveyard.condemned_)
        while (!condemned.dismantle()) let_interrupts_in();
    grace();
    graveyard.free_all();
}

void Graveyard::discard(Object& object) {
    object.owner_->owned_.remove(object);
    if (object.source_ != nullptr) object.source_->derived_.remove(object);
    free(object);
}

void Graveyard::condemn(Object& object) {
    object.dying_ = true;
    ObjectTable::remove(object);
    object.owner_->owned_.remove(object);
    if (object.source_ != nullptr) object.source_->derived_.remove(object);
    condemned_.push_back(object);
}

void Graveyard::condemn_dependents(Object& object) {
    while (Object* derived = object.derived_.front()) {
        condemn(*derived);
        let_interrupts_in();
    }
    auto* domain = object_cast<Domain>(&object);
    if (domain == nullptr) return;
    while (Object* owned = domain->owned_.front()) {
        condemn(*owned);
        let_interrupts_in();
    }
}

void Graveyard::grace() {
    cross_cpu::run_everywhere([](void*) { cross_cpu::serve_wake_ups(); }, nullptr);
}

void Graveyard::retire_all() {
    for (Object& object : condemned_) {
        const uint32_t cpu = object.home_cpu();
        if (cpu == Object::any_cpu) {
            object.retire();
        } else {
            cross_cpu::run_on(cpu, [](void* target) { static_cast<Object*>(target)->retire(); }, &object);
        }
        let_interrupts_in();
    }
}

/// Domains go after everything else, the last condemned first: an object's owner, and its owner's parent, are there
/// until the object is not.
void Graveyard::free_all() {
    IntrusiveList<Object, &Object::owned_hook_> domains;
    while (Object* object = condemned_.pop_front()) {
        if (object->type() == abi::ObjectType::Domain) {
            domains.push_front(*object);
        } else {
            free(*object);
        }
        let_interrupts_in();
    }
    while (Object* domain = domains.pop_front()) {
        free(*domain);
        let_interrupts_in();
    }
}

void Graveyard::free(Object& object) {
    ObjectHeap& heap = object.owner_->heap();
    object.release();
    heap.free(&object, object.size_bytes());
}

}  // namespace bulkhead::kernel
