// SPDX-License-Identifier: Apache-2.0
// KVM's monitors that can stand beside Bulkhead's on the same machine: QEMU's machines q35 and microvm, and the least of
// a monitor (bench/peers/kvm_linux).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bulkhead::bench {

struct KvmPeer {
    std::string name;     ///< of its runs in the log
    std::string title;
    std::string command;  ///< up to the kernel's command line; kernel and initrd are /bulkhead/vmlinuz and /bulkhead/initrd
};

constexpr std::uint64_t kPeerGuestMiB = 256;

[[nodiscard]] const std::vector<KvmPeer>& all_kvm_peers();
[[nodiscard]] std::vector<std::string> kvm_peer_names();
/// Those of all that are named, in their order.
[[nodiscard]] std::vector<KvmPeer> kvm_peers(const std::vector<std::string>& names);

}  // namespace bulkhead::bench
