// SPDX-License-Identifier: Apache-2.0
// Constants that assembly and C++ share. What assembly takes from C++ types is in asm_offsets.cpp.
#pragma once

// Selectors; see DescriptorTable in cpu.hpp for why they stand in this order.
#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_STACK 0x10
#define SELECTOR_USER_CODE 0x2b
#define SELECTOR_USER_STACK_SYSRET 0x23
#define SELECTOR_USER_STACK_SYSEXIT 0x33
#define SELECTOR_TASK_STATE 0x38
#define SELECTOR_AP_CODE_32 0x18  // of the table that CPUs start with (boot.S)

// The CPU blocks: where they lie, and their stack in them.
#define CPU_REGION_BASE 0xffffc00000000000
#define CPU_BLOCK_SIZE 0x10000
#define CPU_STACK_TOP 0x7000

// Where an application processor starts; must be a page below 1 MiB. What lies there (a boot module, say) comes back.
#define AP_TRAMPOLINE 0x8000
#define AP_TRAMPOLINE_SIZE 64

// The image: linked 1 MiB above this.
#define IMAGE_BASE 0xffffffff80000000

// The page programs enter from, and where in it they come back to.
#define STUB_PAGE 0x3ff000
#define STUB_RETURN (STUB_PAGE + 8)
