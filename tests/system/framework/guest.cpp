// SPDX-License-Identifier: Apache-2.0
#include "abi/names.hpp"
#include "tests/system/framework/guest.hpp"

#include <cstring>

#include "runtime/address_space.hpp"

namespace bulkhead::test {
namespace {

using abi::ExitReason;

constexpr uint8_t vcpu_priority = 50;
constexpr uint32_t report_port = 0xe0;
constexpr uint32_t finish_port = 0xf4;
constexpr uint64_t stack_top = 0x9000;
constexpr uint64_t descriptor_table = 0x500;
constexpr uint64_t page_tables = 0x10000;

/// Segment access rights as the VMCS has them (Intel SDM volume 3, 25.4.1).
constexpr uint32_t code_16 = 0x9b;
constexpr uint32_t data_16 = 0x93;
constexpr uint32_t code_32 = 0xc09b;
constexpr uint32_t data_32 = 0xc093;
constexpr uint32_t code_64 = 0xa09b;
constexpr uint32_t busy_task = 0x8b;
constexpr uint32_t unusable = 0x10000;

void set_flat(abi::VcpuStatePage& state, uint32_t code, uint32_t data) {
    state.cs = {.selector = 8, .reserved = 0, .limit = ~0u, .base = 0, .access = code, .reserved2 = 0};
    for (abi::SegmentState* segment : {&state.ss, &state.ds, &state.es, &state.fs, &state.gs}) {
        *segment = {.selector = 16, .reserved = 0, .limit = ~0u, .base = 0, .access = data, .reserved2 = 0};
    }
}

/// The first GiB in 2 MiB pages, one to one.
void write_page_tables(const Machine& machine) {
    constexpr uint64_t present_writable = 3;
    constexpr uint64_t large = 0x80;
    machine.ram_at<uint64_t>(page_tables) = (page_tables + 0x1000) | present_writable;
    machine.ram_at<uint64_t>(page_tables + 0x1000) = (page_tables + 0x2000) | present_writable;
    for (uint64_t i = 0; i < 512; ++i) {
        machine.ram_at<uint64_t>(page_tables + 0x2000 + i * 8) = i << 21 | large | present_writable;
    }
    machine.ram_at<uint64_t>(descriptor_table + 8) = 0x00af'9b00'0000'ffff;
    machine.ram_at<uint64_t>(descriptor_table + 16) = 0x00cf'9300'0000'ffff;
}

}  // namespace

void Exit::send() {
    request_.words[0] = has_sequence_ ? answer_sequence_ : request_.words[0];
    for (unsigned i = 0; i < 4; ++i) request_.words[1 + i] = results_[i];
    request_.words[5] = changed_;
    request_.words[6] = event_;
    request_.words[7] = deadline_;
    request_.words[8] = vector_;
    request_.reply(flags_);
}

bool has_virtualization() { return runtime::system_information().virtualization != abi::Virtualization::None; }

void Machine::handle_exit(uint64_t badge, runtime::Request& request) {
    auto& vcpu = *reinterpret_cast<MachineVcpu*>(badge);
    Exit exit{request};
    vcpu.last_sequence = exit.sequence();
    vcpu.last_reason = static_cast<uint32_t>(exit.reason());
    ++vcpu.exits;
    vcpu.machine->answer(vcpu, exit);
    exit.send();
}

void Machine::answer(MachineVcpu& vcpu, Exit& exit) {
    if (options.device != nullptr && options.device(vcpu, exit)) return;
    switch (exit.reason()) {
        case ExitReason::Startup:
            if (vcpu.index != 0) {
                exit.flag(abi::ReplyFlag::ParkUntilRecall);
                return;
            }
            set_start_state(vcpu.state(), options.mode);
            exit.changed(abi::all_vcpu_state_groups);
            return;
        case ExitReason::PortWrite: {
            const uint16_t port = abi::PortAccess::Port::read(exit.argument(0));
            if (port == report_port) {
                if (!reports.push_back(static_cast<uint32_t>(exit.argument(1)))) return finish(exit, 0xfd);
                exit.skip();
                return;
            }
            if (port == finish_port) return finish(exit, static_cast<uint32_t>(exit.argument(1)));
            break;
        }
        case ExitReason::Cpuid:
            exit.skip();
            return;
        case ExitReason::Hlt:
            exit.skip().flag(abi::ReplyFlag::Park);
            return;
        default:
            break;
    }
    char why[160];
    record_failure(__FILE__, __LINE__,
                   runtime::format_into(why, "unexpected exit: {} ({x}, {x}) at {x}", abi::name(exit.reason()),
                                        exit.argument(0), exit.argument(1), exit.rip()));
    finish(exit, 0xfe);
}

void Machine::finish(Exit& exit, uint32_t new_status) {
    status = new_status;
    exit.flag(abi::ReplyFlag::ParkUntilRecall);
    static_cast<void>(ended.signal(1));
}

void Machine::set_start_state(abi::VcpuStatePage& state, StartMode mode) const {
    state.rip = load_address;
    state.rsp = stack_top;
    state.rflags = 2;
    state.gdtr = {.base = descriptor_table, .limit = 23, .reserved = 0};
    state.idtr = {.base = 0, .limit = 0xfff, .reserved = 0};
    state.ldtr = {.selector = 0, .reserved = 0, .limit = 0, .base = 0, .access = unusable, .reserved2 = 0};
    state.tr = {.selector = 0, .reserved = 0, .limit = 0x67, .base = 0x400, .access = busy_task, .reserved2 = 0};
    switch (mode) {
        case StartMode::Real:
            state.cr0 = 0x10;
            for (abi::SegmentState* segment : {&state.ss, &state.ds, &state.es, &state.fs, &state.gs}) {
                *segment = {
                    .selector = 0, .reserved = 0, .limit = 0xffff, .base = 0, .access = data_16, .reserved2 = 0};
            }
            state.cs = {.selector = 0, .reserved = 0, .limit = 0xffff, .base = 0, .access = code_16, .reserved2 = 0};
            break;
        case StartMode::Protected:
            state.cr0 = 0x11;
            set_flat(state, code_32, data_32);
            break;
        case StartMode::Long:
            state.cr0 = 0x8000'0011;
            state.cr3 = page_tables;
            state.cr4 = 0x20;
            state.efer = 0x500;
            set_flat(state, code_64, data_32);
            break;
    }
}

abi::Result<void> Machine::bind_handler(MachineVcpu& vcpu, runtime::HandlerEntry entry) {
    vcpu.handler = TRY(Handler::create(entry, reinterpret_cast<uint64_t>(&vcpu), vcpu.cpu));
    return vcpu.vcpu.bind(vcpu.handler.portal.selector());
}

abi::Result<void> Machine::create_vcpu(unsigned index) {
    MachineVcpu& vcpu = vcpus[index];
    vcpu.machine = this;
    vcpu.index = index;
    vcpu.cpu = index % root().cpu_count;
    const auto made = TRY(runtime::create_vcpu(guest.selector(), vcpu.cpu));
    vcpu.vcpu = made.vcpu;
    vcpu.state_memory = made.state;
    vcpu.state_address = TRY(runtime::allocate_addresses(abi::vcpu_state_memory_bytes));
    TRY(made.state.map(vcpu.state_address, 0, abi::vcpu_state_memory_bytes, runtime::read_write));
    abi::VcpuConfiguration& configuration = vcpu.state().configuration;
    for (const ExitReason reason : {ExitReason::Startup, ExitReason::NestedFault, ExitReason::Recall,
                                    ExitReason::TripleFault, ExitReason::InvalidState, ExitReason::Unknown}) {
        configuration.groups[static_cast<size_t>(reason)] = abi::all_vcpu_state_groups;
    }
    configuration.absorb = options.absorb;
    vcpu.state().absorbed_timer_vector = options.absorbed_timer_vector;
    return bind_handler(vcpu, runtime::message_handler<handle_exit>);
}

abi::Result<void> Machine::create(const MachineOptions& wanted) {
    options = wanted;
    guest = TRY(runtime::Domain::create_guest(options.quota_pages));
    ram = TRY(take_mapped_memory(options.ram_bytes));
    TRY(ram.memory.map(0, 0, options.ram_bytes, runtime::read_write | runtime::read_execute, guest.selector()));
    std::memcpy(&ram_at<char>(load_address), options.image.data(), options.image.size());
    write_page_tables(*this);
    ended = TRY(Notification::create());
    for (unsigned i = 0; i < options.vcpus; ++i) TRY(create_vcpu(i));
    return {};
}

bool Machine::run(uint64_t deadline) {
    for (unsigned i = 0; i < options.vcpus; ++i) {
        if (vcpus[i].context) continue;
        auto context = runtime::SchedulingContext::create(vcpus[i].vcpu.selector(), vcpu_priority);
        if (!context.ok()) {
            expect_status(context.error(), Status::Ok, "scheduling context of a vCPU", __FILE__, __LINE__);
            return false;
        }
        vcpus[i].context = context.value();
    }
    return ended.wait(1, deadline).ok();
}

void Machine::destroy() {
    if (guest) static_cast<void>(guest.destroy());
    for (MachineVcpu& vcpu : vcpus) {
        vcpu.handler.destroy();
        vcpu.vcpu.forget();
        vcpu.state_memory.forget();
        vcpu.context.forget();
        if (vcpu.state_address != 0) runtime::release_addresses(vcpu.state_address, abi::vcpu_state_memory_bytes);
        vcpu.state_address = 0;
    }
    ram.destroy();
    if (ended) static_cast<void>(ended.destroy());
}

void expect_reports(const Machine& machine, std::initializer_list<uint32_t> wanted, const char* file, unsigned line) {
    char why[200];
    unsigned index = 0;
    for (const uint32_t value : wanted) {
        if (index >= machine.reports.size()) {
            record_failure(file, line, runtime::format_into(why, "only {} reports", machine.reports.size()));
            return;
        }
        if (machine.reports[index] != value) {
            record_failure(file, line,
                           runtime::format_into(why, "report {}: {x}, not {x}", index, machine.reports[index], value));
            return;
        }
        ++index;
    }
    if (index != machine.reports.size()) {
        record_failure(file, line,
                       runtime::format_into(why, "{} reports, not {}; the next is {x}", machine.reports.size(), index,
                                            machine.reports[index]));
    }
}

}  // namespace bulkhead::test
