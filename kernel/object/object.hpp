// SPDX-License-Identifier: Apache-2.0
// What all kernel objects have: a type, an owner that pays for it, what it was derived from, and a way to die.
//
// One rule (architecture.md section 3): destroying an object destroys all that was derived from it; destroying a domain
// destroys all it owns. `Graveyard` carries that out in phases; the virtual functions here are its per-type parts.
//
// Concurrency: the ownership and derivation links are changed under the configuration lock.
#pragma once

#include "abi/capability.hpp"
#include "abi/status.hpp"
#include "base/intrusive_list.hpp"

namespace bulkhead::kernel {

class Domain;

class alignas(64) Object {
  public:
    /// No CPU: the object can be changed by the holder of the configuration lock on any CPU.
    static constexpr uint32_t any_cpu = ~uint32_t{0};

    abi::ObjectType type() const { return type_; }
    /// The domain that owns and pays for it; null only for the root domain.
    Domain* owner() const { return owner_; }
    /// The objects derived from this one.
    const auto& derived() const { return derived_; }

    /// The CPU on which alone this object may be changed, or `any_cpu`.
    virtual uint32_t home_cpu() const { return any_cpu; }
    /// Takes the object out of everything that refers to it, and answers whoever waits for it. Runs on `home_cpu`,
    /// after all capabilities to it became stale. Bounded work.
    virtual void retire() {}
    /// Does a bounded part of what takes long (unmapping); true when nothing is left. Any CPU, configuration lock held.
    virtual bool dismantle() { return true; }
    /// Releases memory other than the object's own, when no CPU can still see it.
    virtual void release() {}

  protected:
    Object(abi::ObjectType type, Domain* owner, Object* source);
    ~Object() = default;

  private:
    friend class ObjectTable;
    friend class Domain;
    friend class Graveyard;
    friend struct AsmOffsets;

    abi::ObjectType type_;
    bool retired_ = false;
    uint32_t table_index_ = 0;
    Domain* owner_;
    Object* source_;
    ListHook<Object> owned_hook_;    // in the owner's list; in the graveyard's while dying
    ListHook<Object> derived_hook_;  // in the source's list
    IntrusiveList<Object, &Object::derived_hook_> derived_;
};

/// Begins to destroy `object` and all that depends on it (graveyard.cpp): a long operation, which ends with `status`.
void bury(Object& object, abi::Status status = abi::Status::Ok);
/// Undoes the making of an object that never got a capability.
void discard(Object& object);

/// Maps a class to its type number; each object class declares `static constexpr abi::ObjectType object_type`.
template <typename T>
T* object_cast(Object* object) {
    return object != nullptr && object->type() == T::object_type ? static_cast<T*>(object) : nullptr;
}

}  // namespace bulkhead::kernel
