// SPDX-License-Identifier: Apache-2.0
// The kernel's half of the local APIC: one page in the layout of the hardware's registers (Intel SDM volume 3, 11.4.1).
// The kernel and posting backends set IRR bits at any time; ISR and TPR belong to whoever handles the vCPU: the kernel
// while it runs, the monitor while it is in an exit.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

namespace bulkhead::vmm {

class VirtualApicPage {
  public:
    static constexpr unsigned size_bytes = 4096;
    enum Offset : unsigned { Tpr = 0x80, Ppr = 0xa0, Eoi = 0xb0, Isr = 0x100, Tmr = 0x180, Irr = 0x200 };

    explicit VirtualApicPage(volatile uint32_t* page) : page_{page} {}

    uint32_t read(unsigned offset) const { return page_[offset / sizeof(uint32_t)]; }
    void write(unsigned offset, uint32_t value) { page_[offset / sizeof(uint32_t)] = value; }

    bool test(unsigned bitmap, uint8_t vector) const { return (read(word(bitmap, vector)) & bit(vector)) != 0; }
    void clear(unsigned bitmap, uint8_t vector) {
        write(word(bitmap, vector), read(word(bitmap, vector)) & ~bit(vector));
    }
    void clear_all(unsigned bitmap) {
        for (unsigned index = 0; index < words; ++index) write(bitmap + index * stride, 0);
    }
    /// The largest vector whose bit is set.
    std::optional<uint8_t> highest(unsigned bitmap) const {
        for (unsigned index = words; index > 0; --index) {
            const uint32_t value = read(bitmap + (index - 1) * stride);
            if (value != 0) return static_cast<uint8_t>((index - 1) * 32 + 31 - static_cast<unsigned>(std::countl_zero(value)));
        }
        return std::nullopt;
    }

  private:
    static constexpr unsigned words = 8;
    static constexpr unsigned stride = 16;
    static unsigned word(unsigned bitmap, uint8_t vector) { return bitmap + vector / 32u * stride; }
    static uint32_t bit(uint8_t vector) { return 1u << (vector % 32u); }

    volatile uint32_t* page_;
};

}  // namespace bulkhead::vmm
