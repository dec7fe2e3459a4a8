// SPDX-License-Identifier: Apache-2.0
// One block of kernel memory per CPU: its data, its stack, its stacks for NMI, #DF, #MC and #DB. The kernel never uses
// FS or GS; any code finds its CPU by masking RSP, since every stack lies in the block. Each member is used by its own
// CPU only, unless it says otherwise. Instructions, features and the kernel's address space come with this header.
#pragma once

#include <atomic>

#include "kernel/arch/x86_64/features.hpp"
#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/vcpu_hardware.hpp"

namespace bulkhead::kernel {

inline constexpr unsigned max_cpus = abi::maximum_cpus;

/// Where things stand in the 64 KiB of a CPU block. The pages not named stay unmapped and stop stack overflows.
struct CpuBlock {
    static constexpr uint64_t size_bytes = CPU_BLOCK_SIZE;
    static constexpr uint64_t data_bytes = 2 * page_size_bytes;
    /// One bit per page of a stack: 3 to 6 are the main one's; each second page from 8 is one for interrupts.
    static constexpr unsigned stack_pages = 0b0101'0101'0111'1000;
    static constexpr unsigned interrupt_stacks = 4;
    static constexpr uint64_t interrupt_stack_top(unsigned index) { return (9 + 2 * index) * page_size_bytes; }
    /// Whether the byte at this offset, of this block or of another one, belongs to a stack.
    static constexpr bool is_stack(uint64_t offset) {
        return offset < size_bytes && (stack_pages >> (offset >> page_shift) & 1) != 0;
    }
};
static_assert(CpuBlock::is_stack(CPU_STACK_TOP - 1) && !CpuBlock::is_stack(CPU_STACK_TOP));

/// Global descriptor table; the order suits SYSENTER/SYSEXIT and SYSCALL/SYSRET (SDM vol. 2B, SYSEXIT and SYSRET).
/// SYSEXIT takes user code and stack from SYSENTER_CS + 32 and + 40, SYSRET from STAR[63:48] + 16 and + 8: with
/// SYSENTER_CS = 8 and STAR[63:48] = 18h + 3, the user code selector is one, the user stack selector is not.
struct DescriptorTable {
    x86::SegmentDescriptor null{};
    x86::SegmentDescriptor kernel_code = x86::SegmentDescriptor::flat(true, true, 0);
    x86::SegmentDescriptor kernel_stack = x86::SegmentDescriptor::flat(false, false, 0);
    x86::SegmentDescriptor user_code_32 = x86::SegmentDescriptor::flat(true, false, 3);
    x86::SegmentDescriptor user_stack_sysret = x86::SegmentDescriptor::flat(false, false, 3);
    x86::SegmentDescriptor user_code = x86::SegmentDescriptor::flat(true, true, 3);
    x86::SegmentDescriptor user_stack_sysexit = x86::SegmentDescriptor::flat(false, false, 3);
    x86::SegmentDescriptor task_state_low{};
    x86::SegmentDescriptor task_state_high{};
};
static_assert(offsetof(DescriptorTable, kernel_code) == SELECTOR_KERNEL_CODE);
static_assert(offsetof(DescriptorTable, kernel_stack) == SELECTOR_KERNEL_STACK);
static_assert(offsetof(DescriptorTable, user_stack_sysret) + 3 == SELECTOR_USER_STACK_SYSRET);
static_assert(offsetof(DescriptorTable, user_code) + 3 == SELECTOR_USER_CODE);
static_assert(offsetof(DescriptorTable, user_stack_sysexit) + 3 == SELECTOR_USER_STACK_SYSEXIT);
static_assert(offsetof(DescriptorTable, task_state_low) == SELECTOR_TASK_STATE);

/// TSS and I/O permission bitmap of a CPU: four pages in a region of their own. The TSS ends with the first page, so
/// the bitmap fills the next two exactly and can be copied, or mapped, per domain; the last page holds the byte of ones
/// the CPU wants behind it (SDM vol. 1, 19.5.2).
struct TaskState {
    static constexpr uint64_t bitmap_bytes = 8192;
    static constexpr uint16_t limit = sizeof(x86::TaskStateSegment) + bitmap_bytes;

