// SPDX-License-Identifier: Apache-2.0
#include "servers/init/modules.hpp"

#include "base/address.hpp"
#include "runtime/address_space.hpp"
#include "servers/init/say.hpp"

namespace bulkhead::init {

uint64_t Module::mapped_bytes() const { return align_up(content.size(), page_size_bytes); }

const abi::RootModule* Modules::entry(std::string_view name) const {
    for (uint32_t index = 0; index < root_.module_count && index < abi::max_root_modules; ++index) {
        if (name == root_.modules[index].name) return &root_.modules[index];
    }
    return nullptr;
}

Module Modules::find(std::string_view name) {
    const abi::RootModule* module = entry(name);
    if (module == nullptr || module->size_bytes == 0) return {};
    const runtime::Memory memory{module->selector};
    uint64_t& address = addresses_[module - root_.modules];
    if (address == 0) {
        const uint64_t size = align_up(module->size_bytes, page_size_bytes);
        const auto place = runtime::allocate_addresses(size);
        if (!place.ok()) return {};
        const auto mapped = memory.map(place.value(), 0, size, runtime::read_only);
        if (!mapped.ok()) {
            say("cannot map boot module {}: {}", name, mapped.error());
            runtime::release_addresses(place.value(), size);
            return {};
        }
        address = place.value();
    }
    return {memory, {reinterpret_cast<const std::byte*>(address), module->size_bytes}};
}

}  // namespace bulkhead::init
