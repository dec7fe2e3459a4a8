// SPDX-License-Identifier: Apache-2.0
// What CPUID tells the guest. Features are allowed by name, never passed on because they are there: an unknown feature
// of a newer processor stays hidden until somebody has thought about it. The answers are computed once per vCPU, so an
// exit is a table lookup; only what follows the guest's control registers is patched in.
#pragma once

#include <array>
#include <cstdint>

#include "base/static_vector.hpp"

namespace bulkhead::vmm {

struct CpuidResult {
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    bool operator==(const CpuidResult&) const = default;
};

/// The processor below, as far as a program may ask it.
class HostCpu {
  public:
    virtual CpuidResult cpuid(uint32_t leaf, uint32_t subleaf) = 0;
    /// XCR0, 0 if the kernel does not use XSAVE.
    virtual uint64_t xcr0() = 0;

  protected:
    ~HostCpu() = default;
};

struct CpuidConfiguration {
    unsigned vcpu_index = 0;
    unsigned vcpu_count = 1;
    uint64_t tsc_hz = 0;
    uint64_t apic_bus_hz = 0;
    bool rdtscp = true;    ///< the kernel lets guests execute RDTSCP and RDPID
    bool invpcid = false;  ///< and INVPCID
};

/// What of the guest's registers CPUID shows.
struct CpuidInputs {
    uint64_t xcr0 = 1;
    bool os_xsave = false;  ///< CR4.OSXSAVE
};

class CpuidTable {
  public:
    void build(HostCpu& host, const CpuidConfiguration& configuration);
    CpuidResult lookup(uint32_t leaf, uint32_t subleaf, const CpuidInputs& inputs) const;
    /// XCR0 bits the guest may set.
    uint64_t allowed_xcr0() const { return allowed_xcr0_; }
    unsigned physical_address_bits() const { return physical_bits_; }

  private:
    static constexpr unsigned basic_leaves = 0x20;
    static constexpr unsigned extended_leaves = 0x22;
    static constexpr unsigned hypervisor_leaves = 0x11;
    static constexpr uint8_t none = 0xff;

    /// Entries [first, first + count): one for each subleaf, or one for all of them.
    struct Leaf {
        uint8_t first = none;
        uint8_t count = 0;
        bool by_subleaf = false;
    };

    void add(Leaf& leaf, const CpuidResult& result, bool by_subleaf = false);
    void add_basic(HostCpu& host, const CpuidConfiguration& configuration, uint32_t maximum);
    void add_extended(HostCpu& host, const CpuidConfiguration& configuration);
    void add_hypervisor(const CpuidConfiguration& configuration);
    void add_caches(HostCpu& host, const CpuidConfiguration& configuration);
    void add_features(HostCpu& host, const CpuidConfiguration& configuration);
    void add_topology(Leaf& leaf, const CpuidConfiguration& configuration);
    void add_extended_state(HostCpu& host);
    uint32_t state_bytes(uint64_t xcr0, bool compact) const;
    const Leaf* find(uint32_t leaf) const;

    StaticVector<CpuidResult, 96> entries_;
    std::array<Leaf, basic_leaves> basic_{};
    std::array<Leaf, extended_leaves> extended_{};
    std::array<Leaf, hypervisor_leaves> hypervisor_{};
    uint64_t allowed_xcr0_ = 0;
    unsigned physical_bits_ = 36;
    bool amd_ = false;
};

}  // namespace bulkhead::vmm
