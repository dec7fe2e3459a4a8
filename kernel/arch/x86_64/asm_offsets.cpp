// SPDX-License-Identifier: Apache-2.0
// What assembly needs to know of C++ types. Never linked: the build compiles this to assembly and takes the header
// asm_offsets.h from it (cmake/AsmOffsets.cmake), so a member that moves cannot be missed.
#include <cstddef>

#include "abi/calls.hpp"
#include "abi/vcpu.hpp"
#include "hw/x86/control_register.hpp"
#include "hw/x86/cpuid.hpp"
#include "hw/x86/svm.hpp"
#include "hw/x86/vmx.hpp"
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/arch/x86_64/register_frame.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/capability/object_table.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/doorbell.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/object/vcpu.hpp"
#include "kernel/schedule/scheduler.hpp"

#define VALUE(name, value) asm volatile(".ascii \"->" #name " %c0\"" : : "i"(static_cast<int64_t>(value)))
#define OFFSET(name, type, member) VALUE(name, offsetof(type, member))

namespace bulkhead::kernel {

struct AsmOffsets {
    using State = ExecutionContext::State;
    using Word = abi::CapabilityWord;
    using Entry = ObjectTable::Generation;

    static void system_calls() {
        OFFSET(FRAME_RCX, RegisterFrame, rcx);
        OFFSET(FRAME_CS, RegisterFrame, cs);
        OFFSET(FRAME_RIP, RegisterFrame, rip);
        OFFSET(FRAME_RFLAGS, RegisterFrame, rflags);
        OFFSET(FRAME_RSP, RegisterFrame, rsp);
        OFFSET(FRAME_ERROR_CODE, RegisterFrame, error_code);
        VALUE(FRAME_SIZE, sizeof(RegisterFrame));  // behind it, in the thread, stands the stack to continue on
        static_assert(offsetof(UserFrame, kernel_stack_top) == sizeof(RegisterFrame));
        OFFSET(TASK_STATE_RSP0, x86::TaskStateSegment, rsp);

        OFFSET(CPU_TASK_STATE, Cpu, task_state_segment);
        OFFSET(CPU_RUNNING, Cpu, running);
        OFFSET(CPU_RUNNING_ON, Cpu, running_on);
        OFFSET(CPU_LOADED_ROOT, Cpu, loaded_root);
        OFFSET(CPU_IDLE_HANDLER, Cpu, idle_handler);
        OFFSET(CPU_PLAIN_CALLER, Cpu, plain_caller);

        OFFSET(CONTEXT_FRAME, ExecutionContext, frame_);
        OFFSET(CONTEXT_FRAME_END, ExecutionContext, frame_.kernel_stack_top);
        OFFSET(CONTEXT_FLAGS, ExecutionContext, slow_flags_);
        OFFSET(CONTEXT_STATE, ExecutionContext, state_);
        OFFSET(CONTEXT_ROOT, ExecutionContext, space_root_);
        OFFSET(CONTEXT_SLOTS, ExecutionContext, slots_);
        OFFSET(CONTEXT_SLOT_COUNT, ExecutionContext, slot_count_);
        OFFSET(CONTEXT_CALLER, ExecutionContext, caller_);
        OFFSET(CONTEXT_CALLEE, ExecutionContext, callee_);
        OFFSET(CONTEXT_DONATED, ExecutionContext, donated_);
        static_assert(offsetof(ExecutionContext, state_) == offsetof(ExecutionContext, slow_flags_) + 4 &&
                      offsetof(ExecutionContext, cpu_) == offsetof(ExecutionContext, slow_flags_) + 6 &&
                      offsetof(ExecutionContext, slow_flags_) % 8 == 0 && sizeof(State) == 1);  // plain_word
        VALUE(FLAG_VCPU, ExecutionContext::SlowFlag::Vcpu);
        VALUE(STATE_READY, State::Ready);
        VALUE(STATE_IDLE, State::Idle);
        VALUE(STATE_IN_CALL, State::InCall);
        OFFSET(THREAD_STACK, Thread, stack_);
        OFFSET(THREAD_MESSAGE_BUFFER, Thread, message_buffer_);
        OFFSET(MESSAGE_WORDS, abi::MessageBuffer, words);
        VALUE(MESSAGE_MAX_WORDS, abi::max_buffer_words);
        VALUE(TAG_WORDS_SHIFT, abi::MessageTag::BufferWords::low);
        OFFSET(PORTAL_HANDLER, Portal, handler_);
        OFFSET(PORTAL_ENTRY, Portal, entry_);
        OFFSET(PORTAL_BADGE, Portal, badge_);

        VALUE(CAPABILITY_INDEX_MASK, Word::Index::mask);
        VALUE(CAPABILITY_GENERATION_SHIFT, Word::Generation::low);
        VALUE(CAPABILITY_RIGHTS_SHIFT, Word::RightsField::low);
        constexpr uint64_t call = Word::RightsField::make(abi::PortalRight::Call);
        VALUE(CAPABILITY_CALLABLE, (call | Word::Type::make(abi::ObjectType::Portal)) >> Word::RightsField::low);
        VALUE(CAPABILITY_CALLABLE_MASK, (call | Word::Type::mask) >> Word::RightsField::low);
        VALUE(ENTRY_GENERATION_SHIFT, Entry::low);
        static_assert(Word::Generation::width == Entry::width);
    }

