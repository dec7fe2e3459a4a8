// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/port_map.hpp"

#include "vmm/vm/line.hpp"

namespace bulkhead::vmm {

bool PortMap::add(uint16_t first, uint16_t count, PortDevice& device) { return insert({first, count, &device}); }

bool PortMap::ignore(uint16_t first, uint16_t count) { return insert({first, count, nullptr}); }

bool PortMap::insert(const Entry& entry) {
    if (entry.count == 0 || entry.first + entry.count > 0x10000) return false;
    for (const Entry& other : entries_) {
        if (entry.first < other.first + other.count && other.first < entry.first + entry.count) return false;
    }
    return entries_.push_back(entry);
}

const PortMap::Entry* PortMap::find(uint16_t port, unsigned size_bytes) const {
    for (const Entry& entry : entries_) {
        if (port >= entry.first && port + size_bytes <= entry.first + unsigned{entry.count}) return &entry;
    }
    return nullptr;
}

uint32_t PortMap::read(uint16_t port, unsigned size_bytes) {
    const uint32_t ones = static_cast<uint32_t>(all_ones(size_bytes));
    const Entry* entry = find(port, size_bytes);
    if (entry == nullptr) {
        name_once(port, size_bytes, false);
        return ones;
    }
    if (entry->device == nullptr) return ones;
    return entry->device->read_port(static_cast<uint16_t>(port - entry->first), size_bytes) & ones;
}

void PortMap::write(uint16_t port, unsigned size_bytes, uint32_t value) {
    const Entry* entry = find(port, size_bytes);
    if (entry == nullptr) {
        name_once(port, size_bytes, true);
        return;
    }
    if (entry->device == nullptr) return;
    value &= static_cast<uint32_t>(all_ones(size_bytes));
    entry->device->write_port(static_cast<uint16_t>(port - entry->first), size_bytes, value);
}

void PortMap::name_once(uint16_t port, unsigned size_bytes, bool is_write) {
    if (!unknown_.first(uint64_t{port} * 2 + (is_write ? 1 : 0))) return;
    log_.line(Line{}
                  .text("the guest ")
                  .text(is_write ? "writes" : "reads")
                  .text(" port ")
                  .hex(port)
                  .text(" (")
                  .decimal(size_bytes)
                  .text(" bytes), where no device is")
                  .view());
}

}  // namespace bulkhead::vmm
