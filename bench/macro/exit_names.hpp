// SPDX-License-Identifier: Apache-2.0
// Names of the processors' exit reasons, as Bulkhead's ABI has them where both mean the same.
#pragma once

#include <cstdint>
#include <string>

namespace bulkhead::bench {

enum class Vendor { Amd, Intel };

[[nodiscard]] std::string exit_name(Vendor vendor, std::uint64_t reason);

}  // namespace bulkhead::bench
