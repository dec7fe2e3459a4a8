// SPDX-License-Identifier: Apache-2.0
// FPU and vector registers. Each CPU remembers whose are loaded, and changes them only when somebody else needs them:
// a thread without FPU state runs with CR0.TS set over whatever is loaded, so a guest's registers survive its exits to
// such a monitor. States cover all components the kernel enables, whatever XCR0 their owner has chosen: nothing leaks
// when a guest raises its XCR0 later.
//
// Concurrency: on the calling CPU with interrupts off. A state is loaded on one CPU at most, its owner's.
#pragma once

#include "abi/status.hpp"

namespace bulkhead::kernel {

class Domain;

/// The registers of one thread or vCPU while they are not loaded.
class alignas(64) FpuState {
  public:
    /// Once at boot, after the features are known.
    static void detect();
    /// Every CPU, after set_up_this_cpu: XCR0 with all supported components, TS set, nobody's registers loaded.
    static void initialize_cpu();
    /// Before a thread runs: with its registers loaded and TS clear, or, without a state, TS set and nothing switched.
    static void prepare_for_thread(FpuState* next);
    /// Before a guest runs: its registers and XCR0 loaded; TS set, as the host has it after the exit.
    void prepare_for_guest() {
        if (!loaded_) [[unlikely]]
            load_for_guest();
    }

    /// Initial state, XCR0 with all supported components. Under the configuration lock.
    static abi::Result<FpuState*> create(Domain& payer);
    /// Forgets the registers wherever they are loaded. Under the configuration lock.
    void destroy(Domain& payer);

    uint64_t xcr0() const { return xcr0_; }
    /// Takes over an XCR0 the loaded guest has set by itself: QEMU's AMD-V does not intercept XSETBV.
    void follow_cpu();
    /// False if the value is not valid, or the CPU refused it all the same.
    [[nodiscard]] bool set_xcr0(uint64_t value);
    /// The rules of SDM vol. 1, 13.3 for a value a program wants, within `supported`.
    static constexpr bool valid_xcr0(uint64_t value, uint64_t supported) {
        constexpr uint64_t x87 = 1, sse = 2, avx = 4, avx512 = 0xe0;
        if ((value & ~supported) != 0 || (value & x87) == 0) return false;
        if ((value & avx) != 0 && (value & sse) == 0) return false;
        return (value & avx512) == 0 || ((value & avx512) == avx512 && (value & avx) != 0);
    }

  private:
    friend struct AsmOffsets;
    std::byte* area() { return reinterpret_cast<std::byte*>(this) + sizeof *this; }
    /// Leaves TS clear if it had to act.
    void load();
    void load_for_guest();

    uint64_t xcr0_ = 0;
    uint32_t loaded_on_ = 0;
    bool loaded_ = false;  // whether that CPU holds the registers; then TS is set, if they are a guest's
};

}  // namespace bulkhead::kernel
