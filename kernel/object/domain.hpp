// SPDX-License-Identifier: Apache-2.0
// A protection domain (PD): the unit of isolation, ownership and accounting. A native domain has capabilities, a host
// address space and ports; a guest domain has guest-physical memory and vCPUs and reaches the kernel only by VM exits.
//
// Concurrency: under the configuration lock; capability slots, doorbells and roots of spaces are read by anybody.
#pragma once

#include "base/static_vector.hpp"
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/capability/capability_space.hpp"
#include "kernel/capability/object_table.hpp"
#include "kernel/object/address_space.hpp"

namespace bulkhead::kernel {

class DoorbellTable;
class PortRange;

class Domain final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::Domain;

    /// Makes a child of `owner`; its quota is taken from the owner's.
    static abi::Result<Domain*> create(Domain& owner, const abi::CreateDomain& wanted);
    /// Makes the root domain in memory of its own.
    static Domain& create_root(uint64_t quota_pages, uint32_t capability_slots);
    Domain(Domain& owner, const abi::CreateDomain& wanted) : Domain{&owner, wanted} {}
    abi::Result<void> initialise(const abi::CreateDomain& wanted);

    bool is_guest() const { return kind_ == abi::DomainKind::Guest; }
    uint8_t maximum_priority() const { return maximum_priority_; }
    ObjectHeap& heap() { return heap_; }
    CapabilitySpace& capabilities() { return capabilities_; }
    AddressSpace& space() { return space_; }
    const AddressSpace& space() const { return space_; }
    /// The ports it may use, as the bitmap behind the task-state segment wants them. Null while it may use no port.
    const uint8_t* io_bitmap() const { return io_bitmap_; }
    /// Names this content of this bitmap.
    uint64_t io_version() const { return io_version_; }

    /// Makes an object of this domain, in memory on its account. What it needs besides it takes in `initialise`.
    template <typename T>
    abi::Result<T*> make(auto&&... arguments) {
        T* object = new (TRY(heap_.allocate(sizeof(T)))) T{*this, arguments...};
        if constexpr (requires { object->initialise(arguments...); }) {
            if (const abi::Result<void> done = object->initialise(arguments...); !done.ok()) {
                discard(*object);
                return done.error();
            }
        }
        return object;
    }
    /// Puts a capability to a new object into an empty slot; without success the object is gone again.
    abi::Result<void> publish(abi::Selector slot, Object& object, abi::Rights rights = abi::all_rights);

    abi::Result<void> allow_ports(PortRange& ports);
    /// A port range it uses dies.
    void forbid_ports(PortRange& ports);

    /// A guest's doorbells; null as long as it has had none.
    DoorbellTable* doorbells() const { return doorbells_.load(std::memory_order_acquire); }
    /// The same, made if there is none.
    abi::Result<DoorbellTable*> needed_doorbells();

    void retire() override;
    bool dismantle() override;
    /// Does a bounded part of releasing it; true when what is left is, too.
    [[nodiscard]] bool release_some();
    void release() override;

  private:
    friend class Object;
    friend class Graveyard;
    friend struct AsmOffsets;

    static constexpr unsigned io_bitmap_order = 1;
    static_assert(TaskState::bitmap_bytes == page_size_bytes << io_bitmap_order);

    Domain(Domain* owner, const abi::CreateDomain& wanted);
    void change_ports(const PortRange& ports, bool forbid);

    const abi::DomainKind kind_;
    const uint8_t maximum_priority_;
    unsigned capability_order_ = 0;
    CapabilitySpace capabilities_;
    ObjectHeap heap_;
    AddressSpace space_;
    Mapping stub_mapping_;
    uint8_t* io_bitmap_ = nullptr;  // a CPU copies it when it next runs a thread of the domain
    uint64_t io_version_ = 0;
    StaticVector<PortRange*, 8> port_ranges_;
    std::atomic<DoorbellTable*> doorbells_{nullptr};  // goes with the heap
    IntrusiveList<Object, &Object::owned_hook_> owned_;
};

}  // namespace bulkhead::kernel
