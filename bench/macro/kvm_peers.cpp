// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/kvm_peers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bulkhead::bench {

namespace {

std::string qemu_command(const char* machine) {
    return fmt::format(
        "qemu-system-x86_64 -M {} -accel kvm -cpu host -smp 1 -m {} -display none -vga none -nodefaults -no-user-config "
        "-no-reboot -L /usr/share/qemu -chardev stdio,id=com1,signal=off -serial chardev:com1 "
        "-kernel /bulkhead/vmlinuz -initrd /bulkhead/initrd -append",
        machine, kPeerGuestMiB);
}

}  // namespace

const std::vector<KvmPeer>& all_kvm_peers() {
    static const std::vector<KvmPeer> all{
        {"q35", "KVM, QEMU q35", qemu_command("q35")},
        {"minimal", "KVM, minimal monitor", fmt::format("kvm_linux {} /bulkhead/vmlinuz /bulkhead/initrd", kPeerGuestMiB)},
        {"microvm", "KVM, QEMU microvm", qemu_command("microvm")},
    };
    return all;
}

std::vector<std::string> kvm_peer_names() {
    std::vector<std::string> names;
    for (const auto& peer : all_kvm_peers()) names.push_back(peer.name);
    return names;
}

std::vector<KvmPeer> kvm_peers(const std::vector<std::string>& names) {
    std::vector<KvmPeer> chosen;
    for (const auto& peer : all_kvm_peers()) {
        if (std::find(names.begin(), names.end(), peer.name) != names.end()) chosen.push_back(peer);
    }
    return chosen;
}

}  // namespace bulkhead::bench
