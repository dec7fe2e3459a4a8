// SPDX-License-Identifier: Apache-2.0
// A virtual machine as init owns it: the guest domain with its RAM, device-state memory and vCPUs. Its monitor is a
// component like any other that is given capabilities to these; when the monitor dies, all of this stays, and the next
// monitor is attached to it. Main thread only.
#pragma once

#include <cstdint>

#include "protocol/manifest.hpp"
#include "protocol/vm.hpp"
#include "servers/init/child.hpp"
#include "servers/init/memory_pool.hpp"
#include "servers/init/modules.hpp"
#include "servers/init/problem.hpp"

namespace bulkhead::init {

class VirtualMachine {
  public:
    void initialize(const protocol::ManifestReader& manifest, const protocol::VmRecord& record) {
        manifest_ = &manifest;
        record_ = &record;
    }

    /// Makes the guest domain and all it owns. On failure nothing is left.
    Outcome create(MemoryPool& memory);
    void destroy(MemoryPool& memory);
    /// Says in the log what memory it has, and what of its quota is used.
    void log_memory() const;
    bool exists() const { return static_cast<bool>(guest_); }

    /// Gives a fresh monitor domain its capabilities and mappings, and describes them in `information`.
    Outcome attach(Child& monitor, Modules& modules, protocol::VmInformation& information);

    const protocol::VmRecord& record() const { return *record_; }
    std::string_view name() const { return manifest_->text(record_->name); }

  private:
    struct VirtualCpu {
        runtime::Vcpu vcpu;
        runtime::Memory state;
        runtime::SchedulingContext scheduling_context;
    };

    Outcome build(MemoryPool& memory);
    Outcome build_ram(MemoryPool& memory);
    Outcome map_ram(const MemoryPiece& piece, uint64_t guest_address, uint64_t offset, uint64_t size_bytes);
    Outcome build_vcpu(uint32_t index);
    Outcome attach_memory(Child& monitor, protocol::VmInformation& information);
    Outcome attach_vcpus(Child& monitor, protocol::VmInformation& information);
    static Outcome attach_module(Child& monitor, const abi::RootModule* module, uint64_t address,
                                 protocol::VmModule& description);

    const protocol::ManifestReader* manifest_ = nullptr;
    const protocol::VmRecord* record_ = nullptr;
    runtime::Domain guest_;
    MemoryPiece low_ram_;   ///< offset in it = guest-physical address
    MemoryPiece high_ram_;  ///< from 4 GiB on
    MemoryPiece device_state_;
    uint32_t ram_range_count_ = 0;
    protocol::VmRamRange ram_ranges_[protocol::max_vm_ram_ranges] = {};  ///< `memory`: init's selector
    VirtualCpu vcpus_[protocol::max_vcpus];
};

}  // namespace bulkhead::init
