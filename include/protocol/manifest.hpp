// SPDX-License-Identifier: Apache-2.0
// The system manifest as the boot module `manifest`: one flat image, written by tools/manifest on the host and read in
// place by servers/init. All records are trivially copyable, little-endian, and name each other by index; texts are
// (offset, size) into the image. `ManifestReader::create` checks everything once, so that the accessors need not:
// a module that is garbage gives an error, never a wild access. Immutable, so no concurrency rule is needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "abi/calls.hpp"
#include "base/result.hpp"
#include "protocol/console.hpp"
#include "protocol/vm.hpp"

namespace bulkhead::protocol {

/// Bounds of a manifest, checked by compiler and reader.
struct ManifestLimit {
    static constexpr size_t domains = 32;
    static constexpr size_t devices = 64;
    static constexpr size_t services = 32;
    static constexpr size_t connections = 128;
    static constexpr size_t vms = 8;
    static constexpr size_t chaos = 8;
    static constexpr size_t name = 23;         ///< characters; a name fits into three message words
    static constexpr size_t domain_name = 31;  ///< "vmm:" and the name of a virtual machine must fit
    static constexpr size_t module_name = 47;  ///< as in abi::RootModule
    static constexpr size_t arguments = 511;
    static constexpr uint32_t cpus = 64;
    static constexpr uint64_t image_bytes = 1 << 20;
};

inline constexpr uint32_t no_index = ~uint32_t{0};

struct ManifestText {
    uint32_t offset;
    uint32_t size;
};

enum class RestartPolicy : uint8_t { Never = 0, OnFailure, Always, Count };
enum class DeviceKind : uint8_t { Ports = 0, Interrupt, Memory, Count };
enum class VmPolicy : uint8_t { Stop = 0, Restart, HaltSystem, Count };

/// What a component may do with the machine as a whole (bits of DomainRecord::may).
enum class MayFlag : uint32_t {
    Halt = 1 << 0,     ///< control.hpp's Halt
    ReadLog = 1 << 1,  ///< gets the capability `machine` with the right Log
};
inline constexpr uint32_t all_may_flags = 3;

struct DomainRecord {
    ManifestText name;
    ManifestText program;  ///< name of the boot module
    ManifestText arguments;
    uint64_t memory_bytes;  ///< heap
    uint64_t state_bytes;   ///< memory that outlives a restart
    uint64_t quota_pages;
    uint64_t cpus;       ///< bit mask
    uint64_t budget_ns;  ///< 0: unlimited
    uint64_t period_ns;
    uint64_t heartbeat_ns;  ///< 0: none expected
    uint64_t restart_window_ns;
    uint32_t restart_limit;  ///< at most so many restarts within the window
    uint32_t may;
    uint32_t first_cpu;
    uint32_t vm;  ///< the virtual machine whose monitor this is, or no_index
    RestartPolicy restart;
    uint8_t priority;
    uint8_t reserved[6];
};

struct DeviceRecord {
    ManifestText name;
    uint64_t first;  ///< port, interrupt line, or physical address
    uint64_t count;  ///< ports, 1, or bytes
    uint32_t domain;
    DeviceKind kind;
    abi::InterruptTrigger trigger;
    uint8_t reserved[2];
};

struct ServiceRecord {
    ManifestText name;
    uint32_t domain;
    uint32_t reserved;
};

/// The right of a domain to call a service, under a badge.
struct ConnectionRecord {
    uint32_t client;
    uint32_t service;
    uint64_t badge;
};

struct VmRecord {
    ManifestText name;
    ManifestText kernel;  ///< name of the boot module
    ManifestText initrd;  ///< empty: none
    ManifestText command_line;
    uint64_t memory_bytes;
    uint64_t quota_pages;
    uint64_t budget_ns;  ///< of each vCPU
    uint64_t period_ns;
    uint64_t restart_window_ns;
    uint32_t restart_limit;
    uint32_t monitor;  ///< its domain
    uint32_t vcpu_count;
    uint32_t cpus[max_vcpus];
    VmProfile profile;
    uint8_t priority;
    VmPolicy on_power_off;
    VmPolicy on_failure;  ///< triple fault, a broken or missing kernel, a monitor that cannot go on
    VmPolicy on_reset;
    uint8_t reserved[7];
};

/// A test aid: init kills the component `count` times, every `interval_ns`, the first time after `delay_ns`. What the
/// restart policy says about failures does not count these.
struct ChaosRecord {
    uint64_t delay_ns;
    uint64_t interval_ns;
    uint32_t domain;  ///< no_index: init itself, by a fault
    uint32_t count;
};

struct ManifestTable {
    uint32_t offset;
    uint32_t count;
};

struct ManifestHeader {
    static constexpr uint64_t expected_magic = 0x5453464e4d4b4c42;
    static constexpr uint32_t expected_version = 1;
    uint64_t magic;
    uint32_t version;
    uint32_t size_bytes;
    ManifestText name;
    ManifestTable domains, devices, services, connections, vms, chaos;
};

enum class ManifestError : uint8_t { TooShort, BadMagic, BadVersion, BadTable, BadText, BadIndex, BadValue };

constexpr const char* name(ManifestError error) {
    constexpr const char* names[] = {"it is too short",
                                     "it is not a compiled manifest",
                                     "it was compiled by another version of this system",
                                     "a table lies outside the file",
                                     "a text lies outside the file or is too long",
                                     "a record names another one that does not exist",
                                     "a value is out of range"};
    return names[static_cast<unsigned>(error)];
}

class ManifestReader {
  public:
    /// Checks the image, which must stay where it is, unchanged, as long as the reader is used.
    static Result<ManifestReader, ManifestError> create(std::span<const std::byte> image);