    static void exits() {
        VALUE(GUEST_REGISTERS_SIZE, sizeof(GuestFrame::general));
        OFFSET(GUEST_FRAME_STACK, GuestFrame, kernel_stack_top);
        OFFSET(GUEST_RCX, GuestFrame, general[1]);
        OFFSET(GUEST_RDX, GuestFrame, general[2]);
        OFFSET(GUEST_RBX, GuestFrame, general[3]);
        OFFSET(GUEST_CR2, GuestFrame, general[4]);

        OFFSET(CPU_SCHEDULER, Cpu, scheduler);
        OFFSET(CPU_LOADED_VCPU, Cpu, loaded_vcpu);
        OFFSET(CPU_FS_BASE, Cpu, fs_base);
        OFFSET(CPU_GS_BASE, Cpu, gs_base);
        OFFSET(CPU_TASK_REGISTER_CUT, Cpu, task_register_cut);
        OFFSET(CPU_GUEST_IN_CPU, Cpu, guest_in_cpu);
        OFFSET(CPU_ASID_GENERATION, Cpu, asid_generation);
        OFFSET(CPU_HOST_VMCB, Cpu, host_vmcb);
        OFFSET(SCHEDULER_PREEMPT, Scheduler, preempt_);
        OFFSET(FPU_XCR0, FpuState, xcr0_);
        OFFSET(FPU_LOADED, FpuState, loaded_);
        OFFSET(SPACE_FLUSH_GENERATION, AddressSpace, flush_generation_);

        OFFSET(VCPU_FRAME, Vcpu, hardware_.frame);
        OFFSET(VCPU_RIP, Vcpu, hardware_.rip);
        OFFSET(VCPU_INTERRUPTED, Vcpu, hardware_.interrupted);
        OFFSET(VCPU_INSTRUCTION_LENGTH, Vcpu, hardware_.instruction_length);
        OFFSET(VCPU_INJECTING, Vcpu, hardware_.injecting);
        OFFSET(VCPU_STEP, Vcpu, hardware_.step);
        OFFSET(VCPU_LAUNCHED, Vcpu, hardware_.launched);
        OFFSET(VCPU_TAG_GENERATION, Vcpu, hardware_.tag_generation);
        OFFSET(VCPU_CONTROL_BLOCK, Vcpu, hardware_.control_block);
        OFFSET(VCPU_CONTROL_BLOCK_ADDRESS, Vcpu, hardware_.control_block_address);
        OFFSET(VCPU_HOST_SPACE, Vcpu, hardware_.host_space);
        OFFSET(VCPU_PHASE, Vcpu, phase_);
        OFFSET(VCPU_REASON, Vcpu, reason_);
        OFFSET(VCPU_OSXSAVE, Vcpu, osxsave_);
        OFFSET(VCPU_EVENTS, Vcpu, events_);
        OFFSET(VCPU_ACTIVITY, Vcpu, activity_);
        OFFSET(VCPU_VALID_GROUPS, Vcpu, valid_groups_);
        OFFSET(VCPU_SEQUENCE, Vcpu, sequence_);
        OFFSET(VCPU_PORTAL_WORD, Vcpu, portal_word_);
        OFFSET(VCPU_SPACE, Vcpu, space_);
        OFFSET(VCPU_FLUSH_GENERATION, Vcpu, flush_generation_);
        OFFSET(VCPU_EXIT, Vcpu, exit_);
        OFFSET(VCPU_GROUPS_CPUID, Vcpu, groups_[static_cast<size_t>(abi::ExitReason::Cpuid)]);
        OFFSET(VCPU_STATE_PAGE, Vcpu, state_memory_);
        OFFSET(VCPU_FPU, Vcpu, fpu_);
        VALUE(VCPU_IN_EXIT, Vcpu::Phase::InExit);
        VALUE(VCPU_RUNNING, Vcpu::Phase::Running);
        VALUE(VCPU_IN_KERNEL, Vcpu::Activity::InKernel);
        VALUE(VCPU_IN_GUEST, Vcpu::Activity::InGuest);

        OFFSET(STATE_PAGE_CPUID_EXITS, abi::VcpuStatePage, exits[static_cast<size_t>(abi::ExitReason::Cpuid)]);
        VALUE(STATE_PAGE_TASK_PRIORITY, abi::virtual_apic_page_offset + static_cast<size_t>(VirtualApic::Register::Tpr));
        VALUE(EXIT_REASON_CPUID, abi::ExitReason::Cpuid);
        VALUE(EXIT_LABEL_LENGTH_SHIFT, abi::MessageTag::Label::low + abi::ExitLabel::InstructionLength::low);
        VALUE(EXIT_LABEL_CPUID_BIT, abi::MessageTag::Label::low);
        static_assert(static_cast<int>(abi::ExitReason::Cpuid) == 1);
        // Whose results are the reply's four words, or none.
        VALUE(REASONS_IN_REGISTERS, 1 << static_cast<int>(abi::ExitReason::Cpuid) |
                                        1 << static_cast<int>(abi::ExitReason::MsrWrite) |
                                        1 << static_cast<int>(abi::ExitReason::PortWrite));
        VALUE(CR4_OSXSAVE, x86::Cr4::XsaveEnable::mask);
        VALUE(CR4_OSXSAVE_SHIFT, Vcpu::cpuid_osxsave_bit - x86::Cr4::XsaveEnable::low);
        VALUE(CPUID_XSAVE_LEAF, x86::CpuidXsave::leaf);
    }

