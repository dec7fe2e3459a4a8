// SPDX-License-Identifier: Apache-2.0
// Leaves: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E; KVM's: Linux Documentation/virt/kvm/x86/cpuid.rst.
#include "vmm/arch/x86/cpuid_policy.hpp"

#include <bit>

#include "base/result.hpp"

namespace bulkhead::vmm {
namespace {

enum BasicLeaf : uint32_t {
    Vendor = 0,
    Features = 1,
    CacheDescriptors = 2,
    Caches = 4,
    ThermalPower = 6,
    MoreFeatures = 7,
    Topology = 0xb,
    ExtendedState = 0xd,
    Topology2 = 0x1f,
};
constexpr uint32_t extended_base = 0x80000000;
constexpr uint32_t hypervisor_base = 0x40000000;

/// Bit numbers to a mask.
template <typename... Bits>
constexpr uint32_t bits(Bits... number) {
    return ((1u << number) | ... | 0u);
}

namespace features_ecx {
constexpr uint32_t fma = 12, x2apic = 21, tsc_deadline = 24, xsave = 26, osxsave = 27, avx = 28, f16c = 29, hypervisor = 31;
// SSE3, PCLMULQDQ, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, RDRAND.
constexpr uint32_t allowed = bits(0, 1, 9, 13, 19, 20, 22, 23, 25, 30);
constexpr uint32_t with_xsave = bits(fma, xsave, avx, f16c);
}  // namespace features_ecx
namespace features_edx {
constexpr uint32_t apic = 9, mtrr = 12, htt = 28;
// FPU, VME, DE, PSE, TSC, MSR, PAE, CX8, SEP, PGE, CMOV, PAT, PSE-36, CLFLUSH, MMX, FXSR, SSE, SSE2.
// Not: machine check, processor serial number, debug store, thermal: nothing stands behind them.
constexpr uint32_t allowed = bits(0, 1, 2, 3, 4, 5, 6, 8, 11, 13, 15, 16, 17, 19, 23, 24, 25, 26);
constexpr uint32_t forced = bits(apic, mtrr);
}  // namespace features_edx
namespace leaf7 {
constexpr uint32_t tsc_adjust = 1, invpcid = 10;
// FSGSBASE, BMI1, SMEP, BMI2, ERMS, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA.
constexpr uint32_t ebx = bits(0, 3, 7, 8, 9, 18, 19, 20, 23, 24, 29);
constexpr uint32_t ebx_with_avx = bits(5);                                // AVX2
constexpr uint32_t ebx_with_avx512 = bits(16, 17, 21, 28, 30, 31);        // F, DQ, IFMA, CD, BW, VL
constexpr uint32_t ecx = bits(2, 8);                                      // UMIP, GFNI
constexpr uint32_t ecx_with_avx = bits(9, 10);                            // VAES, VPCLMULQDQ
constexpr uint32_t ecx_with_avx512 = bits(1, 6, 11, 12, 14);              // VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ
constexpr uint32_t ecx_rdpid = bits(22);
constexpr uint32_t edx = bits(4);                                         // FSRM
}  // namespace leaf7
namespace extended_features {
constexpr uint32_t cmp_legacy = 1;
// LAHF, ABM, SSE4A, misaligned SSE, PREFETCHW.
constexpr uint32_t ecx = bits(0, 5, 6, 7, 8);
// SYSCALL, NX, MMX extensions, FXSR_OPT, 1 GiB pages, LM, 3DNow!
constexpr uint32_t edx = bits(11, 20, 22, 25, 26, 29, 30, 31);
constexpr uint32_t edx_rdtscp = bits(27);
constexpr uint32_t edx_mirror = 0x0183f3ff;  // AMD: bits that repeat leaf 1
constexpr uint32_t ebx_size = bits(0, 2);    // CLZERO, XSAVE error pointers
constexpr uint32_t invariant_tsc = bits(8);
}  // namespace extended_features
namespace xstate {
constexpr uint64_t legacy = 3, avx = 1 << 2, avx512 = 7 << 5;
constexpr uint32_t features = bits(0, 1, 2);  // XSAVEOPT, XSAVEC, XGETBV with ECX = 1; not XSAVES
constexpr uint32_t header_end = 576;
constexpr unsigned components = 8;
}  // namespace xstate
namespace kvm {
constexpr uint32_t nop_io_delay = 1, clocksource2 = 3, stable_clock = 24;
constexpr uint32_t features = bits(nop_io_delay, clocksource2, stable_clock);
constexpr uint32_t signature[] = {0x4b4d564b, 0x564b4d56, 0x0000004d};  // "KVMKVMKVM"
}  // namespace kvm

constexpr uint32_t always_running_apic_timer = bits(2);
constexpr uint32_t amd_signature_ebx = 0x68747541;  // "Auth"
constexpr uint32_t hygon_signature_ebx = 0x6f677948;

/// Bits of an APIC id that number the vCPUs of one package.
unsigned topology_bits(unsigned vcpu_count) { return static_cast<unsigned>(std::bit_width(vcpu_count - 1)); }

}  // namespace

void CpuidTable::add(Leaf& leaf, const CpuidResult& result, bool by_subleaf) {
    if (leaf.first == none) leaf.first = static_cast<uint8_t>(entries_.size());
    leaf.by_subleaf = by_subleaf;
    const bool fits = entries_.push_back(result);
    ASSERT(fits);
    ++leaf.count;
}

void CpuidTable::build(HostCpu& host, const CpuidConfiguration& configuration) {
    *this = CpuidTable{};
    const CpuidResult vendor = host.cpuid(Vendor, 0);
    amd_ = vendor.ebx == amd_signature_ebx || vendor.ebx == hygon_signature_ebx;
    const CpuidResult features = host.cpuid(Features, 0);
    const uint64_t possible = vendor.eax >= ExtendedState ? host.cpuid(ExtendedState, 0).eax : 0;
    if ((features.ecx & bits(features_ecx::xsave)) != 0) {
        allowed_xcr0_ = host.xcr0() & possible & (xstate::legacy | xstate::avx | xstate::avx512);
        if ((allowed_xcr0_ & xstate::legacy) != xstate::legacy) allowed_xcr0_ = 0;
        if ((allowed_xcr0_ & xstate::avx512) != xstate::avx512) allowed_xcr0_ &= ~xstate::avx512;
        if ((allowed_xcr0_ & xstate::avx) == 0) allowed_xcr0_ &= ~xstate::avx512;
    }
    // At least up to the topology and the extended state, which are ours; up to 1Fh only where the host has it.
    uint32_t maximum = vendor.eax < ExtendedState ? uint32_t{ExtendedState} : vendor.eax;
    if (maximum > Topology2) maximum = Topology2;
    add(basic_[Vendor], {maximum, vendor.ebx, vendor.ecx, vendor.edx});
    add_basic(host, configuration, maximum);
    add_extended(host, configuration);
    add_hypervisor(configuration);
}

void CpuidTable::add_basic(HostCpu& host, const CpuidConfiguration& configuration, uint32_t maximum) {
    add_features(host, configuration);
    if (!amd_) {
        add(basic_[CacheDescriptors], host.cpuid(CacheDescriptors, 0));
        add_caches(host, configuration);
    }
    add(basic_[ThermalPower], {.eax = always_running_apic_timer});
    add_topology(basic_[Topology], configuration);
    if (maximum >= Topology2) add_topology(basic_[Topology2], configuration);
    if (allowed_xcr0_ != 0) add_extended_state(host);
}

void CpuidTable::add_features(HostCpu& host, const CpuidConfiguration& configuration) {
    CpuidResult features = host.cpuid(Features, 0);
    const bool avx = (allowed_xcr0_ & xstate::avx) != 0;
    const bool avx512 = (allowed_xcr0_ & xstate::avx512) != 0;
    uint32_t ecx = features_ecx::allowed;
    if (allowed_xcr0_ != 0) ecx |= bits(features_ecx::xsave);
    if (avx) ecx |= features_ecx::with_xsave;
    features.ecx = (features.ecx & ecx) |
                   bits(features_ecx::x2apic, features_ecx::tsc_deadline, features_ecx::hypervisor);
    features.edx = (features.edx & features_edx::allowed) | features_edx::forced;
    if (configuration.vcpu_count > 1) features.edx |= bits(features_edx::htt);
    const uint32_t line_size = features.ebx & 0xff00;
    const uint32_t logical = 1u << topology_bits(configuration.vcpu_count);
    features.ebx = configuration.vcpu_index << 24 | logical << 16 | line_size;
    add(basic_[Features], features);

    CpuidResult more = host.cpuid(Vendor, 0).eax >= MoreFeatures ? host.cpuid(MoreFeatures, 0) : CpuidResult{};
    more.eax = 0;
    more.ebx &= leaf7::ebx | (avx ? leaf7::ebx_with_avx : 0) | (avx512 ? leaf7::ebx_with_avx512 : 0) |
                (configuration.invpcid ? bits(leaf7::invpcid) : 0);
    more.ebx |= bits(leaf7::tsc_adjust);
    more.ecx &= leaf7::ecx | (avx ? leaf7::ecx_with_avx : 0) | (avx512 ? leaf7::ecx_with_avx512 : 0) |
                (configuration.rdtscp ? leaf7::ecx_rdpid : 0);
    more.edx &= leaf7::edx;
    add(basic_[MoreFeatures], more, true);
}

/// Leaf 4: the host's caches, the first levels per core, the last shared by all vCPUs.
void CpuidTable::add_caches(HostCpu& host, const CpuidConfiguration& configuration) {
    constexpr unsigned max_caches = 6;
    const uint32_t mask = (1u << topology_bits(configuration.vcpu_count)) - 1;
    for (unsigned subleaf = 0; subleaf < max_caches; ++subleaf) {
        CpuidResult cache = host.cpuid(Vendor, 0).eax >= Caches ? host.cpuid(Caches, subleaf) : CpuidResult{};
        const uint32_t type = cache.eax & 0x1f;
        if (type == 0) break;
        const uint32_t level = (cache.eax >> 5) & 7;
        cache.eax = (cache.eax & 0x3fff) | (level >= 3 ? mask << 14 : 0) | mask << 26;
        add(basic_[Caches], cache, true);
    }
    add(basic_[Caches], {}, true);
}

/// One thread per core, all cores in one package.
void CpuidTable::add_topology(Leaf& leaf, const CpuidConfiguration& configuration) {
    constexpr uint32_t smt = 1, core = 2;
    const uint32_t id = configuration.vcpu_index;
    add(leaf, {.eax = 0, .ebx = 1, .ecx = 0 | smt << 8, .edx = id}, true);
    add(leaf, {.eax = topology_bits(configuration.vcpu_count), .ebx = configuration.vcpu_count, .ecx = 1 | core << 8, .edx = id}, true);
    add(leaf, {.eax = 0, .ebx = 0, .ecx = 2, .edx = id}, true);
}

void CpuidTable::add_extended_state(HostCpu& host) {
    Leaf& leaf = basic_[ExtendedState];
    const CpuidResult second = host.cpuid(ExtendedState, 1);
    add(leaf, {.eax = static_cast<uint32_t>(allowed_xcr0_), .edx = 0}, true);
    add(leaf, {.eax = second.eax & xstate::features}, true);
    for (unsigned component = 2; component < xstate::components; ++component) {
        const bool have = (allowed_xcr0_ >> component & 1) != 0;
        const CpuidResult layout = have ? host.cpuid(ExtendedState, component) : CpuidResult{};
        add(leaf, {.eax = layout.eax, .ebx = layout.ebx, .ecx = layout.ecx & 2}, true);
    }
    entries_[leaf.first].ecx = state_bytes(allowed_xcr0_, false);
}

uint32_t CpuidTable::state_bytes(uint64_t xcr0, bool compact) const {
    const Leaf& leaf = basic_[ExtendedState];
    uint32_t end = xstate::header_end;
    for (unsigned component = 2; component < leaf.count; ++component) {
        if ((xcr0 >> component & 1) == 0) continue;
        const CpuidResult& layout = entries_[leaf.first + component];
        if (compact) {
            if ((layout.ecx & 2) != 0) end = (end + 63) & ~63u;
            end += layout.eax;
        } else if (layout.ebx + layout.eax > end) {
            end = layout.ebx + layout.eax;
        }
    }
    return end;
}

void CpuidTable::add_extended(HostCpu& host, const CpuidConfiguration& configuration) {
    const uint32_t host_maximum = host.cpuid(extended_base, 0).eax;
    const auto host_leaf = [&](uint32_t offset) {
        return host_maximum >= extended_base + offset ? host.cpuid(extended_base + offset, 0) : CpuidResult{};
    };
    const CpuidResult vendor = host_leaf(0);
    add(extended_[0], {extended_base + 8, vendor.ebx, vendor.ecx, vendor.edx});

    CpuidResult features = host_leaf(1);
    features.ebx &= 0xf0000000;
    features.ecx &= extended_features::ecx;
    if (amd_ && configuration.vcpu_count > 1) features.ecx |= bits(extended_features::cmp_legacy);
    uint32_t edx = features.edx & (extended_features::edx | (configuration.rdtscp ? extended_features::edx_rdtscp : 0));
    if (amd_) edx |= entries_[basic_[Features].first].edx & extended_features::edx_mirror;
    features.edx = edx;
    add(extended_[1], features);

    for (uint32_t offset = 2; offset <= 6; ++offset) add(extended_[offset], host_leaf(offset));
    add(extended_[7], {.edx = host_leaf(7).edx & extended_features::invariant_tsc});
    CpuidResult sizes = host_leaf(8);
    if ((sizes.eax & 0xff) != 0) physical_bits_ = sizes.eax & 0xff;
    sizes.eax &= 0xffff;
    sizes.ebx &= extended_features::ebx_size;
    sizes.ecx = amd_ ? (configuration.vcpu_count - 1) | topology_bits(configuration.vcpu_count) << 12 : 0;
    sizes.edx = 0;
    add(extended_[8], sizes);
}

void CpuidTable::add_hypervisor(const CpuidConfiguration& configuration) {
    add(hypervisor_[0], {hypervisor_base + 0x10, kvm::signature[0], kvm::signature[1], kvm::signature[2]});
    add(hypervisor_[1], {.eax = kvm::features});
    add(hypervisor_[0x10], {.eax = static_cast<uint32_t>(configuration.tsc_hz / 1000),
                            .ebx = static_cast<uint32_t>(configuration.apic_bus_hz / 1000)});
}

const CpuidTable::Leaf* CpuidTable::find(uint32_t leaf) const {
    if (leaf < basic_leaves) return &basic_[leaf];
    if (leaf - hypervisor_base < hypervisor_leaves) return &hypervisor_[leaf - hypervisor_base];
    if (leaf - extended_base < extended_leaves) return &extended_[leaf - extended_base];
    return nullptr;
}

CpuidResult CpuidTable::lookup(uint32_t leaf, uint32_t subleaf, const CpuidInputs& inputs) const {
    const Leaf* found = find(leaf);
    if (found == nullptr || found->first == none) return {};
    const bool topology = leaf == Topology || leaf == Topology2;
    if (found->by_subleaf && subleaf >= found->count) {
        if (!topology) return {};
        CpuidResult beyond = entries_[found->first + found->count - 1u];
        beyond.ecx = subleaf & 0xff;
        return beyond;
    }
    CpuidResult result = entries_[found->first + (found->by_subleaf ? subleaf : 0)];
    if (leaf == Features && inputs.os_xsave && allowed_xcr0_ != 0) result.ecx |= bits(features_ecx::osxsave);
    if (leaf == ExtendedState && subleaf == 0) result.ebx = state_bytes(inputs.xcr0, false);
    if (leaf == ExtendedState && subleaf == 1) result.ebx = state_bytes(inputs.xcr0, true);
    return result;
}

}  // namespace bulkhead::vmm
