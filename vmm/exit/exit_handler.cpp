// SPDX-License-Identifier: Apache-2.0
#include "vmm/exit/exit_handler.hpp"

#include "abi/names.hpp"

#include "vmm/vm/layout.hpp"
#include "vmm/vm/line.hpp"

namespace bulkhead::vmm {
namespace {

using abi::ExitReason;
using abi::ReplyFlag;

/// Places in ExitResult::words.
enum ResultWord : unsigned { R8, R9, R10, Rbx, Event, TimerDeadline, TimerVector };

void set_flag(ExitResult& result, ReplyFlag flag) { result.label |= static_cast<uint32_t>(flag); }

void skip(ExitResult& result) { set_flag(result, ReplyFlag::SkipInstruction); }

void inject(ExitResult& result, uint8_t vector) {
    set_flag(result, ReplyFlag::Inject);
    result.words[Event] = abi::InjectedEvent::Vector::make(vector);
}
void inject(ExitResult& result, uint8_t vector, uint32_t error_code) {
    inject(result, vector);
    result.words[Event] |= abi::InjectedEvent::HasErrorCode::mask | abi::InjectedEvent::ErrorCode::make(error_code);
}
constexpr uint8_t invalid_opcode = 6;
constexpr uint8_t general_protection = 13;

static_assert(std::is_trivially_copyable_v<PageChange> && sizeof(PageChange) <= sizeof(ExitResult::page_change));

PageChange page_change(const ExitResult& result) {
    PageChange change;
    __builtin_memcpy(static_cast<void*>(&change), result.page_change.data(), sizeof(change));
    return change;
}
void set_page_change(ExitResult& result, const PageChange& change) {
    __builtin_memcpy(result.page_change.data(), &change, sizeof(change));
}

/// R10 of a CPUID exit.
struct CpuidState {
    using OsXsave = Bit<63>;
};

/// Raw exit reasons of instructions that do nothing here: caches are the host's (SDM volume 3, appendix C; AMD APM
/// volume 2, appendix C).
constexpr bool is_cache_instruction(uint64_t raw) { return raw == 13 || raw == 54 || raw == 0x76 || raw == 0x89; }
constexpr bool is_rdpmc(uint64_t raw) { return raw == 15 || raw == 0x6f; }

constexpr uint64_t unknown_hypercall = static_cast<uint64_t>(-1000);  // KVM_ENOSYS

/// The local APIC's page belongs to the vCPU that accesses it; everything else is the machine's.
class VcpuMmio final : public MmioBus {
  public:
    VcpuMmio(Machine& machine, Machine::Vcpu& vcpu) : machine_{machine}, vcpu_{vcpu} {}

    uint64_t read_mmio(GuestPhysicalAddress address, unsigned size_bytes) override {
        if (!is_apic(address)) return machine_.mmio().read_mmio(address, size_bytes);
        // Registers are 32 bits at multiples of 16; reads of parts of them work, as on processors.
        const unsigned offset = static_cast<unsigned>(address.page_offset());
        return uint64_t{vcpu_.apic.read_page(offset & ~0xfu)} >> (8 * (offset & 3)) & all_ones(size_bytes);
    }
    void write_mmio(GuestPhysicalAddress address, unsigned size_bytes, uint64_t value) override {
        if (!is_apic(address)) {
            machine_.mmio().write_mmio(address, size_bytes, value);
            return;
        }
        const unsigned offset = static_cast<unsigned>(address.page_offset());
        if (size_bytes == 4 && offset % 16 == 0) {
            vcpu_.apic.write_page(offset, static_cast<uint32_t>(value), vcpu_.msrs.tsc_offset());
        }
    }

