// SPDX-License-Identifier: Apache-2.0
// A writer of ACPI Machine Language (ACPI 6.4, chapter 20), as much of it as a DSDT that lists a few devices needs.
// Objects with a length are opened and closed; closing inserts the length, so nothing is counted by hand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace bulkhead::vmm {

class AmlWriter {
  public:
    explicit AmlWriter(std::span<std::byte> buffer) : buffer_{buffer} {}

    std::size_t size() const { return size_; }
    /// Whether something did not fit.
    bool overflowed() const { return overflowed_; }

    /// Handle of an open object.
    struct Open {
        std::size_t position;
    };

    Open scope(std::string_view path);
    Open device(std::string_view name);
    Open method(std::string_view name, unsigned arguments, bool serialized);
    Open field(std::string_view region, bool dword_access);
    Open package(unsigned elements);
    Open if_true();  ///< followed by the predicate, then the statements
    void close(Open open);

    void name(std::string_view name);  ///< followed by the value
    void integer(uint64_t value);
    void string(std::string_view text);
    void eisa_id(std::string_view id);  ///< such as "PNP0A08"
    void io_region(std::string_view name, uint16_t port, uint8_t bytes);
    void field_element(std::string_view name, unsigned bits);

    // Statements and expressions of methods.
    void path(std::string_view path);
    void local(unsigned number);
    void store();         ///< followed by source and target
    void bitwise_and();   ///< followed by two operands and null_target
    void null_target();
    void notify();        ///< followed by object and value

    // A resource template (6.4.2, 6.4.3) is a buffer: open it, add descriptors, close it.
    struct Resources {
        Open buffer;
        std::size_t size_position;
        std::size_t content;
    };
    Resources resources();
    void close(Resources resources);
    void io_ports(uint16_t first, uint8_t count);
    void io_window(uint16_t first, uint16_t last);
    void bus_numbers(uint16_t first, uint16_t last);
    void memory_fixed(uint32_t start, uint32_t size_bytes);
    void memory_window(uint32_t first, uint32_t last);
    void interrupt(uint32_t line, bool level);

  private:
    void byte(uint8_t value);
    template <typename T>
    void little_endian(T value) {
        for (std::size_t index = 0; index < sizeof(T); ++index) byte(static_cast<uint8_t>(value >> (8 * index)));
    }
    void name_segment(std::string_view segment);
    Open open();
    void insert(std::size_t position, std::span<const uint8_t> bytes);

    std::span<std::byte> buffer_;
    std::size_t size_ = 0;
    bool overflowed_ = false;
};

}  // namespace bulkhead::vmm
