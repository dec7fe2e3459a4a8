// SPDX-License-Identifier: Apache-2.0
// Numbers that assembly and C++ share. C++ checks each by static_assert where the type is declared.
#pragma once

// Selectors; see DescriptorTable in cpu.hpp for why they stand in this order.
#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_STACK 0x10
#define SELECTOR_USER_CODE 0x2b
#define SELECTOR_USER_STACK_SYSRET 0x23
#define SELECTOR_USER_STACK_SYSEXIT 0x33
#define SELECTOR_TASK_STATE 0x38
#define SELECTOR_AP_CODE_32 0x18  // of the table that application processors start with

// RegisterFrame; behind it, in the thread object, stands the stack to continue on.
#define FRAME_RCX 104
#define FRAME_ERROR_CODE 128
#define FRAME_RIP 136
#define FRAME_CS 144
#define FRAME_RFLAGS 152
#define FRAME_RSP 160
#define FRAME_SIZE 176
#define FRAME_WORDS 22

// CPU block, and members of Cpu.
#define CPU_BLOCK_SIZE 0x10000
#define CPU_STACK_TOP 0x7000
#define CPU_TASK_STATE 8
#define CPU_KERNEL_STACK_TOP 16
#define TASK_STATE_RSP0 4

// Where an application processor starts; must be a page below 1 MiB. What lies there (a boot module, say) comes back.
#define AP_TRAMPOLINE 0x8000
#define AP_TRAMPOLINE_SIZE 512

// The image: linked 1 MiB above this.
#define IMAGE_BASE 0xffffffff80000000

// System calls: where user space comes from, and where its frame lies in an ExecutionContext.
#define STUB_PAGE 0x3ff000
#define CPU_REGION_BASE 0xffffc00000000000
#define CPU_STACK_TOP 0x7000
#define STUB_RETURN (STUB_PAGE + 8)
#define CPU_RUNNING 24
#define CPU_RUNNING_ON 32
#define CPU_LOADED_ROOT 56
#define CPU_IDLE_HANDLER 64
#define CPU_PLAIN_CALLER 72
#define CONTEXT_FRAME 112
#define CONTEXT_FRAME_END (CONTEXT_FRAME + FRAME_SIZE)
#define CONTEXT_FLAGS 304
#define CONTEXT_STATE 308
#define CONTEXT_ROOT 312
#define CONTEXT_SLOTS 320
#define CONTEXT_SLOT_COUNT 328
#define CONTEXT_CALLER 336
#define CONTEXT_CALLEE 344
#define CONTEXT_DONATED 352
#define FLAG_VCPU 1
#define STATE_READY 0
#define STATE_IDLE 1
#define STATE_IN_CALL 2
#define THREAD_STACK 496
#define PORTAL_HANDLER 104
#define PORTAL_ENTRY 112
#define PORTAL_BADGE 120

// The capability word and the object table's entries; see CapabilityWord and ObjectTable.
#define CAPABILITY_INDEX_MASK 0x3fffff
#define CAPABILITY_GENERATION_SHIFT 22
#define CAPABILITY_RIGHTS_SHIFT 44
#define CAPABILITY_CALLABLE ((5 << 12) | (1 << 2))
#define CAPABILITY_CALLABLE_MASK ((0x3f << 12) | (1 << 2))
#define ENTRY_GENERATION_SHIFT 42
#define ENTRY_POINTER_LEFT 22
#define ENTRY_POINTER_RIGHT 16

// What the paths of exits touch beside that (hot_paths.h).
#define CPU_SCHEDULER 40
#define CPU_LOADED_VCPU 80
#define CPU_FS_BASE 112
#define CPU_GS_BASE 120
#define CPU_TASK_REGISTER_CUT 104
#define CPU_GUEST_IN_CPU 128
#define CPU_ASID_GENERATION 136
#define CPU_HOST_VMCB 144
#define VCPU_FRAME 408
#define VCPU_RIP 632
#define VCPU_INTERRUPTED 656
#define VCPU_INSTRUCTION_LENGTH 664
#define VCPU_INJECTING 665
#define VCPU_LAUNCHED 666
#define VCPU_TAG_GENERATION 680
#define VCPU_CONTROL_BLOCK 696
#define VCPU_CONTROL_BLOCK_ADDRESS 704
#define VCPU_HOST_SPACE 720
#define VCPU_PHASE 768
#define VCPU_REASON 769
#define VCPU_OSXSAVE 770
#define VCPU_EVENTS 780
#define VCPU_ACTIVITY 784
#define VCPU_VALID_GROUPS 788
#define VCPU_SEQUENCE 792
#define VCPU_PORTAL_WORD 800
#define VCPU_SPACE 808
#define VCPU_FLUSH_GENERATION 816
#define VCPU_EXIT 824
#define VCPU_GROUPS_CPUID 916
#define VCPU_STATE_PAGE 984
#define VCPU_FPU 1000
#define SCHEDULER_PREEMPT 88
#define FPU_XCR0 0
#define FPU_LOADED 12
#define SPACE_FLUSH_GENERATION 24
#define STATE_PAGE_EXITS 640
#define STATE_PAGE_TASK_PRIORITY (4096 + 0x80)
#define VCPU_IN_EXIT 0
#define VCPU_RUNNING 1
#define VCPU_IN_KERNEL 0
#define VCPU_IN_GUEST 1
#define EXIT_REASON_CPUID 1
#define EXIT_LABEL_LENGTH_SHIFT 8
// CPUID, MsrWrite, PortWrite: their results are the reply's four words, or none.
#define REASONS_IN_REGISTERS (1 << 1 | 1 << 3 | 1 << 5)
#define CR4_OSXSAVE (1 << 18)
#define CPUID_XSAVE_LEAF 0xd

// VT-x: fields and the exit reason (Intel SDM vol. 3D, appendices B and C).
#define VMCS_EXIT_REASON 0x4402
#define VMCS_INSTRUCTION_LENGTH 0x440c
#define VMCS_GUEST_INTERRUPTIBILITY 0x4824
#define VMCS_GUEST_RIP 0x681e
#define VMCS_GUEST_RFLAGS 0x6820
#define VMX_EXIT_CPUID 10

// AMD-V: the VMCB and the exit code (AMD APM vol. 2, appendices B and C).
#define VMCB_TLB_CONTROL 0x5c
#define VMCB_VIRTUAL_INTERRUPT 0x60
#define VMCB_INTERRUPT_SHADOW 0x68
#define VMCB_EXIT_CODE 0x70
#define VMCB_EXIT_EVENT 0x88
#define VMCB_CLEAN 0xc0
#define VMCB_NEXT_RIP 0xc8
#define VMCB_CR4 0x548
#define VMCB_RFLAGS 0x570
#define VMCB_RIP 0x578
#define VMCB_RAX 0x5f8
#define SVM_EXIT_CPUID 0x72
