// SPDX-License-Identifier: Apache-2.0
// The entry stub and what programs can do around it: flags set on entry, single-stepping across it, entries from
// elsewhere, SYSCALL of other systems' programs, bad stacks.
#include "tests/system/framework/probe.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

bool is_amd() { return runtime::system_information().vendor == abi::ProcessorVendor::Amd; }

/// A Null call through the stub with RFLAGS from the argument; returns RFLAGS as they are afterwards.
PROBE_FUNCTION(null_with_flags,
               "mov $2, %eax\n\t"
               "push %rdi\n\t"
               "popf\n\t"
               "mov $0x3ff000, %ecx\n\t"
               "call *%rcx\n\t"
               "pushf\n\t"
               "cld\n\t"
               "pop %rax")
static_assert(static_cast<int>(abi::number_of<abi::Null>) == 2 && abi::stub_page_address == 0x3ff000);

/// The entry instruction outside the stub page, with a frame as the stub page leaves it and flags from the argument.
#define OWN_ENTRY(name, instruction)        \
    PROBE_FUNCTION(name,                    \
                   "lea 2f(%rip), %rcx\n\t" \
                   "push %rcx\n\t"          \
                   "push %rbp\n\t"          \
                   "mov %rsp, %rdx\n\t"     \
                   "mov $2, %eax\n\t"       \
                   "push %rdi\n\t"          \
                   "popf\n\t" instruction   \
                   "\n2:\n\t"               \
                   "pushf\n\t"              \
                   "cld\n\t"                \
                   "pop %rax")
OWN_ENTRY(own_sysenter, "sysenter")
OWN_ENTRY(own_syscall, "syscall")

/// The entry instruction with a bad stack pointer in RDX; where it comes back from that it faults.
PROBE_FUNCTION(sysenter_with_stack, "mov %rdi, %rdx\n\tmov $2, %eax\n\tsysenter")
/// The stub page entered with a bad stack pointer, behind its push (which is one byte long).
PROBE_FUNCTION(stub_with_stack, "mov %rdi, %rsp\n\tmov $2, %eax\n\tmov $0x3ff001, %ecx\n\tjmp *%rcx")
PROBE_FUNCTION(int_entry, "mov $2, %eax\n\tint $0x81")

constexpr uint64_t plain = 0x202;
constexpr uint64_t trap_flag = 0x100;
constexpr uint64_t direction_flag = 0x400;
constexpr uint64_t nested_task_flag = 0x4000;
constexpr uint64_t alignment_check_flag = 0x40000;
constexpr uint64_t all_status_flags = 0x8d5;

}  // namespace

SYSTEM_TEST(flags_set_on_entry) {
    for (const uint64_t flags : {direction_flag, nested_task_flag, alignment_check_flag, all_status_flags,
                                 direction_flag | nested_task_flag | alignment_check_flag}) {
        const Outcome outcome = probe(null_with_flags, plain | flags);
        EXPECT(!outcome.faulted);
        EXPECT_EQ(outcome.value & 0x200, 0x200u);
        EXPECT_OK(invoke(abi::Null{}));
    }
}

SYSTEM_TEST(single_stepping_into_the_stub) {
    const Outcome outcome = probe(null_with_flags, plain | trap_flag);
    EXPECT_FAULT(outcome, debug_exception);
    EXPECT_EQ(outcome.frame.rflags & trap_flag, trap_flag);
    EXPECT_OK(invoke(abi::Null{}));
}

SYSTEM_TEST(sysenter_outside_the_stub) {
    const Outcome outcome = probe(own_sysenter, plain);
    if (is_amd()) {
        EXPECT_FAULT(outcome, invalid_opcode);
    } else {
        EXPECT(!outcome.faulted);
    }
    EXPECT_OK(invoke(abi::Null{}));
}

/// The trap of the entry instruction itself arrives in the kernel, on its first instruction.
SYSTEM_TEST(trap_flag_across_the_entry_instruction) {
    for (const uint64_t flags : {trap_flag, trap_flag | nested_task_flag | direction_flag | alignment_check_flag}) {
        const Outcome step = probe(own_sysenter, plain | flags);
        if (is_amd()) EXPECT(step.faulted);
        const Outcome call_step = probe(own_syscall, plain | flags);
        EXPECT(call_step.faulted);
        EXPECT_OK(invoke(abi::Null{}));
    }
}

SYSTEM_TEST(foreign_syscall) {
    const Outcome outcome = probe(own_syscall, plain);
    EXPECT(outcome.faulted);
    if (is_amd()) {
        EXPECT_EQ(outcome.vector, abi::foreign_system_call_label);
        EXPECT_EQ(outcome.frame.rax, 2u);
        EXPECT_EQ(outcome.frame.rsp, outcome.frame.rdx);
    } else {
        EXPECT_EQ(outcome.vector, invalid_opcode);
    }
}

SYSTEM_TEST(bad_stacks_on_entry) {
    for (const uint64_t stack :
         {uint64_t{0}, uint64_t{8}, abi::user_address_limit - 8, abi::user_address_limit, uint64_t{0x7fff'ffff'fff8},
          uint64_t{0x8000'0000'0000}, uint64_t{0x8000'0000'0000'0000}, uint64_t{0xffff'8000'0000'0000}, ~uint64_t{0},
          ~uint64_t{7}}) {
        EXPECT(probe(sysenter_with_stack, stack).faulted);
        EXPECT(probe(stub_with_stack, stack).faulted);
        EXPECT_OK(invoke(abi::Null{}));
    }
}

SYSTEM_TEST(no_other_gate) { EXPECT_FAULT(probe(int_entry, 0), general_protection); }

SYSTEM_TEST(calls_at_the_end_of_the_address_space) {
    MappedMemory m = NEEDED(take_mapped_memory(4096));
    // mov $2, %eax; call *%rcx at the very end: the return address is the limit.
    const uint64_t last_page = abi::user_address_limit - 4096;
    auto* code = m.as<uint8_t>();
    for (int i = 0; i < 4096; ++i) code[i] = 0x90;
    code[4094] = 0xff;
    code[4095] = 0xd1;  // call *%rcx
    EXPECT_OK(m.memory.map(last_page, 0, 4096, runtime::read_execute));
    const Outcome outcome = probe_execute(last_page + 4000);
    EXPECT(outcome.faulted);
    code[4094] = 0x0f;
    code[4095] = 0x05;  // syscall
    EXPECT(probe_execute(last_page + 4000).faulted);
    code[4095] = 0x34;  // sysenter
    EXPECT(probe_execute(last_page + 4000).faulted);
    EXPECT_OK(runtime::unmap(last_page));
    m.destroy();
    EXPECT_OK(invoke(abi::Null{}));
}

}  // namespace bulkhead::test