    std::string_view text(ManifestText where) const {
        return {reinterpret_cast<const char*>(image_.data()) + where.offset, where.size};
    }
    std::string_view name() const { return text(header().name); }
    std::span<const DomainRecord> domains() const { return table<DomainRecord>(header().domains); }
    std::span<const DeviceRecord> devices() const { return table<DeviceRecord>(header().devices); }
    std::span<const ServiceRecord> services() const { return table<ServiceRecord>(header().services); }
    std::span<const ConnectionRecord> connections() const { return table<ConnectionRecord>(header().connections); }
    std::span<const VmRecord> vms() const { return table<VmRecord>(header().vms); }
    std::span<const ChaosRecord> chaos() const { return table<ChaosRecord>(header().chaos); }

  private:
    explicit ManifestReader(std::span<const std::byte> image) : image_{image} {}

    const ManifestHeader& header() const { return *reinterpret_cast<const ManifestHeader*>(image_.data()); }
    template <typename Record>
    std::span<const Record> table(ManifestTable where) const {
        static_assert(std::is_trivially_copyable_v<Record> && sizeof(Record) % 8 == 0);
        return {reinterpret_cast<const Record*>(image_.data() + where.offset), where.count};
    }

    template <typename Record>
    bool fits(ManifestTable where, size_t limit) const {
        return where.count <= limit && where.offset % 8 == 0 && where.offset <= image_.size() &&
               where.count * sizeof(Record) <= image_.size() - where.offset;
    }
    bool fits(ManifestText where, size_t minimum, size_t limit) const {
        if (where.offset > image_.size() || where.size > image_.size() - where.offset) return false;
        if (where.size < minimum || where.size > limit) return false;
        for (char character : text(where)) {
            if (character == 0) return false;
        }
        return true;
    }
    bool texts_fit() const;
    bool indices_fit() const;
    bool values_fit() const;

