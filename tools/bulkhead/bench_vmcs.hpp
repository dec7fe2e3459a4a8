// SPDX-License-Identifier: Apache-2.0
// VMCS fields by encoding, for people: their names, and whether Linux's KVM shadows them for its guests, so that a
// hosted hypervisor accesses them without an exit (docs/design/architecture.md, section 7).
#pragma once

#include <cstdint>
#include <string>

namespace bulkhead::tool {

/// The name, or the encoding in hexadecimal.
[[nodiscard]] std::string vmcs_field_name(std::uint64_t encoding);
[[nodiscard]] bool is_shadowed_by_kvm(std::uint64_t encoding);

}  // namespace bulkhead::tool
