// SPDX-License-Identifier: Apache-2.0
// The configuration space of one PCI function of type 0 (PCI Local Bus 3.0, chapter 6): identity, command, base
// address registers, capabilities. A model adds itself to a bus and says what each BAR is; what the guest may write is
// a mask beside the bytes, so reading and writing need no cases.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/device/seams.hpp"

namespace bulkhead::vmm {

inline constexpr unsigned pci_bars = 6;
inline constexpr std::size_t pci_config_bytes = 256;
inline constexpr std::size_t pci_extended_config_bytes = 4096;

struct PciIdentity {
    uint16_t vendor = 0;
    uint16_t device = 0;
    uint16_t subsystem_vendor = 0;
    uint16_t subsystem = 0;
    uint8_t revision = 0;
    uint32_t class_code = 0;  ///< 24 bits: class, subclass, interface
};

/// The part of the configuration space the guest can change.
struct PciConfigState {
    std::array<uint8_t, pci_config_bytes> bytes;
};

namespace pci_command {
inline constexpr uint16_t io = 1 << 0;
inline constexpr uint16_t memory = 1 << 1;
inline constexpr uint16_t bus_master = 1 << 2;
inline constexpr uint16_t interrupt_disable = 1 << 10;
}  // namespace pci_command

namespace pci_register {
inline constexpr unsigned vendor = 0x00;
inline constexpr unsigned device = 0x02;
inline constexpr unsigned command = 0x04;
inline constexpr unsigned status = 0x06;
inline constexpr unsigned revision = 0x08;
inline constexpr unsigned bar0 = 0x10;
inline constexpr unsigned subsystem_vendor = 0x2c;
inline constexpr unsigned subsystem = 0x2e;
inline constexpr unsigned capabilities = 0x34;
inline constexpr unsigned first_free = 0x40;
}  // namespace pci_register

class PciFunction {
  public:
    enum class BarKind : uint8_t { None, Io, Memory32, Memory64, Memory64High };

    PciFunction(PciConfigState& state, JournalSlot& slot) : state_{state, slot} {}
    PciFunction(const PciFunction&) = delete;

    /// Fills the configuration space for a machine that starts.
    void reset_config(const PciIdentity& identity);

    // The shape of the function, the same for every life of the monitor.
    /// Declares a BAR; size a power of two, at least 4 (I/O) or 16 (memory). Memory64 takes the next number, too.
    void add_bar(unsigned number, BarKind kind, uint64_t size_bytes, PortDevice* ports, MmioDevice* memory);
    /// Reserves a capability of `size_bytes` (multiple of 4) and links it; gives its offset, 0 if there is no room.
    unsigned add_capability(uint8_t id, unsigned size_bytes);
    /// Bits the guest may write in a byte of the configuration space.
    void set_writable(unsigned offset, uint8_t mask) { writable_[offset % pci_config_bytes] = mask; }

    // Configuration accesses: `size_bytes` 1, 2 or 4, naturally aligned.
    uint32_t read_config(unsigned offset, unsigned size_bytes) const;
    void write_config(unsigned offset, unsigned size_bytes, uint32_t value);

    bool enabled(uint16_t command_bit) const;
    uint64_t bar_address(unsigned number) const;
    /// Sets where a BAR lies (the monitor assigns all of them before the guest starts).
    void set_bar_address(unsigned number, uint64_t address);

    struct PortTarget {
        PortDevice* device = nullptr;
        uint16_t offset = 0;
    };
    struct MemoryTarget {
        MmioDevice* device = nullptr;
        uint64_t offset = 0;
    };
    PortTarget find_port(uint16_t port, unsigned size_bytes) const;
    MemoryTarget find_memory(uint64_t address, unsigned size_bytes) const;

    template <typename T>
    T config(unsigned offset) const {
        T value{};
        __builtin_memcpy(&value, state_->bytes.data() + offset, sizeof(T));
        return value;
    }
    template <typename T>
    void set_config(unsigned offset, T value) {
        __builtin_memcpy(state_.change().bytes.data() + offset, &value, sizeof(T));
    }

  protected:
    ~PciFunction() = default;
    /// Called after the guest changed bytes [offset, offset + size) of the configuration space.
    virtual void config_written(unsigned, unsigned) {}

  private:
    struct Bar {
        BarKind kind = BarKind::None;
        uint64_t size_bytes = 0;
        PortDevice* ports = nullptr;
        MmioDevice* memory = nullptr;
    };

    Stored<PciConfigState> state_;
    std::array<uint8_t, pci_config_bytes> writable_{};
    std::array<Bar, pci_bars> bars_{};
    struct Capability {
        uint8_t id = 0;
        uint8_t offset = 0;
    };
    StaticVector<Capability, 16> capabilities_;
    unsigned next_capability_ = pci_register::first_free;
};

}  // namespace bulkhead::vmm