    std::span<const std::byte> image_;
};

inline bool ManifestReader::texts_fit() const {
    using Limit = ManifestLimit;
    if (!fits(header().name, 0, Limit::domain_name)) return false;
    for (const DomainRecord& domain : domains()) {
        if (!fits(domain.name, 1, Limit::domain_name) || !fits(domain.program, 1, Limit::module_name) ||
            !fits(domain.arguments, 0, Limit::arguments))
            return false;
    }
    for (const DeviceRecord& device : devices()) {
        if (!fits(device.name, 1, Limit::name)) return false;
    }
    for (const ServiceRecord& service : services()) {
        if (!fits(service.name, 1, Limit::name)) return false;
    }
    for (const VmRecord& vm : vms()) {
        if (!fits(vm.name, 1, Limit::name) || !fits(vm.kernel, 1, Limit::module_name) ||
            !fits(vm.initrd, 0, Limit::module_name) || !fits(vm.command_line, 0, max_command_line - 1))
            return false;
    }
    return true;
}

inline bool ManifestReader::indices_fit() const {
    for (const DomainRecord& domain : domains()) {
        if (domain.vm != no_index && domain.vm >= vms().size()) return false;
    }
    for (const DeviceRecord& device : devices()) {
        if (device.domain >= domains().size()) return false;
    }
    for (const ServiceRecord& service : services()) {
        if (service.domain >= domains().size()) return false;
    }
    for (const ConnectionRecord& connection : connections()) {
        if (connection.client >= domains().size() || connection.service >= services().size()) return false;
    }
    for (const VmRecord& vm : vms()) {
        if (vm.monitor >= domains().size()) return false;
    }
    for (const ChaosRecord& record : chaos()) {
        if (record.domain != no_index && record.domain >= domains().size()) return false;
    }
    return true;
}

inline bool ManifestReader::values_fit() const {
    for (const DomainRecord& domain : domains()) {
        if (domain.restart >= RestartPolicy::Count || (domain.may & ~all_may_flags) != 0) return false;
        if (domain.first_cpu >= ManifestLimit::cpus || ((domain.cpus >> domain.first_cpu) & 1) == 0) return false;
        if (!is_aligned(domain.memory_bytes, page_size_bytes) || !is_aligned(domain.state_bytes, page_size_bytes))
            return false;
        if (domain.budget_ns > domain.period_ns) return false;
    }
    for (const DeviceRecord& device : devices()) {
        if (device.kind >= DeviceKind::Count || device.count == 0 || device.count > UINT64_MAX - device.first ||
            device.trigger > abi::InterruptTrigger::LevelLow)
            return false;
        if (device.kind == DeviceKind::Ports && device.first + device.count > 0x10000) return false;
    }
    for (const VmRecord& vm : vms()) {
        if (vm.vcpu_count < 1 || vm.vcpu_count > max_vcpus || vm.profile >= VmProfile::Count) return false;
        if (vm.memory_bytes == 0 || !is_aligned(vm.memory_bytes, page_size_bytes)) return false;
        if (vm.on_power_off >= VmPolicy::Count || vm.on_failure >= VmPolicy::Count || vm.on_reset >= VmPolicy::Count)
            return false;
        if (vm.budget_ns > vm.period_ns) return false;
        for (uint32_t index = 0; index < vm.vcpu_count; ++index) {
            if (vm.cpus[index] >= ManifestLimit::cpus) return false;
        }
    }
    return true;
}

inline Result<ManifestReader, ManifestError> ManifestReader::create(std::span<const std::byte> image) {
    using Limit = ManifestLimit;
    if (image.size() < sizeof(ManifestHeader) || reinterpret_cast<uintptr_t>(image.data()) % 8 != 0)
        return ManifestError::TooShort;
    ManifestReader reader{image};
    const ManifestHeader& header = reader.header();
    if (header.magic != ManifestHeader::expected_magic) return ManifestError::BadMagic;
    if (header.version != ManifestHeader::expected_version) return ManifestError::BadVersion;
    if (header.size_bytes > image.size() || header.size_bytes < sizeof(ManifestHeader)) return ManifestError::TooShort;
    reader.image_ = image.first(header.size_bytes);
    if (!reader.fits<DomainRecord>(header.domains, Limit::domains) ||
        !reader.fits<DeviceRecord>(header.devices, Limit::devices) ||
        !reader.fits<ServiceRecord>(header.services, Limit::services) ||
        !reader.fits<ConnectionRecord>(header.connections, Limit::connections) ||
        !reader.fits<VmRecord>(header.vms, Limit::vms) || !reader.fits<ChaosRecord>(header.chaos, Limit::chaos))
        return ManifestError::BadTable;
    if (!reader.texts_fit()) return ManifestError::BadText;
    if (!reader.indices_fit()) return ManifestError::BadIndex;
    if (!reader.values_fit()) return ManifestError::BadValue;
    return reader;
}

}  // namespace bulkhead::protocol
