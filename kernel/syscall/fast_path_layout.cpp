// SPDX-License-Identifier: Apache-2.0
// Checks that what the hand-laid paths touch lies where asm_offsets.h says, and gives each CPU the words they compare.
#include <cstddef>

#include "abi/calls.hpp"
#include "abi/layout.hpp"
#include "hw/x86/control_register.hpp"
#include "hw/x86/cpuid.hpp"
#include "hw/x86/svm/exit.hpp"
#include "hw/x86/svm/vmcb.hpp"
#include "hw/x86/vmx/exit.hpp"
#include "hw/x86/vmx/vmcs.hpp"
#include "kernel/arch/x86_64/asm_offsets.h"
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/capability/object_table.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/object/vcpu.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

struct FastPathLayout {
    using State = ExecutionContext::State;
    using Word = abi::CapabilityWord;

    static_assert(abi::stub_page_address == STUB_PAGE);
    static_assert(offsetof(Cpu, running) == CPU_RUNNING && offsetof(Cpu, running_on) == CPU_RUNNING_ON);
    static_assert(offsetof(Cpu, loaded_root) == CPU_LOADED_ROOT);
    static_assert(offsetof(Cpu, idle_handler) == CPU_IDLE_HANDLER && offsetof(Cpu, plain_caller) == CPU_PLAIN_CALLER);
    static_assert(offsetof(ExecutionContext, frame_) == CONTEXT_FRAME);
    static_assert(offsetof(ExecutionContext, slow_flags_) == CONTEXT_FLAGS && CONTEXT_FLAGS % 8 == 0);
    static_assert(offsetof(ExecutionContext, state_) == CONTEXT_STATE && sizeof(State) == 1);
    static_assert(offsetof(ExecutionContext, cpu_) == CONTEXT_FLAGS + 6);
    static_assert(offsetof(ExecutionContext, space_root_) == CONTEXT_ROOT);
    static_assert(offsetof(ExecutionContext, slots_) == CONTEXT_SLOTS);
    static_assert(offsetof(ExecutionContext, slot_count_) == CONTEXT_SLOT_COUNT);
    static_assert(offsetof(ExecutionContext, caller_) == CONTEXT_CALLER);
    static_assert(offsetof(ExecutionContext, callee_) == CONTEXT_CALLEE);
    static_assert(offsetof(ExecutionContext, donated_) == CONTEXT_DONATED);
    static_assert(ExecutionContext::SlowFlag::Vcpu == FLAG_VCPU);
    static_assert(offsetof(Thread, stack_) == THREAD_STACK);
    static_assert(offsetof(Portal, handler_) == PORTAL_HANDLER);
    static_assert(offsetof(Portal, entry_) == PORTAL_ENTRY);
    static_assert(offsetof(Portal, badge_) == PORTAL_BADGE);
    static_assert(static_cast<int>(State::Ready) == STATE_READY && static_cast<int>(State::Idle) == STATE_IDLE &&
                  static_cast<int>(State::InCall) == STATE_IN_CALL);

    static_assert(Word::Index::mask == CAPABILITY_INDEX_MASK);
    static_assert(Word::Generation::low == CAPABILITY_GENERATION_SHIFT);
    static_assert(Word::RightsField::low == CAPABILITY_RIGHTS_SHIFT);
    static_assert((Word::RightsField::make(abi::PortalRight::Call) | Word::Type::make(abi::ObjectType::Portal)) >>
                      CAPABILITY_RIGHTS_SHIFT == CAPABILITY_CALLABLE);
    static_assert((Word::RightsField::make(abi::PortalRight::Call) | Word::Type::mask) >> CAPABILITY_RIGHTS_SHIFT ==
                  CAPABILITY_CALLABLE_MASK);
    static_assert(ObjectTable::Generation::low == ENTRY_GENERATION_SHIFT);
    static_assert(Word::Generation::width == ObjectTable::Generation::width);

