// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/platform.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <utility>

#include "tools/machine/error.hpp"
#include "tools/machine/process.hpp"

namespace bulkhead::tool {

namespace {

constexpr std::array<std::pair<Platform, std::string_view>, 5> kNames{{
    {Platform::Kvm, "kvm"},
    {Platform::QemuSvm, "qemu-svm"},
    {Platform::BochsVmx, "bochs-vmx"},
    {Platform::NestedSvm, "nested-svm"},
    {Platform::NestedVmx, "nested-vmx"},
}};

/// A boolean module parameter: Y or 1 is true, an absent file means the module is not loaded.
std::optional<bool> module_flag(const char* path) {
    std::ifstream file(path);
    char value = 0;
    if (!(file >> value)) return std::nullopt;
    return value == 'Y' || value == 'y' || value == '1';
}

/// Whether the first processor's flags in /proc/cpuinfo include `flag`.
bool cpu_flag(std::string_view flag) {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("flags")) continue;
        std::istringstream words(line.substr(line.find(':') + 1));
        for (std::string word; words >> word;) {
            if (word == flag) return true;
        }
        return false;
    }
    return false;
}

std::optional<std::string> why_kvm_unusable(const HostFacts& facts) {
    if (!facts.qemu_installed) return "qemu-system-x86_64 is not installed";
    if (!facts.kvm_present) return "there is no /dev/kvm";
    if (!facts.kvm_usable) return "/dev/kvm cannot be opened by this user";
    if (facts.cpu_has_vmx && facts.intel_nested.value_or(false)) return std::nullopt;
    if (facts.cpu_has_svm && facts.amd_nested.value_or(false)) return std::nullopt;
    if (!facts.cpu_has_vmx && !facts.cpu_has_svm) {
        return "/dev/kvm is there, but this CPU shows neither VMX nor SVM, so its guests get none";
    }
    return "/dev/kvm is there, but KVM's parameter `nested` is off, so its guests get no virtualization";
}

}  // namespace

std::string_view to_string(Platform platform) {
    for (const auto& [value, name] : kNames) {
        if (value == platform) return name;
    }
    return "unknown";
}

std::optional<Platform> parse_platform(std::string_view name) {
    for (const auto& [value, known] : kNames) {
        if (known == name) return value;
    }
    return std::nullopt;
}

const std::vector<Platform>& all_platforms() {
    static const std::vector<Platform> all{Platform::Kvm, Platform::QemuSvm, Platform::BochsVmx, Platform::NestedSvm,
                                           Platform::NestedVmx};
    return all;
}

double slowness(Platform platform) {
    switch (platform) {
        case Platform::Kvm: return 1;
        case Platform::QemuSvm: return 1;
        case Platform::BochsVmx: return 4;
        case Platform::NestedSvm: return 12;
        case Platform::NestedVmx: return 30;
    }
    return 1;
}

HostFacts probe_host() {
    HostFacts facts;
    facts.kvm_present = ::access("/dev/kvm", F_OK) == 0;
    if (const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC); fd >= 0) {
        facts.kvm_usable = true;
        ::close(fd);
    }
    facts.intel_nested = module_flag("/sys/module/kvm_intel/parameters/nested");
    facts.amd_nested = module_flag("/sys/module/kvm_amd/parameters/nested");
    facts.cpu_has_vmx = cpu_flag("vmx");
    facts.cpu_has_svm = cpu_flag("svm");
    facts.qemu_installed = find_program("qemu-system-x86_64").has_value();
    facts.bochs_installed = find_program("bochs").has_value();
    return facts;
}

std::optional<std::string> why_unusable(Platform platform, const HostFacts& facts) {
    switch (platform) {
        case Platform::Kvm: return why_kvm_unusable(facts);
        case Platform::QemuSvm:
        case Platform::NestedSvm:
            if (!facts.qemu_installed) return "qemu-system-x86_64 is not installed";
            return std::nullopt;
        case Platform::BochsVmx:
        case Platform::NestedVmx:
            if (!facts.bochs_installed) return "bochs is not installed";
            return std::nullopt;
    }
    return "unknown platform";
}

PlatformChoice choose_platform(const HostFacts& facts) {
    const auto no_kvm = why_unusable(Platform::Kvm, facts);
    if (!no_kvm) return {Platform::Kvm, "KVM works here and gives its guests virtualization"};
    if (!why_unusable(Platform::QemuSvm, facts)) return {Platform::QemuSvm, *no_kvm + "; QEMU emulates AMD-V"};
    if (!why_unusable(Platform::BochsVmx, facts)) return {Platform::BochsVmx, *no_kvm + "; Bochs emulates VT-x"};
    throw Error("no platform works here: neither qemu-system-x86_64 nor bochs is installed");
}

}  // namespace bulkhead::tool
