// SPDX-License-Identifier: Apache-2.0
// A port of a guest domain whose writes are signals (doorbell; ioeventfd in Linux's KVM): an OUT there sets bits of a
// notification and the guest goes on, without its monitor. It is the guest domain's and outlives both sides: what it
// signals is remembered as a capability word, which is stale as soon as the notification is gone. Then rings are
// counted, and whoever binds it next is told (docs/decision/0014-doorbells.md).
//
// Concurrency: rung on any CPU at any time, with interrupts off; the rest under the configuration lock. One that was
// taken out of its table stays allocated until every CPU has left the kernel once (graveyard.cpp).
#pragma once

#include "kernel/capability/object_table.hpp"
#include "kernel/object/notification.hpp"

namespace bulkhead::kernel {

class Doorbell final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::Doorbell;

    Doorbell(Domain& guest, uint16_t port, uint8_t size);

    /// Signals whom it is bound to; false, and counted, if there is nobody.
    bool ring() {
        if (Notification* target = find_target(); target != nullptr) [[likely]] {
            target->signal(bits_.load(std::memory_order_relaxed));
            return true;
        }
        return miss();
    }
    /// From now on it sets `bits` of the notification that a capability word names. Returns the rings in vain before.
    uint64_t bind(uint64_t word, uint64_t bits);
    /// Of an unbound one: names nothing.
    static constexpr uint64_t nobody = 0;

    void retire() override;

  private:
    friend class DoorbellTable;
    friend struct AsmOffsets;

    Notification* find_target() const {
        return static_cast<Notification*>(ObjectTable::find(word_.load(std::memory_order_acquire)));
    }
    bool miss();

    const uint32_t key_;  // VcpuBackend::port_write_key
    const uint16_t port_;
    const uint8_t size_;
    std::atomic<Doorbell*> next_{nullptr};  // in its bucket
    std::atomic<uint64_t> word_{nobody};
    std::atomic<uint64_t> bits_{0};
    std::atomic<uint64_t> missed_{0};
};

/// The doorbells of a guest domain, by key: chains of those with the same hash. Read without a lock.
class DoorbellTable {
  public:
    static constexpr unsigned maximum = 64;

    Doorbell* find(uint32_t key) const {
        Doorbell* doorbell = buckets_[bucket_of(key)].load(std::memory_order_acquire);
        while (doorbell != nullptr && doorbell->key_ != key) doorbell = doorbell->next_.load(std::memory_order_acquire);
        return doorbell;
    }
    /// Whether there is room for one more, with these ports.
    abi::Result<void> check(uint16_t port, uint8_t size) const;
    void insert(Doorbell& doorbell);
    void remove(Doorbell& doorbell);

  private:
    friend struct AsmOffsets;
    static constexpr uint32_t multiplier = 0x9e37'79b1;  // 2^32 over the golden ratio: spreads neighbours (Knuth, 6.4)
    static constexpr unsigned shift = 26;
    static constexpr uint32_t bucket_of(uint32_t key) { return key * multiplier >> shift; }

    std::atomic<Doorbell*> buckets_[1u << (32 - shift)] = {};
};

}  // namespace bulkhead::kernel
