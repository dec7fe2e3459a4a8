// SPDX-License-Identifier: Apache-2.0
// Which device answers at which I/O port. Where there is none, reads give all ones, writes are dropped, and each such
// port is counted and named once in the log.
#pragma once

#include <cstdint>

#include "base/static_vector.hpp"
#include "vmm/device/seams.hpp"
#include "vmm/vm/first_time.hpp"

namespace bulkhead::vmm {

class PortMap {
  public:
    explicit PortMap(Log& log) : log_{log} {}

    /// False if the range overlaps another one or there is no place for it.
    [[nodiscard]] bool add(uint16_t first, uint16_t count, PortDevice& device);
    /// Ports that are known not to be there, and not worth a line.
    [[nodiscard]] bool ignore(uint16_t first, uint16_t count);

    uint32_t read(uint16_t port, unsigned size_bytes);
    void write(uint16_t port, unsigned size_bytes, uint32_t value);
    uint64_t unknown_accesses() const { return unknown_.count(); }

  private:
    struct Entry {
        uint16_t first = 0;
        uint16_t count = 0;
        PortDevice* device = nullptr;  ///< null: ignored
    };
    [[nodiscard]] bool insert(const Entry& entry);
    const Entry* find(uint16_t port, unsigned size_bytes) const;
    void name_once(uint16_t port, unsigned size_bytes, bool is_write);

    Log& log_;
    StaticVector<Entry, 32> entries_;
    FirstTime unknown_;
};

}  // namespace bulkhead::vmm
