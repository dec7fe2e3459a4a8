// SPDX-License-Identifier: Apache-2.0
// Test doubles of the seams device models have.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "vmm/arch/x86/interrupt_message.hpp"
#include "vmm/device/seams.hpp"

namespace bulkhead::vmm::test {

struct FakeOutside final : Outside {
    void perform(const Effect& effect) override { effects.push_back(effect); }
    std::size_t count(Effect::Kind kind) const {
        std::size_t sum = 0;
        for (const Effect& effect : effects) sum += effect.kind == kind ? 1 : 0;
        return sum;
    }
    std::vector<Effect> effects;
};

struct FakeLines final : InterruptLines {
    void set_line(unsigned line, bool asserted) override {
        levels[line] = asserted;
        ++changes;
    }
    std::map<unsigned, bool> levels;
    unsigned changes = 0;
};

struct FakeTime final : TimeSource {
    uint64_t tsc() override { return now; }
    uint64_t tsc_hz() override { return hz; }
    uint64_t wall_clock_ns() override { return wall_ns; }
    uint64_t now = 1'000'000;
    uint64_t hz = 2'000'000'000;
    uint64_t wall_ns = 0;
};

struct FakeLog final : Log {
    void line(std::string_view text) override { lines.emplace_back(text); }
    std::vector<std::string> lines;
};

struct FakeRouter final : InterruptRouter {
    void route(const InterruptMessage& message, bool) override { messages.push_back(message); }
    std::vector<InterruptMessage> messages;
};

struct FakeMessages final : MessageInterrupts {
    void send_message(uint64_t address, uint32_t data) override { sent.emplace_back(address, data); }
    std::vector<std::pair<uint64_t, uint32_t>> sent;
};

}  // namespace bulkhead::vmm::test
