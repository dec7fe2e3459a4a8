// SPDX-License-Identifier: Apache-2.0
// What init's portal handlers tell its main thread. The handlers run on their callers' time, on every CPU, perhaps
// preempted in the midst; so they never wait and never share a lock with the main thread: a report is written by
// whoever claims it first, an event goes through a queue of its CPU, and the main thread is signalled.
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/message.hpp"
#include "protocol/vm.hpp"

namespace bulkhead::init {

/// A value that the first of several writers leaves for one reader. It belongs to one generation of a component: what
/// a dead generation left behind is never taken for the next one's.
template <typename T>
class Report {
  public:
    /// Writer: the place to fill, or null if somebody was first.
    T* claim() {
        State expected = State::Empty;
        return state_.compare_exchange_strong(expected, State::Writing) ? &value_ : nullptr;
    }
    void publish() { state_.store(State::Full, std::memory_order_release); }

    /// Reader: the value, or null.
    const T* read() const { return state_.load(std::memory_order_acquire) == State::Full ? &value_ : nullptr; }
    void clear() { state_.store(State::Empty, std::memory_order_release); }

  private:
    enum class State : uint8_t { Empty, Writing, Full };
    T value_{};
    std::atomic<State> state_{State::Empty};
};

struct FaultReport {
    uint32_t generation;
    uint32_t cpu;
    uint64_t label;  ///< exception vector, or abi::foreign_system_call_label
    uint64_t error_code;
    uint64_t fault_address;
    bool has_frame;
    abi::ExceptionFrame frame;
};

struct ExitReport {
    uint32_t generation;
    int64_t status;
};

struct VmEndReport {
    uint32_t generation;
    protocol::VmEnd end;
    uint32_t size;
    char details[200];
};

/// Per component.
struct Mailbox {
    std::atomic<uint32_t> generation{0};  ///< of the domain that runs; calls with another one come from a dead one
    std::atomic<uint64_t> heartbeat_ticks{0};
    std::atomic<bool> stopped{false};  ///< it has said that it is ready for the end of the machine
    Report<FaultReport> fault;
    Report<ExitReport> exit;
    Report<VmEndReport> vm_end;

    // How much it has logged in the current second: a component cannot flood the log.
    std::atomic<uint64_t> log_window_start_ticks{0};
    std::atomic<uint64_t> log_window_bytes{0};
    std::atomic<uint64_t> log_bytes_dropped{0};
};

/// A capability that arrived: the portal of a service, or a notification to signal.
struct Event {
    enum class Kind : uint8_t { Offer, Watch } kind;
    uint32_t component;
    uint32_t generation;
    uint32_t service;  ///< Offer: index
    uint32_t cpu;      ///< Offer
    abi::Selector capability;
    uint64_t bits;       ///< Watch: for connections
    uint64_t stop_bits;  ///< Watch: for the end of the machine
};

/// One producer (the handler of one CPU), one consumer (the main thread).
class EventQueue {
  public:
    [[nodiscard]] bool put(const Event& event) {
        const uint32_t written = written_.load(std::memory_order_relaxed);
        if (written - read_.load(std::memory_order_acquire) == capacity) return false;
        events_[written % capacity] = event;
        written_.store(written + 1, std::memory_order_release);
        return true;
    }
    [[nodiscard]] bool take(Event& event) {
        const uint32_t read = read_.load(std::memory_order_relaxed);
        if (read == written_.load(std::memory_order_acquire)) return false;
        event = events_[read % capacity];
        read_.store(read + 1, std::memory_order_release);
        return true;
    }

  private:
    static constexpr uint32_t capacity = 64;
    Event events_[capacity];
    std::atomic<uint32_t> written_{0};
    std::atomic<uint32_t> read_{0};
};

/// The badge of a component's portals into init.
struct ComponentBadge {
    using Index = BitField<0, 32, uint32_t>;
    using Generation = BitField<32, 32, uint32_t>;
};

}  // namespace bulkhead::init
