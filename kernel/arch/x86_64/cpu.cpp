// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/cpu.hpp"

#include <new>

#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/memory/kernel_space.hpp"

namespace bulkhead::kernel {
namespace {

constinit std::atomic<unsigned> online_cpus{0};

void fill_task_state(const Cpu& cpu) {
    const auto block = reinterpret_cast<uint64_t>(&cpu);
    x86::TaskStateSegment& segment = cpu.task_state->segment;
    segment.rsp[0] = cpu.kernel_stack_top;
    for (unsigned i = 0; i < CpuBlock::interrupt_stacks; ++i)
        segment.interrupt_stack[i] = block + CpuBlock::interrupt_stack_top(i);
    segment.io_bitmap_offset = sizeof(x86::TaskStateSegment);
    __builtin_memset(cpu.task_state->io_bitmap, UINT8_MAX, TaskState::bitmap_bytes);
    __builtin_memset(cpu.task_state->end_of_bitmap, UINT8_MAX, page_size_bytes);
}

}  // namespace

unsigned cpu_count() { return online_cpus.load(std::memory_order_acquire); }

void Cpu::load_task_register() {
    const auto base = reinterpret_cast<uint64_t>(&task_state->segment);
    descriptors().task_state_low = x86::SegmentDescriptor::task_state(base, TaskState::limit);
    descriptors().task_state_high = x86::SegmentDescriptor{base >> 32};
    kernel::load_task_register(SELECTOR_TASK_STATE);  // the descriptor was made anew: available, not busy
}

Cpu* make_cpu(unsigned id, uint32_t apic_id) {
    const auto block = reinterpret_cast<uint64_t>(&Cpu::at(id));
    const uint64_t task_state = task_state_region_base + id * sizeof(TaskState);
    for (uint64_t offset = 0; offset < CpuBlock::size_bytes; offset += page_size_bytes) {
        const bool used = offset < CpuBlock::data_bytes || CpuBlock::is_stack(offset);
        if (used && !map_kernel_pages(block + offset, page_size_bytes)) return nullptr;
    }
    if (!map_kernel_pages(task_state, sizeof(TaskState))) return nullptr;
    auto* cpu = new (&Cpu::at(id)) Cpu{};
    cpu->id = id;
    cpu->apic_id = apic_id;
    new (&cpu->descriptors()) DescriptorTable{};
    cpu->kernel_stack_top = block + CPU_STACK_TOP;
    cpu->task_state = reinterpret_cast<TaskState*>(task_state);
    fill_task_state(*cpu);
    return cpu;
}

// CR0, EFER and the segment registers stay as boot.S has set them: its descriptors stand in this table too.
void set_up_this_cpu(Cpu& cpu) {
    using x86::Cr4;
    const CpuFeatures& has = cpu_features();
    write_cr4(Cr4::PhysicalAddressExtension::mask | Cr4::MachineCheckEnable::mask | Cr4::FxSaveEnable::mask |
              Cr4::SimdExceptions::mask | Cr4::PageGlobalEnable::make(has.global_pages) |
              Cr4::XsaveEnable::make(has.xsave) | Cr4::UserInstructionPrevention::make(has.umip) |
              Cr4::SupervisorExecutionPrevention::make(has.smep) | Cr4::SupervisorAccessPrevention::make(has.smap));
    load_gdt({sizeof(DescriptorTable) - 1, reinterpret_cast<uint64_t>(&cpu.descriptors())});
    cpu.load_task_register();
    load_local_descriptor_table(0);
    load_interrupt_table();
    write_dr7(0);
}

void announce_this_cpu() { online_cpus.fetch_add(1, std::memory_order_acq_rel); }

}  // namespace bulkhead::kernel
