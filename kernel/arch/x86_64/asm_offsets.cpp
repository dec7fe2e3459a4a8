// SPDX-License-Identifier: Apache-2.0
// What assembly needs to know of C++ types. Never linked: the build compiles this to assembly and takes the header
// asm_offsets.h from it (cmake/AsmOffsets.cmake), so a member that moves cannot be missed.
#include "abi/calls.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/capability/object_table.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/doorbell.hpp"
#include "kernel/object/notification.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/schedule/scheduler.hpp"

#define VALUE(name, value) asm volatile(".ascii \"->" #name " %c0\"" : : "i"(static_cast<int64_t>(value)));
#define OFFSET(name, type, member) VALUE(name, offsetof(type, member))
#define FRAME(name, member) OFFSET(FRAME_##name, RegisterFrame, member)
#define CPU(name, member) OFFSET(CPU_##name, Cpu, member)
#define CONTEXT(name, member) OFFSET(CONTEXT_##name, ExecutionContext, member)
#define TIME(name, member) OFFSET(TIME_##name, SchedulingContext, member)
#define GUEST(name, member) OFFSET(GUEST_##name, GuestFrame, member)
#define VCPU(name, member) OFFSET(VCPU_##name, Vcpu, member)
#define VMCS(name, field) VALUE(VMCS_##name, x86::VmcsField::field)
#define VMCB(name, member) OFFSET(VMCB_##name, x86::Vmcb, member)

namespace bulkhead::kernel {

// clang-format off
struct AsmOffsets {
    using State = ExecutionContext::State;
    using Word = abi::CapabilityWord;
    using Entry = ObjectTable::Generation;

    static void system_calls() {
        FRAME(R15, r15)  FRAME(R14, r14)  FRAME(R13, r13)  FRAME(R12, r12)  FRAME(RBX, rbx)  FRAME(R10, r10)
        FRAME(R9, r9)    FRAME(R8, r8)    FRAME(RSI, rsi)  FRAME(RDI, rdi)  FRAME(RAX, rax)  FRAME(RCX, rcx)
        FRAME(CS, cs)    FRAME(RIP, rip)  FRAME(RSP, rsp)  FRAME(RFLAGS, rflags)
        VALUE(FRAME_SIZE, sizeof(RegisterFrame))  // behind it, in the thread, stands the stack to continue on
        static_assert(offsetof(UserFrame, kernel_stack_top) == sizeof(RegisterFrame));
        OFFSET(TASK_STATE_RSP0, x86::TaskStateSegment, rsp)

        CPU(TASK_STATE, task_state_segment)  CPU(RUNNING, running)            CPU(RUNNING_ON, running_on)
        CPU(LOADED_ROOT, loaded_root)        CPU(IDLE_HANDLER, idle_handler)  CPU(PLAIN_CALLER, plain_caller)

        CONTEXT(FRAME, frame_)          CONTEXT(FRAME_END, frame_.kernel_stack_top)
        CONTEXT(FLAGS, slow_flags_)     CONTEXT(STATE, state_)    CONTEXT(ROOT, space_root_)  CONTEXT(SLOTS, slots_)
        CONTEXT(SLOT_COUNT, slot_count_) CONTEXT(CALLER, caller_) CONTEXT(CALLEE, callee_)    CONTEXT(DONATED, donated_)
        static_assert(offsetof(ExecutionContext, state_) == offsetof(ExecutionContext, slow_flags_) + 4 &&
                      offsetof(ExecutionContext, cpu_) == offsetof(ExecutionContext, slow_flags_) + 6 &&
                      offsetof(ExecutionContext, slow_flags_) % 8 == 0 && sizeof(State) == 1);  // plain_word
        VALUE(FLAG_VCPU, ExecutionContext::SlowFlag::Vcpu)
        VALUE(STATE_READY, State::Ready)  VALUE(STATE_IDLE, State::Idle)  VALUE(STATE_IN_CALL, State::InCall)
        OFFSET(THREAD_STACK, Thread, stack_)
        OFFSET(THREAD_MESSAGE_BUFFER, Thread, message_buffer_)
        OFFSET(MESSAGE_WORDS, abi::MessageBuffer, words)
        VALUE(MESSAGE_MAX_WORDS, abi::max_buffer_words)
        VALUE(TAG_WORDS_SHIFT, abi::MessageTag::BufferWords::low)
        OFFSET(PORTAL_HANDLER, Portal, handler_)
        OFFSET(PORTAL_ENTRY, Portal, entry_)  OFFSET(PORTAL_BADGE, Portal, badge_)

        VALUE(CAPABILITY_INDEX_MASK, Word::Index::mask)
        VALUE(CAPABILITY_GENERATION_SHIFT, Word::Generation::low)
        VALUE(CAPABILITY_RIGHTS_SHIFT, Word::RightsField::low)
        constexpr uint64_t call = Word::RightsField::make(abi::PortalRight::Call);
        VALUE(CAPABILITY_CALLABLE, (call | Word::Type::make(abi::ObjectType::Portal)) >> Word::RightsField::low)
        VALUE(CAPABILITY_CALLABLE_MASK, (call | Word::Type::mask) >> Word::RightsField::low)
        VALUE(ENTRY_GENERATION_SHIFT, Entry::low)
        static_assert(Word::Generation::width == Entry::width && Entry::low + Entry::width == 64);
    }

