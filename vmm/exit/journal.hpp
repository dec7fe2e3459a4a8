// SPDX-License-Identifier: Apache-2.0
// The commit record of an exit: how a monitor can die at any instruction and its successor goes on.
//
// All mutable state of the device models lies in the device-state memory, which outlives the monitor, and so does one
// `JournalRecord` per vCPU (and one for the monitor's own thread, which takes input and timers). An exit is worked on
// in four steps:
//
//   1. begin(sequence)   opens the record.
//   2. remember(bytes)   copies state into the record's undo log before the first change to it in this exit; then
//                        the model changes it in place.
//   3. commit()          result and effects have been written into the record; one release store of the sequence
//                        number makes them, and all changes, valid together.
//   4. afterwards        the effects (interrupts to post, timers) are performed, then the reply is sent.
//
// recover() runs before a successor looks at any state: a record that is open but not committed is undone, so that the
// redelivered exit is computed afresh. If the redelivered exit bears the committed number, its result is replied as it
// is recorded and its effects are performed once more; all effects may be repeated (posting an interrupt twice, waking a thread).
//
// Why an undo log and not two copies of the state: an exit touches one or two of the models, a few dozen bytes of
// many kilobytes, so copying what is about to change is cheaper than copying everything, and reading costs nothing.
// Why one store is enough: the log counts only while open != committed, so the store that commits also voids the log.
// Undoing is idempotent (it copies the same old bytes to the same places), so a crash during recovery is harmless.
// Stores of a dead monitor are visible in program order (it stopped at an instruction boundary; x86 does not reorder
// stores), so compiler order, given by the release stores, is all that is needed.
//
// Concurrency: a record belongs to one handler. State that several vCPUs share is changed only under the machine lock,
// held from before remember() until after commit(): so at most one open record refers to a shared byte, and the order
// in which records are undone does not matter. A dead monitor's lock is simply made anew.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/result.hpp"
#include "base/static_vector.hpp"

namespace bulkhead::vmm {

/// Something to do outside after the commit. All kinds may be repeated.
struct Effect {
    enum class Kind : uint8_t {
        PostFixed,       ///< vector to vCPU, edge
        PostFixedLevel,  ///< vector to vCPU, level
        PostNmi,
        Recall,        ///< make the vCPU exit: it has INIT, SIPI or a stop pending
        ClearInService,  ///< vCPU's EOI of `vector`, on its virtual-APIC page
        ConsoleReady,  ///< the UART has output for the console, or wants to know about room
        ServiceWake,   ///< the monitor's own thread has a new deadline
        EndMachine,    ///< `vector` is a MachineEnd, `value` a detail for the log
    };
    Kind kind = Kind::PostFixed;
    uint8_t vcpu = 0;
    uint8_t vector = 0;
    uint64_t value = 0;
};

inline constexpr std::size_t max_effects = 32;
using EffectList = StaticVector<Effect, max_effects>;

/// What is replied: words as they go into registers, and how the state page changes. Their meaning is the exit
/// handler's (exit_handler.cpp).
struct ExitResult {
    uint32_t label = 0;
    uint32_t reserved = 0;
    std::array<uint64_t, 8> words{};
    std::array<uint64_t, 16> page_change{};
};

/// Lies in the device-state memory; trivially copyable, zero is a valid fresh record.
struct JournalRecord {
    struct Entry {
        uint32_t offset;    ///< of the remembered bytes in the device-state memory
        uint16_t size;      ///< bytes
        uint16_t position;  ///< of the old bytes in `log`
    };
    static constexpr std::size_t max_entries = 32;
    static constexpr std::size_t log_bytes = 6144;

    uint64_t open_sequence;       ///< exit being worked on, plus one; 0: none ever
    uint64_t committed_sequence;  ///< last exit that is done, plus one
    uint32_t entry_count;
    uint32_t log_used;
    std::array<Entry, max_entries> entries;
    ExitResult result;
    EffectList effects;
    std::array<std::byte, log_bytes> log;
};
static_assert(std::is_trivially_copyable_v<JournalRecord>);

/// Called between any two stores; a test makes it a crash.
struct NoCrash {
    static void point() {}
};

template <typename CrashPoint = NoCrash>
class BasicJournal {
  public:
    /// `state` is the device-state memory; `record` lies in it.
    BasicJournal(JournalRecord& record, std::span<std::byte> state) : record_{record}, state_{state} {}

    bool is_committed(uint64_t sequence) const { return record_.committed_sequence == sequence + 1; }
    bool is_open() const { return record_.open_sequence != record_.committed_sequence; }
    uint64_t next_own_sequence() const { return record_.committed_sequence; }
    const ExitResult& result() const { return record_.result; }
    const EffectList& effects() const { return record_.effects; }

