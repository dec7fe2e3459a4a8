// SPDX-License-Identifier: Apache-2.0
// Fields of AMD-V's VMCB by offset, for people: their names, and whether the processor may keep them in its cache unless
// software clears their clean bit (APM vol. 2, 15.15.3): a write to those makes it read more at the next VMRUN.
#pragma once

#include <cstdint>
#include <string>

namespace bulkhead::tool {

/// The name as in hw/x86/svm.hpp, or the offset in hexadecimal.
[[nodiscard]] std::string vmcb_field_name(std::uint64_t offset);
[[nodiscard]] bool has_vmcb_clean_bit(std::uint64_t offset);

}  // namespace bulkhead::tool
