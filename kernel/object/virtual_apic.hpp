// SPDX-License-Identifier: Apache-2.0
// The interrupt-acceptance half of a local APIC, on a page in the layout the hardware uses: IRR, ISR, TMR, TPR, PPR.
// Software delivery (here) and the processor's virtual-interrupt delivery are two readers of one page.
// Intel SDM vol. 3A, 11.8; vol. 3C, 30.1.
//
// Concurrency: `post` from any CPU at any time; the rest on the vCPU's CPU while its guest does not run. The page is
// mapped in the monitor too: whatever stands there harms nobody but that guest.
#pragma once

#include <cstdint>
#include <optional>

namespace bulkhead::kernel {

class VirtualApic {
  public:
    /// Offsets of registers in the page.
    enum class Register : uint16_t { Tpr = 0x80, Ppr = 0xa0, Isr = 0x100, Tmr = 0x180, Irr = 0x200 };

    explicit VirtualApic(void* page) : page_{static_cast<uint8_t*>(page)} {}

    /// Whether its end of interrupt shall be reported. True if that is a change.
    [[nodiscard]] bool set_level(uint8_t vector, bool level) {
        if (is_set(Register::Tmr, vector) == level) return false;
        if (level) set(Register::Tmr, vector);
        if (!level) clear(Register::Tmr, vector);
        return true;
    }
    /// Makes a vector pending.
    void request(uint8_t vector) { set(Register::Irr, vector); }

    /// The largest vector set in IRR, ISR or TMR.
    std::optional<uint8_t> highest(Register bank) const {
#pragma GCC unroll 8
        for (int index = words_per_bank - 1; index >= 0; --index) {
            const uint32_t bits = word(bank, static_cast<uint8_t>(index * 32));
            if (bits != 0) return static_cast<uint8_t>(index * 32 + 31 - __builtin_clz(bits));
        }
        return std::nullopt;
    }

    uint8_t task_priority() const { return static_cast<uint8_t>(word(Register::Tpr)); }
    void set_task_priority(uint8_t priority) { word(Register::Tpr) = priority; }

    /// SDM vol. 3A, 11.8.3.1.
    uint8_t processor_priority() const {
        const uint8_t task = task_priority();
        const uint8_t service = highest(Register::Isr).value_or(0) & class_mask;
        return (task & class_mask) >= service ? task : service;
    }
    /// The vector to deliver if the processor accepts interrupts.
    std::optional<uint8_t> deliverable() const {
        const auto requested = highest(Register::Irr);
        if (!requested || (*requested & class_mask) <= (processor_priority() & class_mask)) return std::nullopt;
        return requested;
    }
    /// The vector that waits only for TPR to be lowered.
    std::optional<uint8_t> held_by_task_priority() const {
        const auto requested = highest(Register::Irr);
        const uint8_t service = highest(Register::Isr).value_or(0) & class_mask;
        if (!requested || (*requested & class_mask) <= service || deliverable()) return std::nullopt;
        return requested;
    }
    /// The processor takes the vector: from IRR to ISR, at once or in two steps.
    void accept(uint8_t vector) {
        take_request(vector);
        begin_service(vector);
    }
    void take_request(uint8_t vector) { clear(Register::Irr, vector); }
    void begin_service(uint8_t vector) { set(Register::Isr, vector); }
    /// What an EOI ended; `level` if its TMR bit is set.
    struct Ended {
        uint8_t vector;
        bool level;
    };
    std::optional<Ended> end_of_interrupt() {
        const auto vector = highest(Register::Isr);
        if (!vector) return std::nullopt;
        clear(Register::Isr, *vector);
        return Ended{*vector, is_set(Register::Tmr, *vector)};
    }
    /// 64 bits of TMR, for the EOI-exit bitmap.
    uint64_t level_vectors(unsigned quarter) const {
        const auto vector = static_cast<uint8_t>(quarter * 64);
        return word(Register::Tmr, vector) | uint64_t{word(Register::Tmr, vector + 32)} << 32;
    }
    /// The value of register number `index` (x2APIC MSR number minus 800h) that belongs to this half.
    std::optional<uint32_t> read(uint32_t index) const {
        constexpr uint32_t tpr = 0x8, ppr = 0xa, first_bank = 0x10, words = 3 * words_per_bank;
        if (index == tpr) return task_priority();
        if (index == ppr) return processor_priority();
        if (index - first_bank >= words) return std::nullopt;
        return word(Register::Isr, (index - first_bank) * 32);
    }

  private:
    static constexpr int words_per_bank = 8;
    static constexpr unsigned register_bytes = 16;
    static constexpr uint8_t class_mask = 0xf0;

    static uint32_t bit(uint8_t vector) { return 1u << vector % 32; }
    /// The word of a register, or of a bank the one with the bit of `vector`.
    volatile uint32_t& word(Register bank, unsigned vector = 0) const {
        const unsigned offset = static_cast<unsigned>(bank) + vector / 32 * register_bytes;
        return *reinterpret_cast<volatile uint32_t*>(page_ + offset);
    }
    bool is_set(Register bank, uint8_t vector) const { return (word(bank, vector) & bit(vector)) != 0; }
    void set(Register bank, uint8_t vector) { __atomic_fetch_or(&word(bank, vector), bit(vector), __ATOMIC_RELEASE); }
    void clear(Register bank, uint8_t vector) {
        __atomic_fetch_and(&word(bank, vector), ~bit(vector), __ATOMIC_RELEASE);
    }

    uint8_t* page_;
};

}  // namespace bulkhead::kernel
