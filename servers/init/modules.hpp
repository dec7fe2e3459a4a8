// SPDX-License-Identifier: Apache-2.0
// The boot modules by name, mapped read-only into init on first use. Main thread only.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "abi/layout.hpp"
#include "runtime/object.hpp"

namespace bulkhead::init {

struct Module {
    runtime::Memory memory;
    std::span<const std::byte> content;  ///< empty: there is no such module, or it cannot be mapped

    explicit operator bool() const { return !content.empty(); }
    uint64_t mapped_bytes() const;
};

class Modules {
  public:
    explicit Modules(const abi::RootInformation& root) : root_{root} {}
    /// A module to read.
    Module find(std::string_view name);
    /// A module to pass on: not mapped here.
    const abi::RootModule* entry(std::string_view name) const;

  private:
    const abi::RootInformation& root_;
    uint64_t addresses_[abi::max_root_modules] = {};  ///< where each is mapped, 0: not yet
};

}  // namespace bulkhead::init