    static_assert(offsetof(Cpu, scheduler) == CPU_SCHEDULER && offsetof(Cpu, loaded_vcpu) == CPU_LOADED_VCPU);
    static_assert(offsetof(Cpu, fs_base) == CPU_FS_BASE && offsetof(Cpu, gs_base) == CPU_GS_BASE);
    static_assert(offsetof(Cpu, task_register_cut) == CPU_TASK_REGISTER_CUT);
    static_assert(offsetof(Cpu, guest_in_cpu) == CPU_GUEST_IN_CPU);
    static_assert(offsetof(Cpu, asid_generation) == CPU_ASID_GENERATION && offsetof(Cpu, host_vmcb) == CPU_HOST_VMCB);
    static_assert(offsetof(Vcpu, hardware_.frame) == VCPU_FRAME && offsetof(Vcpu, hardware_.rip) == VCPU_RIP);
    static_assert(offsetof(Vcpu, hardware_.interrupted) == VCPU_INTERRUPTED);
    static_assert(offsetof(Vcpu, hardware_.instruction_length) == VCPU_INSTRUCTION_LENGTH);
    static_assert(offsetof(Vcpu, hardware_.injecting) == VCPU_INJECTING);
    static_assert(offsetof(Vcpu, hardware_.launched) == VCPU_LAUNCHED);
    static_assert(offsetof(Vcpu, hardware_.tag_generation) == VCPU_TAG_GENERATION);
    static_assert(offsetof(Vcpu, hardware_.control_block) == VCPU_CONTROL_BLOCK);
    static_assert(offsetof(Vcpu, hardware_.control_block_address) == VCPU_CONTROL_BLOCK_ADDRESS);
    static_assert(offsetof(Vcpu, hardware_.host_space) == VCPU_HOST_SPACE);
    static_assert(offsetof(Vcpu, phase_) == VCPU_PHASE && offsetof(Vcpu, reason_) == VCPU_REASON);
    static_assert(offsetof(Vcpu, osxsave_) == VCPU_OSXSAVE && offsetof(Vcpu, events_) == VCPU_EVENTS);
    static_assert(offsetof(Vcpu, activity_) == VCPU_ACTIVITY && offsetof(Vcpu, valid_groups_) == VCPU_VALID_GROUPS);
    static_assert(offsetof(Vcpu, sequence_) == VCPU_SEQUENCE && offsetof(Vcpu, portal_word_) == VCPU_PORTAL_WORD);
    static_assert(offsetof(Vcpu, space_) == VCPU_SPACE && offsetof(Vcpu, flush_generation_) == VCPU_FLUSH_GENERATION);
    static_assert(offsetof(Vcpu, exit_) == VCPU_EXIT && offsetof(Vcpu, groups_[1]) == VCPU_GROUPS_CPUID);
    static_assert(offsetof(Vcpu, state_memory_) == VCPU_STATE_PAGE && offsetof(Vcpu, fpu_) == VCPU_FPU);
    static_assert(offsetof(Scheduler, preempt_) == SCHEDULER_PREEMPT && offsetof(FpuState, xcr0_) == FPU_XCR0);
    static_assert(offsetof(FpuState, loaded_) == FPU_LOADED);
    static_assert(offsetof(AddressSpace, flush_generation_) == SPACE_FLUSH_GENERATION);
    static_assert(offsetof(abi::VcpuStatePage, exits) == STATE_PAGE_EXITS);
    static_assert(abi::virtual_apic_page_offset + 0x80 == STATE_PAGE_TASK_PRIORITY);
    static_assert(static_cast<int>(Vcpu::Phase::InExit) == VCPU_IN_EXIT && static_cast<int>(Vcpu::Phase::Running) == VCPU_RUNNING);
    static_assert(static_cast<int>(Vcpu::Activity::InKernel) == VCPU_IN_KERNEL);
    static_assert(static_cast<int>(Vcpu::Activity::InGuest) == VCPU_IN_GUEST);
    static_assert(static_cast<int>(abi::ExitReason::Cpuid) == EXIT_REASON_CPUID);
    static_assert(abi::ExitLabel::InstructionLength::low == EXIT_LABEL_LENGTH_SHIFT && abi::MessageTag::Label::low == 32);
    static_assert((1 << static_cast<int>(abi::ExitReason::Cpuid) | 1 << static_cast<int>(abi::ExitReason::MsrWrite) |
                   1 << static_cast<int>(abi::ExitReason::PortWrite)) == REASONS_IN_REGISTERS);
    static_assert(static_cast<int>(abi::ReplyFlag::SkipInstruction) == 1 && static_cast<int>(abi::CallNumber::Reply) == 1);
    static_assert(x86::Cr4::XsaveEnable::mask == CR4_OSXSAVE && x86::CpuidXsave::leaf == CPUID_XSAVE_LEAF);

    static_assert(static_cast<int>(x86::VmcsField::ExitReason) == VMCS_EXIT_REASON);
    static_assert(static_cast<int>(x86::VmcsField::InstructionLength) == VMCS_INSTRUCTION_LENGTH);
    static_assert(static_cast<int>(x86::VmcsField::GuestInterruptibility) == VMCS_GUEST_INTERRUPTIBILITY);
    static_assert(static_cast<int>(x86::VmcsField::GuestRip) == VMCS_GUEST_RIP);
    static_assert(static_cast<int>(x86::VmcsField::GuestRflags) == VMCS_GUEST_RFLAGS);
    static_assert(static_cast<int>(x86::VmxExit::Cpuid) == VMX_EXIT_CPUID);

    static_assert(offsetof(x86::Vmcb, tlb_control) == VMCB_TLB_CONTROL);
    static_assert(offsetof(x86::Vmcb, virtual_interrupt) == VMCB_VIRTUAL_INTERRUPT);
    static_assert(offsetof(x86::Vmcb, interrupt_shadow) == VMCB_INTERRUPT_SHADOW);
    static_assert(offsetof(x86::Vmcb, exit_code) == VMCB_EXIT_CODE && offsetof(x86::Vmcb, exit_event) == VMCB_EXIT_EVENT);
    static_assert(offsetof(x86::Vmcb, clean) == VMCB_CLEAN && offsetof(x86::Vmcb, next_rip) == VMCB_NEXT_RIP);
    static_assert(offsetof(x86::Vmcb, cr4) == VMCB_CR4 && offsetof(x86::Vmcb, rflags) == VMCB_RFLAGS);
    static_assert(offsetof(x86::Vmcb, rip) == VMCB_RIP && offsetof(x86::Vmcb, rax) == VMCB_RAX);
    static_assert(static_cast<int>(x86::SvmExit::Cpuid) == SVM_EXIT_CPUID);

    static constexpr uint64_t pattern(State state, uint64_t cpu) { return static_cast<uint64_t>(state) << 32 | cpu << 48; }
};

void initialise_fast_paths(Cpu& cpu) {
    cpu.idle_handler = FastPathLayout::pattern(ExecutionContext::State::Idle, cpu.id);
    cpu.plain_caller = FastPathLayout::pattern(ExecutionContext::State::InCall, cpu.id);
}

}  // namespace bulkhead::kernel
