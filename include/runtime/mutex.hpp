// SPDX-License-Identifier: Apache-2.0
// A lock between threads of one program. Contention is rare and short here, so a waiter just sleeps a little longer
// each time: a spinning one of higher priority would keep the holder from running for ever.
#pragma once

#include <atomic>
#include <cstdint>

namespace bulkhead::runtime {

class Mutex {
  public:
    constexpr Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock() {
        if (locked_.exchange(true, std::memory_order_acquire)) [[unlikely]]
            lock_contended();
    }
    bool try_lock() { return !locked_.exchange(true, std::memory_order_acquire); }
    void unlock() { locked_.store(false, std::memory_order_release); }

  private:
    void lock_contended();

    std::atomic<bool> locked_{false};
};

class [[nodiscard]] MutexLock {
  public:
    explicit MutexLock(Mutex& mutex) : mutex_{mutex} { mutex_.lock(); }
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;
    ~MutexLock() { mutex_.unlock(); }

  private:
    Mutex& mutex_;
};

}  // namespace bulkhead::runtime
