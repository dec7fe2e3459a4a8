// SPDX-License-Identifier: Apache-2.0
// A ticket lock that owns the data it protects: the data can only be reached through a guard. The kernel runs with
// interrupts off, so a holder is never preempted; NMI and panic code take no lock. Ranks: at most one lock is held at
// a time, except that the log's may be taken last.
#pragma once

#include <atomic>

namespace bulkhead::kernel {

template <typename T>
class SpinLocked {
  public:
    class [[nodiscard]] Guard {
      public:
        explicit Guard(SpinLocked& owner) : owner_{owner} {
            const uint32_t ticket = owner_.next_.fetch_add(1, std::memory_order_relaxed);
            while (owner_.serving_.load(std::memory_order_acquire) != ticket) __builtin_ia32_pause();
        }
        ~Guard() { owner_.serving_.fetch_add(1, std::memory_order_release); }
        Guard(const Guard&) = delete;
        T* operator->() const { return &owner_.data_; }
        T& operator*() const { return owner_.data_; }

      private:
        SpinLocked& owner_;
    };

    Guard lock() { return Guard{*this}; }
    /// The data without the lock: for panic code and for boot, when there is one CPU.
    T& unlocked() { return data_; }

  private:
    std::atomic<uint32_t> next_{0};
    std::atomic<uint32_t> serving_{0};
    T data_{};
};

}  // namespace bulkhead::kernel
