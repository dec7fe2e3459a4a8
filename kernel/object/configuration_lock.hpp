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
#include <optional>

#include "abi/status.hpp"

namespace bulkhead::kernel {

class Thread;

/// What takes long, in steps. There is one at a time.
class LongOperation {
  public:
    /// Does a bounded part; with the last one comes the status of the call that began it.
    virtual std::optional<abi::Status> step() = 0;

  protected:
    ~LongOperation() = default;
};

/// Held by a system call of the running thread, before it has done anything.
class ConfigurationLock {
  public:
    ConfigurationLock();
    ~ConfigurationLock() { release(); }
    ConfigurationLock(const ConfigurationLock&) = delete;
    ConfigurationLock& operator=(const ConfigurationLock&) = delete;

    /// Does the long rest of the call. Ends here, without the lock, if something else shall run: the call goes on as
    /// FinishCall, and whatever its handler has in hand is lost.
    abi::Result<void> run(LongOperation& operation);
    /// A thread dies: nobody waits for the status of what it began.
    static void forget(const Thread& thread);

  private:
    static bool take() { return !taken_.exchange(true, std::memory_order_acquire); }
    static void release() { taken_.store(false, std::memory_order_release); }
    static void wait();
    static void finish();

    static std::atomic<bool> taken_;
    static LongOperation* operation_;
    static Thread* requester_;  // whose call began it
};

}  // namespace bulkhead::kernel