  private:
    bool is_apic(GuestPhysicalAddress address) const {
        return vcpu_.apic.enabled() && !vcpu_.apic.x2apic() &&
               address.align_down(page_size_bytes).value() == vcpu_.apic.base_address();
    }
    Machine& machine_;
    Machine::Vcpu& vcpu_;
};

}  // namespace

abi::VcpuConfiguration ExitHandler::configuration() {
    abi::VcpuConfiguration configuration{};
    const uint32_t emulation = (emulation_groups | abi::VcpuStateGroup::ExitInformation).word();
    const auto ask = [&](ExitReason reason, uint32_t groups) { configuration.groups[static_cast<unsigned>(reason)] = groups; };
    ask(ExitReason::NestedFault, emulation);
    for (const ExitReason reason : {ExitReason::TripleFault, ExitReason::InvalidState, ExitReason::Unknown}) {
        ask(reason, abi::all_vcpu_state_groups);
    }
    configuration.absorb =
        static_cast<uint32_t>(abi::AbsorbFlag::Hlt) | static_cast<uint32_t>(abi::AbsorbFlag::TscDeadline);
    return configuration;
}

ExitReply ExitHandler::handle(const ExitCall& call) {
    // CPUID changes nothing: no transaction, and no lock.
    if (call.reason() == ExitReason::Cpuid && call.deaths < deadly) return cpuid(call);
    lock_.lock();
    Journal& journal = vcpu_.journal;
    if (journal.is_committed(call.sequence)) {
        machine_.perform_effects(journal);
    } else {
        machine_.begin(journal, call.sequence);
        ExitResult result = dispatch(call);
        collect_changes(result);
        machine_.commit(journal, result);
    }
    const ExitReply reply = finish(journal.result());
    lock_.unlock();
    return reply;
}

ExitReply ExitHandler::cpuid(const ExitCall& call) const {
    const CpuidInputs inputs{.xcr0 = call.r10 & ~CpuidState::OsXsave::mask, .os_xsave = CpuidState::OsXsave::read(call.r10)};
    const CpuidResult result = vcpu_.cpuid.lookup(static_cast<uint32_t>(call.r8), static_cast<uint32_t>(call.r9), inputs);
    return {.label = static_cast<uint32_t>(ReplyFlag::SkipInstruction),
            .r8 = result.eax,
            .r9 = result.ebx,
            .r10 = result.ecx,
            .rbx = result.edx};
}

/// Turns a committed result into the reply; may be done again for the same result.
ExitReply ExitHandler::finish(const ExitResult& result) {
    const abi::VcpuStateGroups groups = apply(page_change(result), machine_.entry(), page_);
    page_.absorbed_timer_vector = vcpu_.apic.deadline_vector();
    return {.label = result.label,
            .r8 = result.words[R8],
            .r9 = result.words[R9],
            .r10 = result.words[R10],
            .rbx = result.words[Rbx],
            .groups = groups.word(),
            .event = result.words[Event],
            .timer_deadline = result.words[TimerDeadline],
            .timer_vector = result.words[TimerVector]};
}

/// What the models want of the kernel with this reply.
void ExitHandler::collect_changes(ExitResult& result) {
    if (const auto timer = vcpu_.apic.take_timer_change()) {
        set_flag(result, ReplyFlag::SetTimer);
        result.words[TimerDeadline] = timer->deadline_tsc;
        result.words[TimerVector] = timer->vector;
    }
    if (vcpu_.apic.take_page_change()) set_flag(result, ReplyFlag::ApicChanged);
    if (const auto offset = vcpu_.msrs.take_tsc_offset_change()) {
        PageChange change = page_change(result);
        change.sets_tsc_offset = true;
        change.tsc_offset = *offset;
        set_page_change(result, change);
    }
}

ExitResult ExitHandler::dispatch(const ExitCall& call) {
    ExitResult result;
    set_page_change(result, {});
    if (call.deaths >= deadly) {
        give_up(MachineEnd::Broken, Line{}.text("this exit (").text(name(call.reason())).text(") has killed three monitors").view(),
                call, result);
        return result;
    }
    switch (call.reason()) {
        case ExitReason::Startup: start_up(result); break;
        case ExitReason::MsrRead: msr_read(call, result); break;
        case ExitReason::MsrWrite: msr_write(call, result); break;
        case ExitReason::PortRead: port(call, false, result); break;
        case ExitReason::PortWrite: port(call, true, result); break;
        case ExitReason::Hypercall:
            result.words[R8] = unknown_hypercall;
            skip(result);
            break;
        case ExitReason::Hlt:
            skip(result);
            set_flag(result, ReplyFlag::Park);
            break;
        case ExitReason::NestedFault: nested_fault(call, result); break;
        case ExitReason::EndOfInterrupt: machine_.ioapic().end_of_interrupt(static_cast<uint8_t>(call.r8)); break;
        case ExitReason::Recall: recalled(result); break;
        case ExitReason::TripleFault: give_up(MachineEnd::TripleFault, "triple fault", call, result); break;
        case ExitReason::InvalidState:
            give_up(MachineEnd::Broken, "the processor refuses the state of the vCPU", call, result);
            break;
        case ExitReason::Exception: inject(result, static_cast<uint8_t>(call.r8), static_cast<uint32_t>(call.r9)); break;
        case ExitReason::ControlRegister:
        case ExitReason::Xsetbv: inject(result, general_protection, 0); break;
        case ExitReason::InstructionFetch: instruction(call, result); break;
        default: give_up(MachineEnd::Broken, "unknown exit", call, result); break;
    }
    // A machine that has ended does not run on, whatever the exit was.
    if (machine_.ended()) set_flag(result, ReplyFlag::ParkUntilRecall);
    return result;
}

void ExitHandler::start_up(ExitResult& result) {
    const bool is_bootstrap = index_ == 0;
    vcpu_.lifecycle.first_exit(is_bootstrap);
    if (is_bootstrap) {
        set_page_change(result, {.kind = PageChange::Kind::LinuxBoot, .registers = {}});
    } else {
        set_flag(result, ReplyFlag::ParkUntilRecall);
    }
}

void ExitHandler::recalled(ExitResult& result) {
    const LifecycleAction action = vcpu_.lifecycle.take_action();
    const bool resets = action == LifecycleAction::Reset || action == LifecycleAction::ResetAndStart;
    if (resets) vcpu_.apic.init();
    switch (action) {
        case LifecycleAction::None: break;
        case LifecycleAction::Reset:
            set_page_change(result, {.kind = PageChange::Kind::Reset, .registers = {}});
            set_flag(result, ReplyFlag::ParkUntilRecall);
            break;
        case LifecycleAction::Start:
        case LifecycleAction::ResetAndStart:
            set_page_change(result, {.kind = PageChange::Kind::Start,
                                     .start_vector = vcpu_.lifecycle.start_vector(),
                                     .registers = {}});
            break;
        case LifecycleAction::Park: set_flag(result, ReplyFlag::ParkUntilRecall); break;
    }
}

void ExitHandler::msr_read(const ExitCall& call, ExitResult& result) {
    const auto value = vcpu_.msrs.read(static_cast<uint32_t>(call.r8));
    if (!value) {
        inject(result, general_protection, 0);
        return;
    }
    result.words[R8] = value.value();
    skip(result);
}

void ExitHandler::msr_write(const ExitCall& call, ExitResult& result) {
    if (vcpu_.msrs.write(static_cast<uint32_t>(call.r8), call.r9)) {
        skip(result);
    } else {
        inject(result, general_protection, 0);
    }
}

void ExitHandler::port(const ExitCall& call, bool is_write, ExitResult& result) {
    using abi::PortAccess;
    const uint16_t port = PortAccess::Port::read(call.r8);
    const unsigned size_bytes = PortAccess::SizeBytes::read(call.r8);
    if (PortAccess::String::read(call.r8)) {
        machine_.log().line(Line{}.text("the guest uses a string instruction on port ").hex(port).text(": #GP").view());
        inject(result, general_protection, 0);
        return;
    }
    if (is_write) {
        machine_.ports().write(port, size_bytes, static_cast<uint32_t>(call.r9));
    } else {
        result.words[R8] = machine_.ports().read(port, size_bytes);
    }
    skip(result);
}

void ExitHandler::nested_fault(const ExitCall& call, ExitResult& result) {
    using abi::NestedFaultAccess;
    const GuestPhysicalAddress address{call.r8};
    if (NestedFaultAccess::Execute::read(call.r9)) {
        give_up(MachineEnd::Broken, "the guest executes where there is no memory", call, result);
        return;
    }
    if (NestedFaultAccess::PageWalk::read(call.r9)) {
        give_up(MachineEnd::Broken, "the guest's page tables lie where there is no memory", call, result);
        return;
    }
    VcpuMmio bus{machine_, vcpu_};
    const auto changes = emulate_mmio(read_registers(page_), address, machine_.memory(), bus);
    if (changes) {
        set_page_change(result, {.kind = PageChange::Kind::Registers, .registers = changes.value()});
    } else if (changes.error() != EmulateError::Retry) {
        give_up(MachineEnd::Broken, describe(changes.error()), call, result);
    }
}

void ExitHandler::instruction(const ExitCall& call, ExitResult& result) {
    const bool has_length = abi::ExitLabel::InstructionLength::read(call.label) != 0;
    const uint64_t raw = call.r8 & UINT16_MAX;
    if (is_cache_instruction(raw) && has_length) {
        skip(result);
    } else if (is_rdpmc(raw)) {
        inject(result, general_protection, 0);
    } else {
        inject(result, invalid_opcode);
    }
}

/// The end of the machine, with the decoded state in the log.
void ExitHandler::give_up(MachineEnd why, std::string_view what, const ExitCall& call, ExitResult& result) {
    Log& log = machine_.log();
    const auto put = [&](std::initializer_list<std::pair<std::string_view, uint64_t>> fields) {
        Line line;
        for (const auto& [name, value] : fields) line.text(" ").text(name).text(" ").hex(value);
        log.line(line.view());
    };
    put({{"vcpu", index_}, {"rip", call.rip}, {"rsp", page_.rsp}, {"rflags", page_.rflags}, {"first", call.r8}, {"second", call.r9}});
    put({{"rax", page_.rax}, {"rbx", page_.rbx}, {"rcx", page_.rcx}, {"rdx", page_.rdx}, {"rsi", page_.rsi}, {"rdi", page_.rdi}});
    put({{"rbp", page_.rbp}, {"r8", page_.r8}, {"r9", page_.r9}, {"r10", page_.r10}, {"r11", page_.r11}, {"r12", page_.r12}});
    put({{"cr0", page_.cr0}, {"cr2", page_.cr2}, {"cr3", page_.cr3}, {"cr4", page_.cr4}, {"efer", page_.efer}});
    put({{"cs", page_.cs.selector}, {"base", page_.cs.base}, {"rights", page_.cs.access}, {"ss", page_.ss.selector},
         {"idt", page_.idtr.base}, {"gdt", page_.gdtr.base}, {"tr", page_.tr.selector}});
    put({{"raw-reason", page_.exit_raw_reason}, {"qualification", page_.exit_qualification}, {"linear", page_.exit_linear_address},
         {"physical", page_.exit_physical_address}, {"event", page_.interrupted_event}});
    vcpu_.lifecycle.stop();
    machine_.end(why, Line{}.text("vCPU ").decimal(index_).text(" at rip ").hex(call.rip).text(": ").text(what).view());
    set_flag(result, ReplyFlag::ParkUntilRecall);
}

}  // namespace bulkhead::vmm