    void begin(uint64_t sequence) {
        ASSERT(!is_open());
        store(record_.entry_count, 0u);
        store(record_.log_used, 0u);
        record_.effects.clear();
        CrashPoint::point();
        store(record_.open_sequence, sequence + 1);
    }

    /// To be called before bytes of the device-state memory change. Remembering a thing twice is cheap.
    void remember(const void* bytes, std::size_t size) {
        ASSERT(is_open());
        const uint32_t offset = offset_of(bytes, size);
        for (uint32_t index = 0; index < record_.entry_count; ++index) {
            if (record_.entries[index].offset == offset && record_.entries[index].size == size) return;
        }
        ASSERT(record_.entry_count < JournalRecord::max_entries && size <= JournalRecord::log_bytes - record_.log_used);
        const uint16_t position = static_cast<uint16_t>(record_.log_used);
        __builtin_memcpy(record_.log.data() + position, bytes, size);
        record_.entries[record_.entry_count] = {offset, static_cast<uint16_t>(size), position};
        CrashPoint::point();
        store(record_.log_used, static_cast<uint32_t>(position + size));
        store(record_.entry_count, record_.entry_count + 1);  // from here on the bytes may change
    }

    /// False if there is no place for another effect.
    [[nodiscard]] bool add(const Effect& effect) {
        ASSERT(is_open());
        return record_.effects.push_back(effect);
    }

    void commit(const ExitResult& result) {
        ASSERT(is_open());
        record_.result = result;
        CrashPoint::point();
        store(record_.committed_sequence, record_.open_sequence);
    }

    /// Undoes what was begun and not committed.
    void roll_back() {
        if (!is_open()) return;
        const uint32_t count = record_.entry_count < JournalRecord::max_entries ? record_.entry_count : 0;
        for (uint32_t index = count; index > 0; --index) {
            const typename JournalRecord::Entry& entry = record_.entries[index - 1];
            // The memory is the supervisor's and was written by a monitor: still no reason to trust it blindly.
            if (entry.offset > state_.size() || entry.size > state_.size() - entry.offset) continue;
            if (entry.position + std::size_t{entry.size} > JournalRecord::log_bytes) continue;
            __builtin_memcpy(state_.data() + entry.offset, record_.log.data() + entry.position, entry.size);
            CrashPoint::point();
        }
        store(record_.open_sequence, record_.committed_sequence);
    }

  private:
    template <typename T>
    static void store(T& place, T value) {
        __atomic_store_n(&place, value, __ATOMIC_RELEASE);
        CrashPoint::point();
    }

    uint32_t offset_of(const void* bytes, std::size_t size) const {
        const auto start = reinterpret_cast<uintptr_t>(bytes) - reinterpret_cast<uintptr_t>(state_.data());
        ASSERT(start < state_.size() && size <= state_.size() - start);
        return static_cast<uint32_t>(start);
    }

    JournalRecord& record_;
    std::span<std::byte> state_;
};

using Journal = BasicJournal<>;

/// Which journal changes go to at the moment: one slot per vCPU for its private state, one for what is shared, which
/// the holder of the machine lock sets. A null journal means that nothing is logged (set-up, unit tests of models).
class JournalSlot {
  public:
    Journal* current() const { return journal_; }
    void set(Journal* journal) { journal_ = journal; }

  private:
    Journal* journal_ = nullptr;
};

/// Access to one model's state: reading is free, changing remembers the old bytes first.
template <typename State>
class Stored {
    static_assert(std::is_trivially_copyable_v<State>);

  public:
    Stored(State& state, JournalSlot& slot) : state_{&state}, slot_{&slot} {}

    const State& operator*() const { return *state_; }
    const State* operator->() const { return state_; }
    /// All of the state, to be changed.
    State& change() const {
        if (Journal* journal = slot_->current()) journal->remember(state_, sizeof(State));
        return *state_;
    }
    /// One member, to be changed: for models whose whole state would fill the log.
    template <typename Member>
    Member& change(Member State::*member) const {
        if (Journal* journal = slot_->current()) journal->remember(&(state_->*member), sizeof(Member));
        return state_->*member;
    }
    /// One element of an array member.
    template <typename Element, std::size_t Count>
    Element& change(std::array<Element, Count> State::*member, std::size_t index) const {
        Element& element = (state_->*member)[index];
        if (Journal* journal = slot_->current()) journal->remember(&element, sizeof(Element));
        return element;
    }
    JournalSlot& slot() const { return *slot_; }

  private:
    State* state_;
    JournalSlot* slot_;
};

}  // namespace bulkhead::vmm
