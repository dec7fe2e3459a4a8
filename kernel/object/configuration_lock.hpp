// SPDX-License-Identifier: Apache-2.0
// The one lock of the slow paths: creating, deriving, mapping, destroying. Message passing, notifications, scheduling
// and VM exits never take it (docs/decision/0003-configuration-lock.md).
//
// A thread that waits for the lock, or does something long under it, can be preempted: the lock is free then, and the
// call is made again when the thread runs next. What was begun stays under way, and whoever takes the lock next goes on
// with it before anything else (docs/decision/0011-long-operations.md). So nobody sees the configuration half changed.
// Rank: outermost; page allocator and log locks may be taken inside.
#pragma once

#include <atomic>
#include <new>

#include "abi/status.hpp"

namespace bulkhead::kernel {

class Thread;

/// What takes long, in steps: a function that does a bounded part with each call, and with the last one returns the
/// status of the system call that began it. It may keep a few words to itself. There is one at a time.
class LongOperation {
  public:
    template <typename Step>
    static void begin(Step step) {
        static_assert(sizeof(Step) <= sizeof state_ && std::is_trivially_copyable_v<Step>);
        new (state_) Step{step};
        step_ = [] { return (*reinterpret_cast<Step*>(state_))(); };
    }
    static bool under_way() { return step_ != nullptr; }
    static std::optional<abi::Status> step() {
        const std::optional<abi::Status> status = step_();
        if (status) step_ = nullptr;
        return status;
    }

  private:
    static inline std::optional<abi::Status> (*step_)() = nullptr;
    static inline uint64_t state_[6];
};

/// Held by a system call of the running thread, before it has done anything.
class ConfigurationLock {
  public:
    ConfigurationLock() {
        if (!take()) wait();
        if (LongOperation::under_way()) finish();
    }
    ~ConfigurationLock() { release(); }
    ConfigurationLock(const ConfigurationLock&) = delete;

    /// Does the long rest of the call, which has begun and holds the lock. Ends here, without the lock, if something
    /// else shall run: the call goes on as FinishCall, and whatever its handler has in hand is lost.
    static abi::Result<void> run();
    /// A thread dies: nobody waits for the status of what it began.
    static void forget(const Thread& thread) {
        if (requester_ == &thread) requester_ = nullptr;
    }

  private:
    static bool take() { return !taken_.exchange(true, std::memory_order_acquire); }
    static void release() { taken_.store(false, std::memory_order_release); }
    static void wait();
    static void finish();

    static inline std::atomic<bool> taken_{false};
    static inline Thread* requester_ = nullptr;  // whose call began it
};

}  // namespace bulkhead::kernel
