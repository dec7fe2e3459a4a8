// SPDX-License-Identifier: Apache-2.0
// What assembly needs to know of C++ types. Never linked: the build compiles this to assembly and takes the header
// asm_offsets.h from it (cmake/AsmOffsets.cmake), so a member that moves cannot be missed. The header's names are a
// prefix and the last name from here, in capitals: VCPU(hardware_.rip) makes VCPU_RIP.
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/doorbell.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/schedule/scheduler.hpp"

#define VALUE(name, value) asm volatile(".ascii \"->" #name " %c0\"" : : "i"(static_cast<int64_t>(value)));
#define OFFSET(prefix, type, member) VALUE(prefix member, offsetof(type, member))
#define CONSTANT(prefix, type, name) VALUE(prefix name, type::name)
// FRAME_R15, and .LFRAME_r15 for macros that are given registers (`save` and `load` in hot_paths.h).
#define REGISTER(frame, name, offset) VALUE(frame name, offset) VALUE(.L##frame name, offset)
#define FRAME(name) REGISTER(FRAME, name, offsetof(RegisterFrame, name))
#define GUEST(name, number) REGISTER(GUEST, name, offsetof(GuestFrame, general[number]))
#define CPU(member) OFFSET(CPU, Cpu, member)
#define CONTEXT(member) OFFSET(CONTEXT, ExecutionContext, member)
#define TIME(member) OFFSET(TIME, SchedulingContext, member)
#define VCPU(member) OFFSET(VCPU, Vcpu, member)
#define VMCB(member) OFFSET(VMCB, x86::Vmcb, member)
#define VMCS(field) CONSTANT(VMCS, x86::VmcsField, field)
// The type and a right in a capability's word, and the mask for both.
#define RIGHT(name, type, right)                                                                                       \
    VALUE(CAPABILITY name, (Word::Type::make(abi::ObjectType::type) | Word::RightsField::make(right)) >> rights_shift) \
    VALUE(CAPABILITY name##_MASK, (Word::Type::mask | Word::RightsField::make(right)) >> rights_shift)

namespace bulkhead::kernel {

// clang-format off
struct AsmOffsets {
    using State = ExecutionContext::State;
    using Word = abi::CapabilityWord;
    using Entry = ObjectTable::Generation;
    static constexpr unsigned rights_shift = Word::RightsField::low;
    static constexpr auto cpuid = static_cast<unsigned>(abi::ExitReason::Cpuid);

    [[gnu::used]] static void write() {
        FRAME(r15) FRAME(r14) FRAME(r13) FRAME(r12) FRAME(rbx) FRAME(r10) FRAME(r9)  FRAME(r8) FRAME(rsi) FRAME(rdi)
        FRAME(rax) FRAME(rbp) FRAME(rdx) FRAME(r11) FRAME(rip) FRAME(rsp) FRAME(cs) FRAME(rflags)
        VALUE(FRAME_SIZE, sizeof(RegisterFrame))  // behind it, in the thread, stands the stack to continue on
        static_assert(offsetof(UserFrame, kernel_stack_top) == sizeof(RegisterFrame));
        OFFSET(TASK_STATE, TaskState, segment.rsp)

        CPU(running)      CPU(running_on)    CPU(scheduler)  CPU(loaded_root)   CPU(task_state)
        CPU(switched)     CPU(idle_handler)  CPU(waiter)     CPU(plain_caller)  CPU(task_register_cut)  CPU(fs_base)
        CPU(loaded_vcpu)  CPU(guest_in_cpu)  CPU(host_vmcb)  CPU(gs_base)       CPU(asid_generation)

        CONTEXT(frame_)       CONTEXT(slow_flags_)  CONTEXT(state_)   CONTEXT(space_root_)  CONTEXT(slots_)
        CONTEXT(slot_count_)  CONTEXT(caller_)      CONTEXT(callee_)  CONTEXT(donated_)     CONTEXT(parked_)
        static_assert(offsetof(ExecutionContext, state_) == offsetof(ExecutionContext, slow_flags_) + 4 &&
                      offsetof(ExecutionContext, cpu_) == offsetof(ExecutionContext, slow_flags_) + 6 &&
                      offsetof(ExecutionContext, slow_flags_) % 8 == 0 && sizeof(State) == 1);  // plain_word
        CONSTANT(STATE, State, Ready)   CONSTANT(STATE, State, Idle)
        CONSTANT(STATE, State, InCall)  CONSTANT(STATE, State, Waiting)
        CONSTANT(FLAG, ExecutionContext::SlowFlag, Vcpu)  CONSTANT(FLAG, ExecutionContext::SlowFlag, Switched)
        OFFSET(THREAD, Thread, stack_)      OFFSET(THREAD, Thread, message_buffer_)
        OFFSET(THREAD, Thread, wait_mask_)  OFFSET(THREAD, Thread, waiting_for_)
        OFFSET(FPU, FpuState, xcr0_)        OFFSET(FPU, FpuState, loaded_)
        OFFSET(SPACE, AddressSpace, flush_generation_)

        VALUE(CAPABILITY_INDEX_MASK, Word::Index::mask)  VALUE(CAPABILITY_RIGHTS_SHIFT, rights_shift)
        VALUE(CAPABILITY_GENERATION_SHIFT, Word::Generation::low)
        RIGHT(CALLABLE, Portal, abi::PortalRight::Call)
        RIGHT(SIGNALLABLE, Notification, abi::NotificationRight::Signal)
        RIGHT(AWAITABLE, Notification, abi::NotificationRight::Wait)
        VALUE(ENTRY_GENERATION_SHIFT, Entry::low)
        static_assert(Word::Generation::width == Entry::width && Entry::low + Entry::width == 64);

        OFFSET(MESSAGE, abi::MessageBuffer, words)
        VALUE(MESSAGE_MAX_WORDS, abi::max_buffer_words)  VALUE(TAG_WORDS_SHIFT, abi::MessageTag::BufferWords::low)
        OFFSET(PORTAL, Portal, handler_)  OFFSET(PORTAL, Portal, entry_)  OFFSET(PORTAL, Portal, badge_)

        VALUE(CALL_NULL, abi::number_of<abi::Null>)  VALUE(CALL_SIGNAL, abi::number_of<abi::Signal>)
        VALUE(CALL_WAIT, abi::number_of<abi::Wait>)  CONSTANT(STATUS, abi::Status, TimedOut)
        static_assert(abi::no_deadline == ~uint64_t{0} && static_cast<int>(abi::Status::Ok) == 0);
        OFFSET(NOTIFICATION, Notification, target_)  OFFSET(NOTIFICATION, Notification, allowed_)
        OFFSET(NOTIFICATION, Notification, bits_)    OFFSET(NOTIFICATION, Notification, waiter_)

        TIME(state_)     TIME(priority_)  TIME(plain_)    TIME(active_)     TIME(next_)
        TIME(previous_)  TIME(parked_on_) TIME(started_)  TIME(slice_left_)
        CONSTANT(TIME, SchedulingContext::State, Ready)   CONSTANT(TIME, SchedulingContext::State, Running)
        CONSTANT(TIME, SchedulingContext::State, Parked)
        OFFSET(SCHEDULER, Scheduler, preempt_)       OFFSET(SCHEDULER, Scheduler, slice_end_)
        OFFSET(SCHEDULER, Scheduler, ready_.rings_)  OFFSET(SCHEDULER, Scheduler, ready_.words_)
        OFFSET(SCHEDULER, Scheduler, ready_.words_in_use_)
        static_assert(sizeof(SchedulingRing) == 8);

        GUEST(rax, 0)   GUEST(rcx, 1)   GUEST(rdx, 2)   GUEST(rbx, 3)   GUEST(cr2, 4)   GUEST(rbp, 5)  GUEST(rsi, 6)
        GUEST(rdi, 7)   GUEST(r8, 8)    GUEST(r9, 9)    GUEST(r10, 10)  GUEST(r11, 11)  GUEST(r12, 12)
        GUEST(r13, 13)  GUEST(r14, 14)  GUEST(r15, 15)
        OFFSET(GUEST, GuestFrame, kernel_stack_top)
        VALUE(GUEST_REGISTERS_SIZE, sizeof(GuestFrame::general))

        VCPU(hardware_.frame)      VCPU(hardware_.rip)   VCPU(hardware_.interrupted)  VCPU(hardware_.instruction_length)
        VCPU(hardware_.injecting)  VCPU(hardware_.step)  VCPU(hardware_.launched)     VCPU(hardware_.tag_generation)
        VCPU(hardware_.control_block)  VCPU(hardware_.control_block_address)          VCPU(hardware_.host_space)
        VCPU(phase_)         VCPU(reason_)    VCPU(osxsave_)   VCPU(events_)        VCPU(activity_)  VCPU(valid_groups_)
        VCPU(sequence_)      VCPU(space_)     VCPU(fpu_)       VCPU(portal_word_)   VCPU(exit_)      VCPU(owner_)
        VCPU(state_memory_)  VCPU(flush_generation_)
        VALUE(VCPU_GROUPS_CPUID, offsetof(Vcpu, groups_[cpuid]))
        CONSTANT(VCPU, Vcpu::Phase, InExit)       CONSTANT(VCPU, Vcpu::Phase, Running)
        CONSTANT(VCPU, Vcpu::Activity, InKernel)  CONSTANT(VCPU, Vcpu::Activity, InGuest)

        VALUE(STATE_PAGE_CPUID_EXITS, offsetof(abi::VcpuStatePage, exits[cpuid]))
        VALUE(STATE_PAGE_TASK_PRIORITY, abi::virtual_apic_page_offset + static_cast<int>(VirtualApic::Register::Tpr))
        VALUE(EXIT_REASON_CPUID, cpuid)
        VALUE(EXIT_LABEL_LENGTH_SHIFT, abi::MessageTag::Label::low + abi::ExitLabel::InstructionLength::low)
        VALUE(EXIT_LABEL_CPUID_BIT, abi::MessageTag::Label::low)
        static_assert(cpuid == 1);
        // Whose results are the reply's four words, or none.
        VALUE(REASONS_IN_REGISTERS, 1 << cpuid | 1 << static_cast<int>(abi::ExitReason::MsrWrite) |
                                        1 << static_cast<int>(abi::ExitReason::PortWrite))
        VALUE(CR4_OSXSAVE, x86::Cr4::XsaveEnable::mask)
        VALUE(CR4_OSXSAVE_SHIFT, Vcpu::cpuid_osxsave_bit - x86::Cr4::XsaveEnable::low)
        VALUE(CPUID_XSAVE_LEAF, x86::CpuidLeaf::xsave)

        OFFSET(DOMAIN, Domain, doorbells_)
        OFFSET(DOORBELL, Doorbell, key_)  OFFSET(DOORBELL, Doorbell, next_)
        VALUE(DOORBELL_MULTIPLIER, static_cast<int32_t>(DoorbellTable::multiplier))
        CONSTANT(DOORBELL, DoorbellTable, shift)
        static_assert(offsetof(DoorbellTable, buckets_) == 0);
        VALUE(VMX_PORT_KEY_MASK, static_cast<int32_t>(PortExit<x86::VmxIo>::key_mask))
        VALUE(SVM_PORT_KEY_MASK, static_cast<int32_t>(PortExit<x86::SvmIo>::key_mask))

        VMCS(ExitReason)  VMCS(Qualification)  VMCS(InstructionLength)
        VMCS(GuestRip)    VMCS(GuestRflags)    VMCS(GuestInterruptibility)
        VMCB(exit_code)   VMCB(exit_info_1)    VMCB(exit_info_2)  VMCB(exit_event)  VMCB(virtual_interrupt)
        VMCB(next_rip)    VMCB(tlb_control)    VMCB(clean)        VMCB(rflags)      VMCB(interrupt_shadow)
        VMCB(rip)         VMCB(rax)            VMCB(cr4)
        CONSTANT(VMX_EXIT, x86::VmxExit, Cpuid)  CONSTANT(VMX_EXIT, x86::VmxExit, IoInstruction)
        CONSTANT(SVM_EXIT, x86::SvmExit, Cpuid)  CONSTANT(SVM_EXIT, x86::SvmExit, Io)
    }
};
// clang-format on

}  // namespace bulkhead::kernel
