// SPDX-License-Identifier: Apache-2.0
// One component of the manifest: its domain while it runs, and what outlives it. Main thread only.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/manifest.hpp"
#include "protocol/startup.hpp"
#include "servers/init/child.hpp"
#include "servers/init/elf_image.hpp"
#include "servers/init/handlers.hpp"
#include "servers/init/memory_pool.hpp"
#include "servers/init/modules.hpp"
#include "servers/init/restart_history.hpp"
#include "servers/init/virtual_machine.hpp"

namespace bulkhead::init {

/// What all components are made of.
struct Resources {
    const abi::RootInformation& root;
    const protocol::ManifestReader& manifest;
    Modules& modules;
    MemoryPool& memory;
    HandlerPortals portals;
    uint64_t boot_time_ns;  ///< see StartupInformation
};

class Component {
  public:
    void initialize(uint32_t index, const protocol::ManifestReader& manifest) {
        index_ = index;
        manifest_ = &manifest;
    }

    /// Makes the domain and starts its first thread. `vm` is the machine it monitors, or null. On failure nothing of it
    /// is left.
    Outcome start(Resources& resources, VirtualMachine* vm);
    /// Destroys the domain and all it owns.
    void stop(MemoryPool& memory);

    /// Says in the log what memory it has, and what of its quota is used.
    void log_memory() const;

    bool running() const { return running_; }
    uint32_t index() const { return index_; }
    uint32_t generation() const { return generation_; }
    const protocol::DomainRecord& record() const { return manifest_->domains()[index_]; }
    std::string_view name() const { return manifest_->text(record().name); }
    std::string_view program() const { return manifest_->text(record().program); }
    Mailbox& box() const { return mailbox(index_); }
    Child& child() { return child_; }
    const MemoryPiece& heap() const { return heap_; }
    /// Init's view of the first thread's stack, for backtraces.
    const std::byte* stack() const { return reinterpret_cast<const std::byte*>(image_address_ + stack_offset); }

    /// First slot, in its space, of the portals of its n-th connection (in the order of the manifest's table).
    abi::Selector connection_slot(uint32_t position) const { return first_connection_slot_ + position * cpu_count_; }
    /// CPUs it may have threads on, of those this machine has.
    uint64_t cpus() const;

    RestartHistory history;
    abi::Selector watcher = abi::null_selector;  ///< its notification, an init slot
    uint64_t watch_bits = 0;
    uint64_t stop_bits = 0;
    bool given_up = false;

  private:
    // The image memory: pages init writes before the start, then the program's data.
    static constexpr uint64_t startup_offset = 0;
    static constexpr uint64_t vm_offset = page_size_bytes;
    static constexpr uint64_t stack_offset = 2 * page_size_bytes;
    static constexpr uint64_t data_offset = stack_offset + protocol::Place::stack_bytes;

    Outcome build(Resources& resources, VirtualMachine* vm);
    Outcome take_memory(Resources& resources, const ElfImage& image);
    Outcome load(const ElfImage& image, const Module& module);
    Outcome map_fixed_places();
    Outcome grant_standard(Resources& resources, protocol::StartupInformation& startup);
    Outcome grant_connections(Resources& resources, protocol::StartupInformation& startup);
    Outcome grant_devices(Resources& resources, protocol::StartupInformation& startup);
    Outcome grant_interrupt(const protocol::DeviceRecord& device, runtime::Notification notification, uint64_t bits,
                            protocol::StartupInformation& startup);
    Outcome grant_device_memory(Resources& resources, const protocol::DeviceRecord& device, uint32_t position,
                                protocol::StartupInformation& startup);
    void describe(Resources& resources, protocol::StartupInformation& startup);
    Outcome start_thread(Resources& resources, uint64_t entry);
    uint64_t badge() const {
        return ComponentBadge::Index::make(index_) | ComponentBadge::Generation::make(generation_);
    }

    uint32_t index_ = 0;
    const protocol::ManifestReader* manifest_ = nullptr;
    bool running_ = false;
    uint32_t generation_ = 0;
    uint32_t cpu_count_ = 0;
    Child child_;
    MemoryPiece image_;
    MemoryPiece heap_;
    MemoryPiece state_;           ///< init's own: outlives the domain
    uint64_t image_address_ = 0;  ///< where init has mapped image_
    abi::Selector first_connection_slot_ = abi::null_selector;
};

}  // namespace bulkhead::init
