// SPDX-License-Identifier: Apache-2.0
#include "vmm/device/mmio_map.hpp"

#include "vmm/vm/line.hpp"

namespace bulkhead::vmm {

bool MmioMap::add(GuestPhysicalAddress start, uint64_t size_bytes, MmioDevice& device) {
    const auto range = Range::create(start.value(), size_bytes);
    if (!range || range->empty()) return false;
    for (const Entry& other : entries_) {
        if (other.range.overlaps(*range)) return false;
    }
    return entries_.push_back({*range, &device});
}

MovingDevices::Target MmioMap::find(GuestPhysicalAddress address, unsigned size_bytes) {
    const auto access = Range::create(address.value(), size_bytes);
    if (!access) return {};
    for (const Entry& entry : entries_) {
        if (entry.range.contains(*access)) return {entry.device, address.value() - entry.range.start()};
    }
    return moving_ != nullptr ? moving_->find_mmio(address, size_bytes) : MovingDevices::Target{};
}

uint64_t MmioMap::read_mmio(GuestPhysicalAddress address, unsigned size_bytes) {
    const auto target = find(address, size_bytes);
    if (target.device == nullptr) {
        name_once(address, false);
        return all_ones(size_bytes);
    }
    return target.device->read(target.offset, size_bytes) & all_ones(size_bytes);
}

void MmioMap::write_mmio(GuestPhysicalAddress address, unsigned size_bytes, uint64_t value) {
    const auto target = find(address, size_bytes);
    if (target.device == nullptr) {
        name_once(address, true);
        return;
    }
    target.device->write(target.offset, size_bytes, value & all_ones(size_bytes));
}

void MmioMap::name_once(GuestPhysicalAddress address, bool is_write) {
    // One line per page: a guest that probes a range must not flood the log.
    if (!unknown_.first(address.align_down(page_size_bytes).value() + (is_write ? 1 : 0))) return;
    log_.line(Line{}
                  .text("the guest ")
                  .text(is_write ? "writes" : "reads")
                  .text(" memory at ")
                  .hex(address.value())
                  .text(", where no device and no RAM is")
                  .view());
}

}  // namespace bulkhead::vmm
