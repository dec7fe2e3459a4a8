// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/doorbell.hpp"

#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

Doorbell::Doorbell(Domain& guest, uint16_t port, uint8_t size)
    : Object{object_type, &guest, nullptr}, key_{vcpu_backend().port_write_key(port, size)}, port_{port}, size_{size} {}

uint64_t Doorbell::bind(uint64_t word, uint64_t bits) {
    // Between the two words no CPU is in the middle of a ring: none meets one notification with the bits of another.
    word_.store(nobody);
    cross_cpu::run_everywhere([] {});
    bits_.store(bits, std::memory_order_relaxed);
    word_.store(word);
    return missed_.exchange(0);
}

/// Counted first, looked at again afterwards; `bind` does it the other way round. So one of the two sees the other.
bool Doorbell::miss() {
    missed_.fetch_add(1);
    Notification* target = find_target();
    if (target != nullptr) target->signal(bits_.load(std::memory_order_relaxed));
    return target != nullptr;
}

void Doorbell::retire() { owner()->doorbells()->remove(*this); }

abi::Result<void> DoorbellTable::check(uint16_t port, uint8_t size) const {
    unsigned count = 0;
    for (const auto& bucket : buckets_) {
        for (const Doorbell* other = bucket; other != nullptr; other = other->next_, ++count)
            if (port < other->port_ + other->size_ && other->port_ < port + size) return abi::Status::Overlap;
    }
    if (count >= maximum) return abi::Status::Busy;
    return {};
}

void DoorbellTable::insert(Doorbell& doorbell) {
    std::atomic<Doorbell*>& first = buckets_[bucket_of(doorbell.key_)];
    doorbell.next_ = first.load();
    first = &doorbell;
}

void DoorbellTable::remove(Doorbell& doorbell) {
    std::atomic<Doorbell*>* link = &buckets_[bucket_of(doorbell.key_)];
    while (link->load() != nullptr && link->load() != &doorbell) link = &link->load()->next_;
    *link = doorbell.next_.load();  // a reader that stands on it still finds its way; one never inserted has no next
}

}  // namespace bulkhead::kernel