    static void notifications() {
        OFFSET(NOTIFICATION_TARGET, Notification, target_)  OFFSET(NOTIFICATION_ALLOWED, Notification, allowed_)
        OFFSET(NOTIFICATION_BITS, Notification, bits_)      OFFSET(NOTIFICATION_WAITER, Notification, waiter_)
        VALUE(CALL_NULL, abi::number_of<abi::Null>)
        VALUE(CALL_SIGNAL, abi::number_of<abi::Signal>)
        VALUE(CALL_WAIT, abi::number_of<abi::Wait>)
        VALUE(STATUS_TIMED_OUT, abi::Status::TimedOut)
        constexpr uint64_t type = Word::Type::make(abi::ObjectType::Notification);
        constexpr uint64_t signal = Word::RightsField::make(abi::NotificationRight::Signal);
        constexpr uint64_t wait = Word::RightsField::make(abi::NotificationRight::Wait);
        VALUE(CAPABILITY_SIGNALLABLE, (signal | type) >> Word::RightsField::low)
        VALUE(CAPABILITY_SIGNALLABLE_MASK, (signal | Word::Type::mask) >> Word::RightsField::low)
        VALUE(CAPABILITY_AWAITABLE, (wait | type) >> Word::RightsField::low)
        VALUE(CAPABILITY_AWAITABLE_MASK, (wait | Word::Type::mask) >> Word::RightsField::low)
        static_assert(abi::no_deadline == ~uint64_t{0} && static_cast<int>(abi::Status::Ok) == 0);

        TIME(STATE, state_)  TIME(PRIORITY, priority_)    TIME(PLAIN, plain_)  TIME(ACTIVE, active_)
        TIME(NEXT, next_)    TIME(PREVIOUS, previous_)    TIME(STARTED, started_)
        TIME(PARKED_ON, parked_on_)                       TIME(SLICE_LEFT, slice_left_)
        VALUE(TIME_READY, SchedulingContext::State::Ready)
        VALUE(TIME_RUNNING, SchedulingContext::State::Running)
        VALUE(TIME_PARKED, SchedulingContext::State::Parked)
        OFFSET(SCHEDULER_RINGS, Scheduler, ready_.rings_)
        OFFSET(SCHEDULER_WORDS, Scheduler, ready_.words_)
        OFFSET(SCHEDULER_WORDS_IN_USE, Scheduler, ready_.words_in_use_)
        OFFSET(SCHEDULER_SLICE_END, Scheduler, slice_end_)
        static_assert(sizeof(SchedulingRing) == 8);
        CONTEXT(PARKED, parked_.first_)
        OFFSET(THREAD_WAIT_MASK, Thread, wait_mask_)
        OFFSET(THREAD_WAITING_FOR, Thread, waiting_for_)
        VALUE(STATE_WAITING, State::Waiting)
        VALUE(FLAGS_SWITCHED, ExecutionContext::SlowFlag::Switched)
        CPU(WAITER, waiter)  CPU(SWITCHED, switched)
    }

