// SPDX-License-Identifier: Apache-2.0
// Two Linux threads that wake each other by futexes: one makes rounds, the other answers them. Measured on the host's
// Linux (bench/peers) and inside a guest (bench/guest).
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace bulkhead::peers {

class FutexPair {
  public:
    /// Wakes the other thread and waits for its answer.
    void round() {
        const uint32_t before = count_++;
        store_and_wake(there_, count_);
        wait_while(back_, before);
    }
    /// The other thread's part, until `end`.
    void answer() {
        for (uint32_t seen = 0; seen != last;) {
            wait_while(there_, seen);
            seen = there_.load();
            store_and_wake(back_, seen);
        }
    }
    void end() { store_and_wake(there_, last); }

  private:
    static constexpr uint32_t last = UINT32_MAX;

    static void wait_while(std::atomic<uint32_t>& word, uint32_t value) {
        while (word.load() == value) ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
    }
    static void store_and_wake(std::atomic<uint32_t>& word, uint32_t value) {
        word.store(value);
        ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }

    std::atomic<uint32_t> there_{0};
    std::atomic<uint32_t> back_{0};
    uint32_t count_ = 0;
};

}  // namespace bulkhead::peers
