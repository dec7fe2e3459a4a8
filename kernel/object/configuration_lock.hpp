// SPDX-License-Identifier: Apache-2.0
// The one lock of the slow paths: creating, deriving, mapping, destroying. Message passing, notifications, scheduling
// and VM exits never take it (docs/decision/0003-configuration-lock.md).
//
// A CPU that waits for the lock serves other CPUs' requests meanwhile, so its holder may wait for them.
// Rank: outermost; page allocator and log locks may be taken inside.
#pragma once

#include <atomic>
#include <cstdint>

namespace bulkhead::kernel {

/// Held by a system call of the running thread, before it has done anything.
class ConfigurationLock {
  public:
    ConfigurationLock();
    ~ConfigurationLock();
    ConfigurationLock(const ConfigurationLock&) = delete;
    ConfigurationLock& operator=(const ConfigurationLock&) = delete;

  private:
    static void wait(uint32_t ticket);
    static void release();

    static std::atomic<uint32_t> next_;
    static std::atomic<uint32_t> serving_;
};

}  // namespace bulkhead::kernel
