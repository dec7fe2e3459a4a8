// SPDX-License-Identifier: Apache-2.0
// The nested rigs: an emulated machine that runs Debian's Linux with KVM, which runs Bulkhead.
#pragma once

#include "tools/machine/launch.hpp"
#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

/// Starts the machine `options` describes. On the nested platforms that is two machines: a boot image is made of
/// the guest `linux` (a directory of guests/linux/build) and a rig's initramfs that holds QEMU and `options.image`.
[[nodiscard]] Machine start_machine(const Layout& layout, const MachineOptions& options);

/// QEMU's arguments for the inner machine, whose image is /boot.iso.
[[nodiscard]] std::string inner_arguments(const MachineOptions& options);

}  // namespace bulkhead::tool
