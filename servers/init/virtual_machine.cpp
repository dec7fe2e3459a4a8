// SPDX-License-Identifier: Apache-2.0
#include "servers/init/virtual_machine.hpp"

#include <algorithm>

#include "runtime/program.hpp"
#include "runtime/time.hpp"
#include "servers/init/say.hpp"

namespace bulkhead::init {
namespace {

using protocol::VmPlace;

constexpr uint64_t large_page_bytes = 2 << 20;
constexpr uint64_t four_gib = uint64_t{4} << 30;
constexpr abi::Rights ram_rights =
    abi::Right::Derive | abi::Right::Destroy | runtime::read_write | abi::MemoryRight::Execute;

}  // namespace

Outcome VirtualMachine::create(MemoryPool& memory) {
    const Outcome built = build(memory);
    if (!built.ok()) destroy(memory);
    return built;
}

Outcome VirtualMachine::build(MemoryPool& memory) {
    for (uint32_t index = 0; index < record_->vcpu_count; ++index) {
        if (record_->cpus[index] >= runtime::environment().cpu_count)
            return Problem{"placing its vCPUs", "this machine has fewer CPUs than the manifest names"};
    }
    if (runtime::system_information().virtualization == abi::Virtualization::None)
        return Problem{"making its vCPUs", "this processor has no usable virtualization"};
    guest_ = STEP("making the guest domain", runtime::Domain::create_guest(record_->quota_pages, record_->priority));
    TRY(build_ram(memory));
    device_state_ = STEP("taking its device-state memory",
                         memory.take(VmPlace::device_state_bytes, page_size_bytes, guest_.selector(), ram_rights));
    for (uint32_t index = 0; index < record_->vcpu_count; ++index) TRY(build_vcpu(index));
    return {};
}

Outcome VirtualMachine::build_ram(MemoryPool& memory) {
    ram_range_count_ = 0;
    const uint64_t low_bytes = std::min(record_->memory_bytes, protocol::vm_low_ram_limit);
    const uint64_t high_bytes = record_->memory_bytes - low_bytes;
    low_ram_ = STEP("taking the guest's RAM", memory.take(low_bytes, large_page_bytes, guest_.selector(), ram_rights));
    TRY(map_ram(low_ram_, 0, 0, std::min(low_bytes, protocol::vm_legacy_hole_start)));
    if (low_bytes > protocol::vm_legacy_hole_end)
        TRY(map_ram(low_ram_, protocol::vm_legacy_hole_end, protocol::vm_legacy_hole_end,
                    low_bytes - protocol::vm_legacy_hole_end));
    if (high_bytes == 0) return {};
    high_ram_ = STEP("taking the guest's RAM above 4 GiB",
                     memory.take(high_bytes, large_page_bytes, guest_.selector(), ram_rights));
    return map_ram(high_ram_, four_gib, 0, high_bytes);
}

Outcome VirtualMachine::map_ram(const MemoryPiece& piece, uint64_t guest_address, uint64_t offset,
                                uint64_t size_bytes) {
    STEP("mapping the guest's RAM",
         piece.memory.map(guest_address, offset, size_bytes, runtime::read_write | abi::MemoryRight::Execute,
                          guest_.selector()));
    ram_ranges_[ram_range_count_++] = {guest_address, size_bytes, offset, piece.memory.selector(), 0};
    return {};
}

Outcome VirtualMachine::build_vcpu(uint32_t index) {
    VirtualCpu& target = vcpus_[index];
    const auto made = STEP("making a vCPU", runtime::create_vcpu(guest_.selector(), record_->cpus[index]));
    target.vcpu = made.vcpu;
    target.state = made.state;
    target.scheduling_context = STEP(
        "giving a vCPU time", runtime::SchedulingContext::create(
                                  target.vcpu.selector(), record_->priority, runtime::ns_to_ticks(record_->budget_ns),
                                  runtime::ns_to_ticks(record_->period_ns), guest_.selector()));
    return {};
}

void VirtualMachine::log_memory() const {
    const uint64_t quota = record_->quota_pages;
    say("vm {}: memory: {} KiB of RAM, {} KiB of device state, {} of {} kernel pages", name(),
        record_->memory_bytes >> 10, device_state_.size_bytes >> 10,
        quota - guest_.free_quota_pages().value_or(quota), quota);
}

void VirtualMachine::destroy(MemoryPool& memory) {
    if (guest_) {
        if (!guest_.destroy().ok()) guest_.forget();
        guest_ = {};
    }
    for (VirtualCpu& vcpu : vcpus_) {
        vcpu.vcpu.forget();
        vcpu.state.forget();
        vcpu.scheduling_context.forget();
    }
    memory.give_back(low_ram_);
    memory.give_back(high_ram_);
    memory.give_back(device_state_);
    ram_range_count_ = 0;
}

Outcome VirtualMachine::attach(Child& monitor, Modules& modules, protocol::VmInformation& information) {
    information.magic = protocol::VmInformation::expected_magic;
    copy_text(name(), information.name, sizeof(information.name));
    copy_text(manifest_->text(record_->command_line), information.command_line, sizeof(information.command_line));
    information.profile = record_->profile;
    information.guest = STEP("handing over the guest domain",
                             monitor.grant(guest_.selector(), abi::DomainRight::Map | abi::DomainRight::Create));
    TRY(attach_memory(monitor, information));
    TRY(attach_vcpus(monitor, information));
    TRY(attach_module(monitor, modules.entry(manifest_->text(record_->kernel)), VmPlace::kernel, information.kernel));
    TRY(attach_module(monitor, modules.entry(manifest_->text(record_->initrd)), VmPlace::initrd, information.initrd));
    return {};
}

Outcome VirtualMachine::attach_memory(Child& monitor, protocol::VmInformation& information) {
    constexpr abi::Rights rights = abi::Right::Derive | runtime::read_write;
    information.ram_bytes = record_->memory_bytes;
    information.ram_range_count = ram_range_count_;
    const abi::Selector low = STEP("handing over the guest's RAM", monitor.grant(low_ram_.memory.selector(), rights));
    abi::Selector high = abi::null_selector;
    if (high_ram_) high = STEP("handing over the guest's RAM", monitor.grant(high_ram_.memory.selector(), rights));
    for (uint32_t index = 0; index < ram_range_count_; ++index) {
        const protocol::VmRamRange& range = ram_ranges_[index];
        STEP("mapping the guest's RAM for the monitor",
             monitor.map(runtime::Memory{range.memory}, VmPlace::ram + range.guest_address, range.memory_offset,
                         range.size_bytes, runtime::read_write));
        information.ram[index] = range;
        information.ram[index].memory = range.guest_address < four_gib ? low : high;
    }
    information.device_state =
        STEP("handing over the device-state memory", monitor.grant(device_state_.memory.selector(), rights));
    STEP("mapping the device-state memory",
         monitor.map(device_state_.memory, VmPlace::device_state, 0, VmPlace::device_state_bytes, runtime::read_write));
    return {};
}

Outcome VirtualMachine::attach_vcpus(Child& monitor, protocol::VmInformation& information) {
    information.vcpu_count = record_->vcpu_count;
    for (uint32_t index = 0; index < record_->vcpu_count; ++index) {
        const VirtualCpu& vcpu = vcpus_[index];
        protocol::VmVcpu& entry = information.vcpus[index];
        entry.cpu = record_->cpus[index];
        entry.vcpu = STEP("handing over a vCPU",
                          monitor.grant(vcpu.vcpu.selector(), abi::VcpuRight::Control | abi::VcpuRight::Post));
        entry.state_memory =
            STEP("handing over a vCPU's state memory", monitor.grant(vcpu.state.selector(), runtime::read_write));
        entry.scheduling_context =
            STEP("handing over a vCPU's time",
                 monitor.grant(vcpu.scheduling_context.selector(), abi::SchedulingContextRight::Control));
        STEP("mapping a vCPU's state memory",
             monitor.map(vcpu.state, VmPlace::vcpu_state(index), 0, abi::vcpu_state_memory_bytes, runtime::read_write));
    }
    return {};
}

Outcome VirtualMachine::attach_module(Child& monitor, const abi::RootModule* module, uint64_t address,
                                      protocol::VmModule& description) {
    if (module == nullptr || module->size_bytes == 0) return {};
    const runtime::Memory memory{module->selector};
    description.size_bytes = module->size_bytes;
    description.memory = STEP("handing over a boot module", monitor.grant(memory.selector(), runtime::read_only));
    STEP("mapping a boot module",
         monitor.map(memory, address, 0, align_up(module->size_bytes, page_size_bytes), runtime::read_only));
    return {};
}

}  // namespace bulkhead::init
