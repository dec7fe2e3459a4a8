// SPDX-License-Identifier: Apache-2.0
// 64 flags that anybody may set, from any CPU, and one thread may wait for (notification; a semaphore in NOVA). A
// derived notification passes some bits on to its source and cannot be waited for. Signalling and waiting have
// hand-laid paths beside these functions (syscall_entry.S).
//
// Concurrency: `signal` from any CPU; the waiter attaches and detaches itself on its own CPU. Both sides write first
// and then look (bits, then waiter; waiter, then bits), so one of them always sees the other. On the waiter's own CPU
// a signal gives it the bits instead.
#pragma once

#include <atomic>

#include "kernel/object/object.hpp"

namespace bulkhead::kernel {

class Thread;

class Notification final : public Object {
  public:
    static constexpr abi::ObjectType object_type = abi::ObjectType::Notification;

    explicit Notification(Domain& owner) : Object{object_type, &owner, nullptr} {}
    Notification(Domain& owner, Notification& source, uint64_t mask)
        : Object{object_type, &owner, &source}, target_{source.target_}, allowed_{source.allowed_ & mask} {}

    /// Sets bits and wakes the waiter if it waits for one of them.
    void signal(uint64_t bits);
    /// Wakes the waiter if it waits for one of these bits, which are set.
    void look_for_waiter(uint64_t bits);
    bool has(uint64_t mask) const { return (bits_.load(std::memory_order_seq_cst) & mask) != 0; }
    /// Returns and clears the set bits of `mask`.
    uint64_t take(uint64_t mask) { return has(mask) ? bits_.fetch_and(~mask, std::memory_order_seq_cst) & mask : 0; }
    bool can_wait() const { return target_ == this; }

    /// Makes `thread`, whose wait mask is set, the waiter; false if there is another.
    bool attach(Thread& thread);
    void detach() { waiter_.store(nullptr, std::memory_order_release); }

    uint32_t home_cpu() const override;
    void retire() override;

  private:
    friend struct AsmOffsets;

    Notification* target_ = this;
    uint64_t allowed_ = ~uint64_t{0};
    std::atomic<uint64_t> bits_{0};
    std::atomic<Thread*> waiter_{nullptr};
};

}  // namespace bulkhead::kernel
