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
    Domain& owner = *object.owner_;
    owner.owned_.remove(object);
    if (object.source_ != nullptr) object.source_->derived_.remove(object);
    object.release();
    owner.heap().free(&object, object.size_bytes());
}

void Graveyard::condemn(Object& object) {
    object.dying_ = true;
    ObjectTable::remove(object);
    if (object.owner_ != nullptr) object.owner_->owned_.remove(object);
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

/// Last in, first out: what a domain owns goes before the domain, whose heap it came from.
void Graveyard::free_all() {
    while (Object* object = condemned_.back()) {
        condemned_.remove(*object);
        Domain* owner = object->owner_;
        object->release();
        // The memory of what dies with its owner goes with the owner's heap.
        if (owner != nullptr) owner->heap().free(object, object->size_bytes());
        let_interrupts_in();
    }
}

}  // namespace bulkhead::kernel
