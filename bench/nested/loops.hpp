// SPDX-License-Identifier: Apache-2.0
// The contract between the loop guest (loops.S) and whoever monitors it: Bulkhead's bench-hosting or, on Linux,
// bench/peers/kvm_loops. The guest does one operation so many times, leaves what it took, writes to the finish port and
// reads its orders again.
#pragma once

#include <cstdint>

namespace bulkhead::bench {

/// What the guest does in a round; numbers as in loops.S.
enum class LoopOperation : uint32_t {
    Cpuid = 1,
    PortWrite = 2,      ///< to the monitor
    MmioWrite = 3,      ///< to the monitor
    PortDoorbell = 4,   ///< to the kernel alone
    MmioDoorbell = 5,   ///< to the kernel alone
    Interrupt = 6,      ///< doorbell to a thread, which answers with an interrupt; the guest sleeps meanwhile
};

/// At guest-physical 0xe000, written by the monitor.
struct LoopOrders {
    static constexpr uint64_t address = 0xe000;
    uint32_t operation;
    uint32_t rounds;
};

/// At guest-physical 0xf000, written by the guest.
struct LoopResults {
    static constexpr uint64_t address = 0xf000;
    uint64_t least_ticks;  ///< of one round, without the instructions around the operation
    uint64_t total_ticks;  ///< of all rounds, loop included
};

struct LoopPlace {
    static constexpr uint64_t image = 0x1000;
    static constexpr uint16_t test_port = 0xe4;
    static constexpr uint16_t doorbell_port = 0xe6;
    static constexpr uint16_t interrupt_port = 0xea;
    static constexpr uint16_t finish_port = 0xf4;
    static constexpr uint64_t test_mmio = 0x3f000000;
    static constexpr uint64_t doorbell_mmio = 0x3f001000;
    static constexpr uint8_t vector = 0x40;
};

}  // namespace bulkhead::bench
