// SPDX-License-Identifier: Apache-2.0
// The machines Bulkhead can run on from a developer's desk, and the choice among them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::tool {

enum class Platform { Kvm, QemuSvm, BochsVmx, NestedSvm, NestedVmx };

/// The platform's name on the command line: kvm, qemu-svm, bochs-vmx, nested-svm, nested-vmx.
[[nodiscard]] std::string_view to_string(Platform platform);
[[nodiscard]] std::optional<Platform> parse_platform(std::string_view name);
[[nodiscard]] const std::vector<Platform>& all_platforms();

/// How much slower than QEMU's TCG a platform runs; stretches every time limit.
[[nodiscard]] double slowness(Platform platform);

/// Everything the choice depends on, gathered once, so that tests can make facts up.
struct HostFacts {
    bool kvm_present = false;              ///< /dev/kvm exists
    bool kvm_usable = false;               ///< /dev/kvm opens for reading and writing
    std::optional<bool> intel_nested = {}; ///< kvm_intel is loaded, and its parameter `nested`
    std::optional<bool> amd_nested = {};   ///< kvm_amd is loaded, and its parameter `nested`
    bool cpu_has_vmx = false;
    bool cpu_has_svm = false;
    bool qemu_installed = false;
    bool bochs_installed = false;
};

[[nodiscard]] HostFacts probe_host();

/// Why `platform` cannot work here, or nothing when it should.
[[nodiscard]] std::optional<std::string> why_unusable(Platform platform, const HostFacts& facts);

struct PlatformChoice {
    Platform platform;
    std::string reason;  ///< completes "running on PLATFORM: ..."
};

/// The best platform that works. A /dev/kvm whose guests get no VMX or SVM counts as none: Bulkhead needs it.
[[nodiscard]] PlatformChoice choose_platform(const HostFacts& facts);

}  // namespace bulkhead::tool
