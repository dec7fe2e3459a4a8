// SPDX-License-Identifier: Apache-2.0
// Crashes a journalled exit at every step, and the recovery from it at every step, and checks that nothing is lost,
// nothing is half done, and nothing is done twice.
#include "vmm/exit/journal.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace bulkhead::vmm {
namespace {

struct Crash {};

/// Throws at the n-th crash point.
struct CrashAt {
    static inline int left = -1;
    static void point() {
        if (left >= 0 && left-- == 0) throw Crash{};
    }
};
using CrashingJournal = BasicJournal<CrashAt>;

struct Device {
    uint64_t counter;
    uint64_t mirror;
    std::array<uint8_t, 100> bytes;
};

struct Memory {
    JournalRecord record;
    Device first;
    Device second;
};

struct Machine {
    std::span<std::byte> state() { return std::as_writable_bytes(std::span{memory.get(), 1}); }

    /// One monitor's handling of an exit: what the exit loop does.
    ExitResult handle(uint64_t sequence) {
        CrashingJournal journal{memory->record, state()};
        journal.roll_back();
        if (!journal.is_committed(sequence)) {
            journal.begin(sequence);
            journal.remember(&memory->first, sizeof(Device));
            change(memory->first);
            journal.remember(&memory->second, sizeof(Device));
            change(memory->second);
            journal.remember(&memory->first, sizeof(Device));
            CrashAt::point();
            if (!journal.add({.kind = Effect::Kind::PostFixed, .vector = static_cast<uint8_t>(sequence)})) std::abort();
            ExitResult result;
            result.words[0] = memory->first.counter;
            journal.commit(result);
        }
        for (const Effect& effect : journal.effects()) {
            CrashAt::point();
            EXPECT_EQ(effect.vector, sequence);
            ++effects;
        }
        CrashAt::point();
        return journal.result();
    }
    static void change(Device& device) {
        ++device.counter;
        CrashAt::point();
        device.bytes[device.counter % 100] ^= 0xff;
        CrashAt::point();
        device.mirror = device.counter;
        CrashAt::point();
    }
    void expect_whole() const {
        EXPECT_EQ(memory->first.counter, memory->first.mirror);
        EXPECT_EQ(memory->first.counter, memory->second.counter);
        EXPECT_EQ(std::memcmp(&memory->first, &memory->second, sizeof(Device)), 0);
    }

    std::unique_ptr<Memory> memory = std::make_unique<Memory>();
    unsigned effects = 0;
};

TEST(Journal, SurvivesACrashAtEveryStep) {
    bool crashed = true;
    for (int step = 0; crashed; ++step) {
        crashed = false;
        Machine machine;
        for (uint64_t sequence = 0; sequence < 3; ++sequence) {
            CrashAt::left = sequence == 1 ? step : -1;
            ExitResult result;
            for (;;) {
                try {
                    result = machine.handle(sequence);
                    break;
                } catch (const Crash&) {
                    crashed = true;
                    CrashAt::left = -1;
                }
            }
            EXPECT_EQ(result.words[0], sequence + 1) << "crash at step " << step;
            machine.expect_whole();
        }
        EXPECT_EQ(machine.memory->first.counter, 3u);
        EXPECT_GE(machine.effects, 3u);
        EXPECT_LE(machine.effects, 4u);
        EXPECT_LT(step, 1000);
    }
    CrashAt::left = -1;
}

TEST(Journal, SurvivesCrashesDuringRecovery) {
    for (int first = 0; first < 25; ++first) {
        for (int second = 0; second < 25; ++second) {
            Machine machine;
            CrashAt::left = -1;
            (void)machine.handle(0);
            for (int step : {first, second, -1}) {
                CrashAt::left = step;
                try {
                    const ExitResult result = machine.handle(1);
                    EXPECT_EQ(result.words[0], 2u);
                } catch (const Crash&) {
                }
            }
            CrashAt::left = -1;
            machine.expect_whole();
            EXPECT_EQ(machine.memory->first.counter, 2u);
        }
    }
}

TEST(Journal, GarbageInTheRecordStaysInside) {
    Machine machine;
    for (std::byte& byte : machine.state().first(sizeof(JournalRecord))) byte = std::byte{0xee};
    machine.memory->record.committed_sequence = 1;
    machine.memory->record.entry_count = 3;
    Journal journal{machine.memory->record, machine.state()};
    journal.roll_back();
    EXPECT_FALSE(journal.is_open());
    machine.expect_whole();
}

TEST(Stored, RemembersOnlyWhatChanges) {
    Machine machine;
    Journal journal{machine.memory->record, machine.state()};
    JournalSlot slot;
    Stored<Device> device{machine.memory->first, slot};
    device.change().counter = 1;  // no journal: set-up
    slot.set(&journal);
    journal.begin(7);
    EXPECT_EQ(device->counter, 1u);
    EXPECT_EQ(machine.memory->record.entry_count, 0u);
    device.change(&Device::mirror) = 9;
    device.change(&Device::bytes, 3) = 4;
    EXPECT_EQ(machine.memory->record.log_used, 9u);
    journal.roll_back();
    EXPECT_EQ(device->mirror, 0u);
    EXPECT_EQ(device->bytes[3], 0u);
}

}  // namespace
}  // namespace bulkhead::vmm