    static void doorbells() {
        OFFSET(VCPU_DOMAIN, Vcpu, owner_);
        OFFSET(DOMAIN_DOORBELLS, Domain, doorbells_);
        OFFSET(DOORBELL_KEY, Doorbell, key_);
        OFFSET(DOORBELL_NEXT, Doorbell, next_);
        VALUE(DOORBELL_MULTIPLIER, static_cast<int32_t>(DoorbellTable::multiplier));
        VALUE(DOORBELL_SHIFT, DoorbellTable::shift);
        VALUE(VMX_PORT_KEY_MASK, static_cast<int32_t>(VmxBackend::port_key_mask));
        VALUE(SVM_PORT_KEY_MASK, static_cast<int32_t>(SvmBackend::port_key_mask));
        static_assert(offsetof(DoorbellTable, buckets_) == 0);
    }

    static void control_blocks() {
        VALUE(VMCS_QUALIFICATION, x86::VmcsField::Qualification);
        VALUE(VMX_EXIT_IO, x86::VmxExit::IoInstruction);
        OFFSET(VMCB_EXIT_INFO_1, x86::Vmcb, exit_info_1);
        OFFSET(VMCB_EXIT_INFO_2, x86::Vmcb, exit_info_2);
        VALUE(SVM_EXIT_IO, x86::SvmExit::Io);
        VALUE(VMCS_EXIT_REASON, x86::VmcsField::ExitReason);
        VALUE(VMCS_INSTRUCTION_LENGTH, x86::VmcsField::InstructionLength);
        VALUE(VMCS_GUEST_INTERRUPTIBILITY, x86::VmcsField::GuestInterruptibility);
        VALUE(VMCS_GUEST_RIP, x86::VmcsField::GuestRip);
        VALUE(VMCS_GUEST_RFLAGS, x86::VmcsField::GuestRflags);
        VALUE(VMX_EXIT_CPUID, x86::VmxExit::Cpuid);
        OFFSET(VMCB_TLB_CONTROL, x86::Vmcb, tlb_control);
        OFFSET(VMCB_VIRTUAL_INTERRUPT, x86::Vmcb, virtual_interrupt);
        OFFSET(VMCB_INTERRUPT_SHADOW, x86::Vmcb, interrupt_shadow);
        OFFSET(VMCB_EXIT_CODE, x86::Vmcb, exit_code);
        OFFSET(VMCB_EXIT_EVENT, x86::Vmcb, exit_event);
        OFFSET(VMCB_CLEAN, x86::Vmcb, clean);
        OFFSET(VMCB_NEXT_RIP, x86::Vmcb, next_rip);
        OFFSET(VMCB_CR4, x86::Vmcb, cr4);
        OFFSET(VMCB_RFLAGS, x86::Vmcb, rflags);
        OFFSET(VMCB_RIP, x86::Vmcb, rip);
        OFFSET(VMCB_RAX, x86::Vmcb, rax);
        VALUE(SVM_EXIT_CPUID, x86::SvmExit::Cpuid);
    }
};

// Somebody has to call them for the compiler to keep them.
void write_asm_offsets() {
    AsmOffsets::system_calls();
    AsmOffsets::exits();
    AsmOffsets::doorbells();
    AsmOffsets::control_blocks();
}

}  // namespace bulkhead::kernel