    static void exits() {
        VALUE(GUEST_REGISTERS_SIZE, sizeof(GuestFrame::general))
        GUEST(FRAME_STACK, kernel_stack_top)
        GUEST(RCX, general[1])  GUEST(RDX, general[2])  GUEST(RBX, general[3])  GUEST(CR2, general[4])

        CPU(SCHEDULER, scheduler)        CPU(LOADED_VCPU, loaded_vcpu)          CPU(FS_BASE, fs_base)
        CPU(GS_BASE, gs_base)            CPU(TASK_REGISTER_CUT, task_register_cut)
        CPU(GUEST_IN_CPU, guest_in_cpu)  CPU(ASID_GENERATION, asid_generation)  CPU(HOST_VMCB, host_vmcb)
        OFFSET(SCHEDULER_PREEMPT, Scheduler, preempt_)
        OFFSET(FPU_XCR0, FpuState, xcr0_)  OFFSET(FPU_LOADED, FpuState, loaded_)
        OFFSET(SPACE_FLUSH_GENERATION, AddressSpace, flush_generation_)

        VCPU(FRAME, hardware_.frame)          VCPU(RIP, hardware_.rip)    VCPU(INTERRUPTED, hardware_.interrupted)
        VCPU(INJECTING, hardware_.injecting)  VCPU(STEP, hardware_.step)  VCPU(LAUNCHED, hardware_.launched)
        VCPU(INSTRUCTION_LENGTH, hardware_.instruction_length)  VCPU(TAG_GENERATION, hardware_.tag_generation)
        VCPU(CONTROL_BLOCK, hardware_.control_block)  VCPU(CONTROL_BLOCK_ADDRESS, hardware_.control_block_address)
        VCPU(HOST_SPACE, hardware_.host_space)
        VCPU(PHASE, phase_)    VCPU(REASON, reason_)      VCPU(OSXSAVE, osxsave_)            VCPU(EVENTS, events_)
        VCPU(EXIT, exit_)      VCPU(ACTIVITY, activity_)  VCPU(VALID_GROUPS, valid_groups_)  VCPU(SEQUENCE, sequence_)
        VCPU(SPACE, space_)    VCPU(FPU, fpu_)            VCPU(PORTAL_WORD, portal_word_)
        VCPU(FLUSH_GENERATION, flush_generation_)         VCPU(STATE_PAGE, state_memory_)
        VCPU(GROUPS_CPUID, groups_[static_cast<size_t>(abi::ExitReason::Cpuid)])
        VALUE(VCPU_IN_EXIT, Vcpu::Phase::InExit)          VALUE(VCPU_RUNNING, Vcpu::Phase::Running)
        VALUE(VCPU_IN_KERNEL, Vcpu::Activity::InKernel)   VALUE(VCPU_IN_GUEST, Vcpu::Activity::InGuest)

        OFFSET(STATE_PAGE_CPUID_EXITS, abi::VcpuStatePage, exits[static_cast<size_t>(abi::ExitReason::Cpuid)])
        VALUE(STATE_PAGE_TASK_PRIORITY,
              abi::virtual_apic_page_offset + static_cast<size_t>(VirtualApic::Register::Tpr))
        VALUE(EXIT_REASON_CPUID, abi::ExitReason::Cpuid)
        VALUE(EXIT_LABEL_LENGTH_SHIFT, abi::MessageTag::Label::low + abi::ExitLabel::InstructionLength::low)
        VALUE(EXIT_LABEL_CPUID_BIT, abi::MessageTag::Label::low)
        static_assert(static_cast<int>(abi::ExitReason::Cpuid) == 1);
        // Whose results are the reply's four words, or none.
        VALUE(REASONS_IN_REGISTERS, 1 << static_cast<int>(abi::ExitReason::Cpuid) |
                                        1 << static_cast<int>(abi::ExitReason::MsrWrite) |
                                        1 << static_cast<int>(abi::ExitReason::PortWrite))
        VALUE(CR4_OSXSAVE, x86::Cr4::XsaveEnable::mask)
        VALUE(CR4_OSXSAVE_SHIFT, Vcpu::cpuid_osxsave_bit - x86::Cr4::XsaveEnable::low)
        VALUE(CPUID_XSAVE_LEAF, x86::CpuidLeaf::xsave)
    }

    static void doorbells() {
        VCPU(DOMAIN, owner_)
        OFFSET(DOMAIN_DOORBELLS, Domain, doorbells_)
        OFFSET(DOORBELL_KEY, Doorbell, key_)
        OFFSET(DOORBELL_NEXT, Doorbell, next_)
        VALUE(DOORBELL_MULTIPLIER, static_cast<int32_t>(DoorbellTable::multiplier))
        VALUE(DOORBELL_SHIFT, DoorbellTable::shift)
        VALUE(VMX_PORT_KEY_MASK, static_cast<int32_t>(PortExit<x86::VmxIo>::key_mask))
        VALUE(SVM_PORT_KEY_MASK, static_cast<int32_t>(PortExit<x86::SvmIo>::key_mask))
        static_assert(offsetof(DoorbellTable, buckets_) == 0);
    }

    static void control_blocks() {
        VMCS(EXIT_REASON, ExitReason)  VMCS(GUEST_INTERRUPTIBILITY, GuestInterruptibility)
        VMCS(GUEST_RIP, GuestRip)      VMCS(INSTRUCTION_LENGTH, InstructionLength)  VMCS(GUEST_RFLAGS, GuestRflags)
        VMCS(QUALIFICATION, Qualification)
        VMCB(EXIT_CODE, exit_code)     VMCB(EXIT_EVENT, exit_event)    VMCB(VIRTUAL_INTERRUPT, virtual_interrupt)
        VMCB(TLB_CONTROL, tlb_control) VMCB(CLEAN, clean)              VMCB(INTERRUPT_SHADOW, interrupt_shadow)
        VMCB(NEXT_RIP, next_rip)       VMCB(RIP, rip)                  VMCB(RFLAGS, rflags)
        VMCB(RAX, rax)                 VMCB(CR4, cr4)
        VMCB(EXIT_INFO_1, exit_info_1) VMCB(EXIT_INFO_2, exit_info_2)
        VALUE(VMX_EXIT_CPUID, x86::VmxExit::Cpuid)  VALUE(SVM_EXIT_CPUID, x86::SvmExit::Cpuid)
        VALUE(VMX_EXIT_IO, x86::VmxExit::IoInstruction)  VALUE(SVM_EXIT_IO, x86::SvmExit::Io)
    }
};
// clang-format on

// Somebody has to call them for the compiler to keep them.
void write_asm_offsets() {
    AsmOffsets::system_calls();
    AsmOffsets::notifications();
    AsmOffsets::exits();
    AsmOffsets::doorbells();
    AsmOffsets::control_blocks();
}

}  // namespace bulkhead::kernel