    std::byte padding[page_size_bytes - sizeof(x86::TaskStateSegment)];
    x86::TaskStateSegment segment;
    uint8_t io_bitmap[bitmap_bytes];  // a set bit forbids a port
    uint8_t end_of_bitmap[page_size_bytes];
};
static_assert(sizeof(TaskState) == 4 * page_size_bytes && offsetof(TaskState, io_bitmap) == page_size_bytes);

class ExecutionContext;
class FpuState;
class SchedulingContext;
class Scheduler;
class Vcpu;

struct Cpu {
    uint32_t id = 0;  // dense index; the bootstrap processor is 0
    uint32_t apic_id = 0;
    uint64_t kernel_stack_top = 0;            // main stack, empty
    ExecutionContext* running = nullptr;      // what executes; null while the CPU idles
    SchedulingContext* running_on = nullptr;  // whose time passes
    Scheduler* scheduler = nullptr;
    TaskState* task_state = nullptr;
    // What is loaded for user space; see user_context.hpp.
    PhysicalAddress loaded_root;
    uint32_t switched = 0;  // flags of the thread whose FPU registers, bases and ports are, or were, loaded
    // What the word of flags, state and CPU is in a handler, or a caller, that the hand-laid paths may go on with.
    uint64_t idle_handler = 0;
    uint64_t plain_caller = 0;
    uint64_t waiter = 0;  // likewise of a thread that waits without a deadline, but for flags of what is switched
    // Whose VMCS is current (VT-x), and whose guest registers without a place in VMCS or VMCB are in the CPU.
    Vcpu* loaded_vcpu = nullptr;
    uint64_t io_version = 0;         // of the I/O bitmap in task_state
    // TR has to be loaded anew before ports are used. A VM exit of VT-x sets its limit to 67h: no bitmap. And KVM gives
    // it back with the type of a busy TSS, as it should; with that type the AMD-V of QEMU 7.2 under KVM allows no port.
    bool task_register_cut = true;
    uint64_t fs_base = 0;
    uint64_t gs_base = 0;
    FpuState* fpu = nullptr;  // whose FPU registers are loaded
    uint64_t xcr0 = 0;
    bool task_switched = false;  // CR0.TS
    // AMD-V.
    bool guest_in_cpu = false;     // its VMLOAD state too; GIF is 0
    uint64_t asid_generation = 1;  // address-space identifiers of earlier ones are void
    PhysicalAddress host_vmcb;     // VMSAVE area of the host

    uint32_t next_tag = 1;         // VPID, ASID
    ResidentRegisters resident{};  // as they stand in the CPU, but for what the loaded guest changes by itself

    /// The CPU that executes this.
    static Cpu& current() {
        uint64_t stack;
        asm("mov %%rsp, %0" : "=r"(stack));
        return *reinterpret_cast<Cpu*>(align_down(stack, CpuBlock::size_bytes));
    }
    /// CPU `id`, which must be below cpu_count().
    static Cpu& at(unsigned id) { return *reinterpret_cast<Cpu*>(cpu_region_base + id * CpuBlock::size_bytes); }

    /// The table lies at the very end of the data pages, before a page that is not there: after a VM exit GDTR.limit is
    /// FFFFh (SDM vol. 3C, 28.5.2), and no selector of a program may turn what lies behind into a descriptor.
    DescriptorTable& descriptors() {
        const uint64_t end = reinterpret_cast<uint64_t>(this) + CpuBlock::data_bytes;
        return *reinterpret_cast<DescriptorTable*>(end - sizeof(DescriptorTable));
    }
    /// Loads TR. Needed again after a VM exit of VT-x, which cuts its limit to 67h (SDM vol. 3C, 28.5.2).
    void load_task_register();
};
static_assert(sizeof(Cpu) + sizeof(DescriptorTable) <= CpuBlock::data_bytes);

/// CPUs that run; constant once the root task starts.
unsigned cpu_count();

// How CPUs come up. Boot code only: the bootstrap processor prepares each CPU's block, then the CPU sets itself up.

/// Maps and fills the CPU block and the task state of CPU `id`. Null if there is no memory.
Cpu* make_cpu(unsigned id, uint32_t apic_id);
/// What a CPU that enters the kernel's part of memory loads, and what it goes on with (boot.S).
struct CpuStart {
    PhysicalAddress root;
    uint64_t stack;
    void (*function)();
};
extern "C" CpuStart cpu_start;
extern "C" [[noreturn]] void enter_cpu();

/// Control registers, descriptor tables and TR of the CPU that runs this, which must be `cpu`.
void set_up_this_cpu(Cpu& cpu);
/// Counts this CPU as running.
void announce_this_cpu();

/// Starts the other processors (INIT, SIPI; SDM vol. 3A, 9.4) and returns when they wait in their `cpu_main`.
void start_other_cpus(const struct AcpiInformation& acpi);
/// Lets them go on.
void release_other_cpus();
/// What a CPU that has been started does once boot is over (root_task.cpp).
[[noreturn]] void cpu_idle_forever(Cpu& cpu);

}  // namespace bulkhead::kernel
