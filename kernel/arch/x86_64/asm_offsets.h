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
