// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/cpu.hpp"

#include <new>

#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/memory/kernel_space.hpp"

namespace bulkhead::kernel {
namespace {

constinit std::atomic<unsigned> online_cpus{0};

void describe_task_state(Cpu& cpu, uint16_t limit) {
    const auto base = reinterpret_cast<uint64_t>(cpu.task_state_segment);
    cpu.descriptors().task_state_low = x86::SegmentDescriptor::task_state(base, limit);
    cpu.descriptors().task_state_high = x86::SegmentDescriptor{base >> 32};
}

void fill_task_state(Cpu& cpu) {
    const auto block = reinterpret_cast<uint64_t>(&cpu);
    x86::TaskStateSegment& segment = cpu.task_state->segment;
    segment = {};
    segment.rsp[0] = cpu.kernel_stack_top;
    for (unsigned i = 0; i < CpuBlock::interrupt_stacks; ++i)
        segment.interrupt_stack[i] = block + CpuBlock::interrupt_stack_top(i);
    segment.io_bitmap_offset = sizeof(x86::TaskStateSegment);
    __builtin_memset(cpu.task_state->io_bitmap, UINT8_MAX, TaskState::bitmap_bytes);
    __builtin_memset(cpu.task_state->end_of_bitmap, UINT8_MAX, page_size_bytes);
}

/// Reloads CS (by a far return) and SS; the data segments stay null, 64-bit mode ignores them.
void load_segments() {
    uint64_t scratch;
    asm volatile(
        "push %[code]\n\t"
        "lea 1f(%%rip), %[scratch]\n\t"
        "push %[scratch]\n\t"
        "lretq\n"
        "1: mov %k[stack], %%ss\n\t"
        "mov %k[null], %%ds\n\t"
        "mov %k[null], %%es\n\t"
        "mov %k[null], %%fs\n\t"
        "mov %k[null], %%gs\n\t"
        : [scratch] "=&r"(scratch)
        : [code] "i"(SELECTOR_KERNEL_CODE), [stack] "r"(uint64_t{SELECTOR_KERNEL_STACK}), [null] "r"(uint64_t{0})
        : "memory");
}

}  // namespace

unsigned cpu_count() { return online_cpus.load(std::memory_order_acquire); }

void Cpu::load_task_register(bool with_ports) {
    describe_task_state(*this, with_ports ? TaskState::limit_with_bitmap : TaskState::limit_without_bitmap);
    kernel::load_task_register(SELECTOR_TASK_STATE);  // the descriptor was made anew: available, not busy
}

bool map_cpu(unsigned id) {
    const uint64_t block = cpu_region_base + id * CpuBlock::size_bytes;
    if (!map_kernel_pages(block, CpuBlock::data_bytes)) return false;
    for (uint64_t page = 0; page < CpuBlock::size_bytes / page_size_bytes; ++page) {
        if (CpuBlock::is_stack_page(page) && !map_kernel_pages(block + page * page_size_bytes, page_size_bytes))
            return false;
    }
    return map_kernel_pages(task_state_region_base + id * sizeof(TaskState), sizeof(TaskState));
}

Cpu& prepare_cpu(unsigned id, uint32_t apic_id) {
    Cpu& cpu = *new (&Cpu::at(id)) Cpu{};
    new (&cpu.descriptors()) DescriptorTable{};
    cpu.id = id;
    cpu.apic_id = apic_id;
    cpu.kernel_stack_top = reinterpret_cast<uint64_t>(&cpu) + CpuBlock::stack_top;
    cpu.task_state = reinterpret_cast<TaskState*>(task_state_region_base + id * sizeof(TaskState));
    cpu.task_state_segment = &cpu.task_state->segment;
    fill_task_state(cpu);
    return cpu;
}

void set_up_this_cpu(Cpu& cpu) {
    enable_cpu_features();
    load_gdt({sizeof(DescriptorTable) - 1, reinterpret_cast<uint64_t>(&cpu.descriptors())});
    load_segments();
    cpu.load_task_register(false);
    load_local_descriptor_table(0);
    load_interrupt_table();
    write_dr7(0);
}

void announce_this_cpu(Cpu& cpu) {
    online_cpus.fetch_add(1, std::memory_order_acq_rel);
    cpu.online.store(true, std::memory_order_release);
}

}  // namespace bulkhead::kernel
