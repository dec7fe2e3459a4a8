// SPDX-License-Identifier: Apache-2.0
#include "bench/micro/vm_bench_machine.hpp"

#include "guests/minimal/images.hpp"

MINIMAL_GUEST(bench)

namespace bulkhead::bench {
namespace {

using abi::ExitReason;
using abi::ReplyFlag;
using abi::VcpuStateGroup;
using test::Machine;
using test::MachineVcpu;

constexpr uint64_t operation_address = 0x600;
constexpr uint64_t iterations_address = 0x608;
constexpr uint64_t raised_at_address = 0x618;
constexpr uint64_t traced_address = 0x638;
constexpr uint64_t mmio_address = 0x2000'0000;
constexpr uint64_t faulting_address = 0x1000'0000;
constexpr uint64_t second_start = 0x2000;
constexpr uint16_t start_second_port = 0x50;
constexpr uint16_t inject_port = 0x51;
constexpr uint16_t plain_port = 0x10;
constexpr uint16_t doorbell_port = 0x54;
constexpr uint32_t interrupt_command_msr = 0x830;
constexpr unsigned mmio_instruction_bytes = 2;

constexpr uint32_t word(VcpuStateGroup group) { return static_cast<uint32_t>(group); }
constexpr uint32_t word(ReplyFlag flag) { return static_cast<uint32_t>(flag); }

/// The reply: words in the order of the ABI, nothing else changed.
void reply(runtime::Request& request, uint32_t flags, uint64_t result = 0, uint32_t changed = 0) {
    request.words = {request.words[0], result, 0, 0, 0, changed, 0, 0, 0};
    request.reply(flags);
}

uint16_t port_of(const runtime::Request& request) { return abi::PortAccess::Port::read(request.words[1]); }

/// Window memory the guest's faults are answered with, page for page.
runtime::Memory fault_memory;

/// A fault: of a device register, which is moved over by hand, or of a page that is mapped.
void answer_fault(MachineVcpu& vcpu, runtime::Request& request) {
    const uint64_t address = request.words[1];
    if (address < mmio_address) {
        const uint64_t page = address & ~uint64_t{0xfff};
        static_cast<void>(fault_memory.map(page, page - faulting_address, 4096, runtime::read_write,
                                           vcpu.machine->guest.selector()));
        return reply(request, 0);
    }
    abi::VcpuStatePage& state = vcpu.state();
    state.rip = request.words[6] + mmio_instruction_bytes;
    uint32_t changed = word(VcpuStateGroup::InstructionPointer);
    if (abi::NestedFaultAccess::Read::read(request.words[2])) {
        state.rax = 0x5a;
        changed |= word(VcpuStateGroup::GeneralRegisters);
    }
    reply(request, 0, 0, changed);
}

/// The second vCPU begins where the first told it to.
void start_second(MachineVcpu& vcpu, runtime::Request& request) {
    vcpu.machine->set_start_state(vcpu.state(), test::StartMode::Long);
    vcpu.state().rip = second_start;
    vcpu.state().rsp = 0x8000;
    reply(request, 0, 0, abi::all_vcpu_state_groups);
}

}  // namespace

void BenchMachine::answer(uint64_t badge, runtime::Request& request) {
    auto& vcpu = *reinterpret_cast<MachineVcpu*>(badge);
    switch (abi::ExitLabel::Reason::read(request.label())) {
        case ExitReason::Cpuid:
            request.words = {request.words[0], 1, 2, 3, 4, 0, 0, 0, 0};
            request.reply(word(ReplyFlag::SkipInstruction));
            break;
        case ExitReason::PortWrite:
            if (port_of(request) != plain_port) return answer_rest(vcpu, request);
            [[fallthrough]];
        case ExitReason::PortRead:
        case ExitReason::MsrRead:
        case ExitReason::Hypercall:
            reply(request, word(ReplyFlag::SkipInstruction), 0x5a);
            break;
        case ExitReason::MsrWrite:
            if (request.words[1] == interrupt_command_msr) return answer_rest(vcpu, request);
            reply(request, word(ReplyFlag::SkipInstruction));
            break;
        case ExitReason::NestedFault:
            answer_fault(vcpu, request);
            break;
        default:
            return answer_rest(vcpu, request);
    }
    vcpu.exits.store(vcpu.exits.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void BenchMachine::answer_rest(MachineVcpu& vcpu, runtime::Request& request) {
    Machine& machine = *vcpu.machine;
    const auto reason = abi::ExitLabel::Reason::read(request.label());
    const bool is_port_write = reason == ExitReason::PortWrite;
    ++vcpu.exits;
    if (is_port_write && port_of(request) == start_second_port) {
        static_cast<void>(machine.vcpus[1].vcpu.recall());
        return reply(request, word(ReplyFlag::SkipInstruction));
    }
    if (is_port_write && port_of(request) == inject_port) {
        static_cast<void>(vcpu.vcpu.post(latency_vector));
        return reply(request, word(ReplyFlag::SkipInstruction));
    }
    if (reason == ExitReason::MsrWrite) {
        const uint64_t target = request.words[2] >> 32;
        static_cast<void>(machine.vcpus[target & 1].vcpu.post(static_cast<uint8_t>(request.words[2])));
        return reply(request, word(ReplyFlag::SkipInstruction));
    }
    if (reason == ExitReason::Recall && vcpu.index == 1) return start_second(vcpu, request);
    --vcpu.exits;  // the next one counts it
    Machine::handle_exit(reinterpret_cast<uint64_t>(&vcpu), request);
}

abi::Result<void> BenchMachine::bind(unsigned index) {
    MachineVcpu& vcpu = machine_.vcpus[index];
    abi::VcpuConfiguration& configuration = vcpu.state().configuration;
    configuration.groups[static_cast<size_t>(ExitReason::NestedFault)] =
        word(VcpuStateGroup::InstructionPointer) | word(VcpuStateGroup::GeneralRegisters);
    vcpu.handler.destroy();
    return machine_.bind_handler(vcpu, runtime::message_handler<answer>);
}

abi::Result<void> BenchMachine::create_doorbell() {
    const abi::Selector guest = machine_.guest.selector();
    rung_ = TRY(runtime::Notification::create());
    doorbell_ = TRY(runtime::Doorbell::create(guest, doorbell_port, 1));
    interrupt_ = TRY(runtime::VirtualInterrupt::create(guest, machine_.vcpus[0].vcpu.selector(), latency_vector));
    TRY(doorbell_.bind(rung_.selector(), 1));
    return {};
}

BenchMachine::~BenchMachine() {
    machine_.destroy();
    doorbell_.forget();
    interrupt_.forget();
    if (rung_) static_cast<void>(rung_.destroy());
}

bool BenchMachine::create(Run& run, GuestOperation operation) {
    constexpr auto absorb =
        static_cast<uint32_t>(abi::AbsorbFlag::Hlt) | static_cast<uint32_t>(abi::AbsorbFlag::TscDeadline);
    const unsigned vcpus = operation == GuestOperation::Ipi ? 2 : 1;
    const auto created = machine_.create({.image = minimal_guest::bench(),
                                          .vcpus = vcpus,
                                          .absorb = absorb,
                                          .absorbed_timer_vector = latency_vector,
                                          .quota_pages = 600});
    if (!created.ok()) return run.fail("machine", created.error()), false;
    for (unsigned i = 0; i < vcpus; ++i) {
        if (const auto bound = bind(i); !bound.ok()) return run.fail("bind", bound.error()), false;
    }
    if (operation >= GuestOperation::Doorbell) {
        if (const auto made = create_doorbell(); !made.ok()) return run.fail("doorbell", made.error()), false;
    }
    machine_.ram_at<uint32_t>(operation_address) = static_cast<uint32_t>(operation);
    machine_.ram_at<uint64_t>(iterations_address) = run.iterations();
    machine_.ram_at<uint32_t>(traced_address) = run.traced() && operation != GuestOperation::Nothing;
    if (operation == GuestOperation::NestedFault) {
        auto pages = test::take_mapped_memory(run.iterations() * 4096);
        if (!pages.ok()) return run.fail("pages", pages.error()), false;
        pages_ = pages.value();
        fault_memory = pages_.memory;
    }
    return true;
}

bool BenchMachine::finish(Run& run) {
    const bool ended = machine_.run(runtime::deadline_in(30 * runtime::ns_per_second));
    if (!ended || machine_.status != 0) {
        char why[120];
        run.fail(runtime::format_into(why, "the guest did not end well: status {}, {} exits, last {}", machine_.status,
                                      vcpu().exits.load(), vcpu().last_reason.load()));
    }
    return !run.failed();
}

void BenchMachine::post_from_outside() {
    machine_.ram_at<volatile uint64_t>(raised_at_address) = now_ticks();
    static_cast<void>(machine_.vcpus[0].vcpu.post(latency_vector));
}

uint64_t BenchMachine::portal_calls() const { return machine_.vcpus[0].exits + machine_.vcpus[1].exits; }

uint64_t BenchMachine::absorbed_exits() const {
    uint64_t sum = 0;
    for (const MachineVcpu& vcpu : machine_.vcpus) {
        if (!vcpu.vcpu) continue;
        for (const uint64_t count : vcpu.state().absorbed_exits) sum += count;
    }
    return sum;
}

uint64_t BenchMachine::halts() const {
    return machine_.vcpus[0].state().absorbed_exits[static_cast<size_t>(ExitReason::Hlt)];
}

}  // namespace bulkhead::bench
