// SPDX-License-Identifier: Apache-2.0
#include "servers/init/component.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/address_space.hpp"
#include "runtime/program.hpp"
#include "runtime/time.hpp"
#include "servers/init/say.hpp"

namespace bulkhead::init {
namespace {

using protocol::Place;

constexpr uint64_t gib = uint64_t{1} << 30;
constexpr abi::Rights memory_rights =
    abi::Right::Derive | abi::Right::Destroy | runtime::read_write | abi::MemoryRight::Execute;

/// Pages of a segment that get memory of their own.
uint64_t private_bytes(const ElfSegment& segment) { return segment.pages_end() - segment.first_page(); }

abi::Rights access_of(const ElfSegment& segment) {
    if (segment.writable) return runtime::read_write;
    return segment.executable ? runtime::read_execute : runtime::read_only;
}

}  // namespace

uint64_t Component::cpus() const { return record().cpus & runtime::environment().cpus; }

Outcome Component::start(Resources& resources, VirtualMachine* vm) {
    const Outcome built = build(resources, vm);
    if (built.ok()) {
        running_ = true;
    } else {
        stop(resources.memory);
    }
    return built;
}

void Component::stop(MemoryPool& memory) {
    running_ = false;
    // From here on, calls of the domain that is going are those of a dead generation.
    box().generation.store(0);
    if (image_address_ != 0) {
        static_cast<void>(runtime::unmap(image_address_));
        runtime::release_addresses(image_address_, image_.size_bytes);
        image_address_ = 0;
    }
    child_.destroy();
    memory.give_back(image_);
    memory.give_back(heap_);
    runtime::Capability{watcher}.forget();
    watcher = abi::null_selector;
    box().fault.clear();
    box().exit.clear();
    box().vm_end.clear();
}

void Component::log_memory() const {
    const uint64_t own_bytes = image_.size_bytes + heap_.size_bytes + state_.size_bytes;
    const uint64_t quota = record().quota_pages;
    say("{}: memory: {} KiB of its own, {} of {} kernel pages", name(), own_bytes >> 10,
        quota - runtime::Domain{child_.domain()}.free_quota_pages().value_or(quota), quota);
}

Outcome Component::build(Resources& resources, VirtualMachine* vm) {
    const Module module = resources.modules.find(program());
    if (!module) return Problem{"finding its program", "there is no boot module of that name"};
    const auto image = ElfImage::create(module.content);
    if (!image.ok()) return Problem{"reading its program", init::name(image.error())};
    cpu_count_ = runtime::environment().cpu_count;
    if (record().first_cpu >= cpu_count_)
        return Problem{"placing it", "this machine has fewer CPUs than the manifest names"};

    ++generation_;
    TRY(child_.create(record().quota_pages, record().priority));
    TRY(take_memory(resources, image.value()));
    TRY(load(image.value(), module));
    TRY(map_fixed_places());
    auto& startup = *reinterpret_cast<protocol::StartupInformation*>(image_address_ + startup_offset);
    TRY(grant_standard(resources, startup));
    TRY(grant_devices(resources, startup));
    TRY(grant_connections(resources, startup));
    if (vm != nullptr) {
        auto& information = *reinterpret_cast<protocol::VmInformation*>(image_address_ + vm_offset);
        TRY(vm->attach(child_, resources.modules, information));
        STEP("mapping the machine's description",
             child_.map(image_.memory, protocol::VmPlace::information, vm_offset, page_size_bytes, runtime::read_only));
    }
    describe(resources, startup);
    return start_thread(resources, image.value().entry());
}

Outcome Component::take_memory(Resources& resources, const ElfImage& image) {
    uint64_t image_bytes = data_offset;
    for (const ElfSegment& segment : image.segments()) image_bytes += private_bytes(segment);
    image_ = STEP("taking memory for its image",
                  resources.memory.take(image_bytes, page_size_bytes, child_.domain(), memory_rights));
    heap_ = STEP("taking its heap",
                 resources.memory.take(record().memory_bytes, page_size_bytes, child_.domain(), memory_rights));
    if (record().state_bytes != 0 && !state_)
        state_ = STEP("taking its state memory",
                      resources.memory.take(record().state_bytes, page_size_bytes, runtime::self, memory_rights));
    const uint64_t address = STEP("finding room for its image", runtime::allocate_addresses(image_bytes));
    const auto mapped = image_.memory.map(address, 0, image_bytes, runtime::read_write);
    if (!mapped.ok()) {
        runtime::release_addresses(address, image_bytes);
        return Problem{"mapping its image", reason_text(mapped.error())};
    }
    image_address_ = address;
    return {};
}

/// Segments that are never written are mapped from the boot module, shared by all who run the program; if the module
/// does not lend itself to it (its bytes lie off the pages, or its memory may not be executed), they are copied.
Outcome Component::load(const ElfImage& image, const Module& module) {
    const auto rights = runtime::Capability{module.memory}.inspect();
    uint64_t offset = data_offset;
    for (const ElfSegment& segment : image.segments()) {
        const abi::Rights access = access_of(segment);
        const bool may_share = rights.ok() && (rights.value().rights & access) == access;
        if (segment.can_be_shared() && may_share) {
            STEP("mapping its program",
                 child_.map(module.memory, segment.first_page(), align_down(segment.file_offset, page_size_bytes),
                            private_bytes(segment), access));
            continue;
        }
        std::memcpy(reinterpret_cast<void*>(image_address_ + offset + segment.address - segment.first_page()),
                    image.content(segment).data(), segment.file_bytes);
        STEP("mapping its program",
             child_.map(image_.memory, segment.first_page(), offset, private_bytes(segment), access));
        offset += private_bytes(segment);
    }
    return {};
}

Outcome Component::map_fixed_places() {
    STEP("mapping its startup page",
         child_.map(image_.memory, Place::startup, startup_offset, page_size_bytes, runtime::read_only));
    STEP("mapping its stack", child_.map(image_.memory, Place::stack_top - Place::stack_bytes, stack_offset,
                                         Place::stack_bytes, runtime::read_write));
    STEP("mapping its heap", child_.map(heap_.memory, Place::heap, 0, heap_.size_bytes, runtime::read_write));
    if (state_)
        STEP("mapping its state memory",
             child_.map(state_.memory, Place::state, 0, state_.size_bytes, runtime::read_write));
    return {};
}

Outcome Component::grant_standard(Resources& resources, protocol::StartupInformation& startup) {
    using protocol::CapabilityName;
    const abi::Selector supervisor = child_.reserve(cpu_count_);
    const abi::Selector exception = child_.reserve(cpu_count_);
    for (uint32_t cpu = 0; cpu < cpu_count_; ++cpu) {
        if (((cpus() >> cpu) & 1) == 0) continue;
        STEP("connecting it to the supervisor",
             child_.grant_portal(supervisor + cpu, resources.portals.supervisor + cpu, badge()));
        STEP("connecting its exceptions",
             child_.grant_portal(exception + cpu, resources.portals.exception + cpu, badge()));
    }
    const abi::Selector heap =
        STEP("handing over its heap", child_.grant(heap_.memory.selector(), runtime::read_write | abi::Right::Derive));
    bool fits = add_name(startup, CapabilityName::supervisor, supervisor, cpu_count_, abi::ObjectType::Portal) &&
                add_name(startup, CapabilityName::exception, exception, cpu_count_, abi::ObjectType::Portal) &&
                add_name(startup, CapabilityName::heap, heap, 1, abi::ObjectType::MemoryObject);
    if (state_) {
        const abi::Selector state =
            STEP("handing over its state memory", child_.grant(state_.memory.selector(), runtime::read_write));
        fits = fits && add_name(startup, CapabilityName::state, state, 1, abi::ObjectType::MemoryObject);
    }
    if ((record().may & static_cast<uint32_t>(protocol::MayFlag::ReadLog)) != 0) {
        const abi::Selector machine =
            STEP("handing over the log", child_.grant(abi::WellKnownSlot::Machine, abi::MachineRight::Log));
        fits = fits && add_name(startup, CapabilityName::machine, machine, 1, abi::ObjectType::Machine);
    }
    if (!fits) return Problem{"writing its startup page", "it has too many capabilities"};
    return {};
}

Outcome Component::grant_connections(Resources& resources, protocol::StartupInformation& startup) {
    first_connection_slot_ = child_.first_free_slot();
    for (const protocol::ConnectionRecord& connection : resources.manifest.connections()) {
        if (connection.client != index_) continue;
        const abi::Selector first = child_.reserve(cpu_count_);
        const auto& service = resources.manifest.services()[connection.service];
        if (!add_name(startup, resources.manifest.text(service.name), first, cpu_count_, abi::ObjectType::Portal))
            return Problem{"writing its startup page", "it has too many capabilities"};
    }
    return {};
}

Outcome Component::grant_devices(Resources& resources, protocol::StartupInformation& startup) {
    runtime::Notification notification;
    uint32_t interrupts = 0;
    uint32_t memories = 0;
    for (const protocol::DeviceRecord& device : resources.manifest.devices()) {
        if (device.domain != index_) continue;
        if (device.kind == protocol::DeviceKind::Ports) {
            const auto ports = STEP("taking its ports", runtime::Ports{abi::WellKnownSlot::Ports}.derive(
                                                            static_cast<uint16_t>(device.first),
                                                            static_cast<uint32_t>(device.count), child_.domain()));
            child_.keep(ports.selector());
            STEP("opening its ports", ports.map(child_.domain()));
        } else if (device.kind == protocol::DeviceKind::Interrupt) {
            if (!notification) {
                notification = STEP("making its notification", runtime::Notification::create(child_.domain()));
                child_.keep(notification.selector());
                const abi::Selector slot = STEP(
                    "handing over its notification",
                    child_.grant(notification.selector(),
                                 abi::NotificationRight::Wait | abi::NotificationRight::Signal | abi::Right::Derive));
                if (!add_name(startup, protocol::CapabilityName::interrupts, slot, 1, abi::ObjectType::Notification))
                    return Problem{"writing its startup page", "it has too many capabilities"};
            }
            TRY(grant_interrupt(device, notification, uint64_t{1} << interrupts++, startup));
        } else {
            TRY(grant_device_memory(resources, device, memories++, startup));
        }
    }
    return {};
}

Outcome Component::grant_interrupt(const protocol::DeviceRecord& device, runtime::Notification notification,
                                   uint64_t bits, protocol::StartupInformation& startup) {
    const auto interrupt = STEP(
        "taking its interrupt line",
        runtime::Interrupt::create(abi::WellKnownSlot::Machine, static_cast<uint32_t>(device.first),
                                   notification.selector(), bits, record().first_cpu, device.trigger, child_.domain()));
    child_.keep(interrupt.selector());
    const abi::Selector slot =
        STEP("handing over its interrupt line", child_.grant(interrupt.selector(), abi::InterruptRight::Acknowledge));
    if (!add_name(startup, manifest_->text(device.name), slot, 1, abi::ObjectType::Interrupt))
        return Problem{"writing its startup page", "it has too many capabilities"};
    return {};
}

/// Registers are mapped at Place::devices, a GiB apart, and are not cleared: hence a shared window.
Outcome Component::grant_device_memory(Resources& resources, const protocol::DeviceRecord& device, uint32_t position,
                                       protocol::StartupInformation& startup) {
    if (device.count > gib || position >= (Place::vm - Place::devices) / gib)
        return Problem{"mapping its device memory", "there is no room for so much"};
    for (uint32_t index = 0; index < resources.root.device_count && index < abi::max_root_devices; ++index) {
        const abi::RootMemory& range = resources.root.devices[index];
        if (device.first < range.physical_address ||
            device.first + device.count > range.physical_address + range.size_bytes)
            continue;
        const auto memory = STEP("taking its device memory", runtime::Memory{range.selector}.share(
                                                                 device.first - range.physical_address, device.count,
                                                                 runtime::read_write, child_.domain()));
        child_.keep(memory.selector());
        STEP("mapping its device memory", child_.map(memory, Place::devices + position * gib, 0, device.count,
                                                     runtime::read_write, abi::MemoryType::Uncached));
        const abi::Selector slot =
            STEP("handing over its device memory", child_.grant(memory.selector(), runtime::read_write));
        if (!add_name(startup, manifest_->text(device.name), slot, 1, abi::ObjectType::MemoryObject))
            return Problem{"writing its startup page", "it has too many capabilities"};
        return {};
    }
    return Problem{"taking its device memory", "no such physical address"};
}

/// A word NAME=VALUE of the boot command line is the argument VALUE of component NAME.
void Component::describe(Resources& resources, protocol::StartupInformation& startup) {
    startup.magic = protocol::StartupInformation::expected_magic;
    copy_text(name(), startup.name, sizeof(startup.name));
    copy_text(manifest_->text(record().arguments), startup.arguments, sizeof(startup.arguments));
    std::string_view line{resources.root.command_line};
    while (!line.empty()) {
        const std::string_view word = line.substr(0, line.find(' '));
        line.remove_prefix(std::min(word.size() + 1, line.size()));
        if (!word.starts_with(name()) || word.size() <= name().size() || word[name().size()] != '=') continue;
        const size_t used = std::strlen(startup.arguments);
        const std::string_view value = word.substr(name().size() + 1);
        if (used + 1 + value.size() >= sizeof(startup.arguments)) continue;
        if (used != 0) startup.arguments[used] = ' ';
        copy_text(value, startup.arguments + used + (used != 0), sizeof(startup.arguments) - used - 1);
    }
    startup.cpu = record().first_cpu;
    startup.cpus = cpus();
    startup.first_free_slot = child_.first_free_slot();
    startup.capability_slots = Child::capability_slots;
    startup.restart_count = generation_ - 1;
    startup.priority = record().priority;
    startup.heap_bytes = heap_.size_bytes;
    startup.state_bytes = state_.size_bytes;
    startup.heartbeat_interval_ns = record().heartbeat_ns;
    startup.boot_time_ns = resources.boot_time_ns;
}

Outcome Component::start_thread(Resources& resources, uint64_t entry) {
    box().stopped.store(false);
    box().heartbeat_ticks.store(runtime::now_ticks());
    box().generation.store(generation_);
    auto exceptions =
        STEP("making its exception portal",
             runtime::Portal{resources.portals.exception + record().first_cpu}.derive(badge(), child_.domain()));
    child_.keep(exceptions.selector());
    const abi::Selector thread = STEP(
        "making its thread",
        runtime::make_in_new_slot(abi::CreateThread{child_.domain(), 0, record().first_cpu, entry, Place::stack_top,
                                                    Place::message_buffer, Place::startup, exceptions.selector(), 0}));
    child_.keep(thread);
    const auto context =
        STEP("giving its thread time",
             runtime::SchedulingContext::create(thread, record().priority, runtime::ns_to_ticks(record().budget_ns),
                                                runtime::ns_to_ticks(record().period_ns), child_.domain()));
    child_.keep(context.selector());
    return {};
}

}  // namespace bulkhead::init
