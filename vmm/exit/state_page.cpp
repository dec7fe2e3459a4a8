// SPDX-License-Identifier: Apache-2.0
#include "vmm/exit/state_page.hpp"

namespace bulkhead::vmm {
namespace {

using Group = abi::VcpuStateGroup;

/// Access rights in the VMCS format (Intel SDM volume 3, 25.4.1).
namespace access {
constexpr uint32_t code_64 = 0xa09b;
constexpr uint32_t data_flat = 0xc093;
constexpr uint32_t code_16 = 0x009b;
constexpr uint32_t data_16 = 0x0093;
constexpr uint32_t busy_task = 0x008b;
constexpr uint32_t local_table = 0x0082;
constexpr uint32_t unusable = 1 << 16;
}  // namespace access

constexpr uint64_t init_cr0 = 0x60000010;
constexpr uint64_t boot_cr0 = 0x80010033;  // PE, MP, ET, NE, WP, PG
constexpr uint64_t boot_cr4 = 1 << 5;      // PAE
constexpr uint64_t boot_efer = 0x500;      // LME, LMA
constexpr uint64_t init_dr6 = 0xffff0ff0;
constexpr uint64_t init_dr7 = 0x400;
constexpr uint64_t init_pat = 0x0007040600070406;
constexpr uint64_t init_rdx = 0x600;  // family 6: "what processor is this" of old code
constexpr uint32_t real_mode_limit = 0xffff;
constexpr uint32_t task_limit = 0x67;

SegmentState segment(const abi::SegmentState& state) {
    return {state.selector, static_cast<uint16_t>(state.access & 0xffff), state.limit, state.base};
}

abi::SegmentState make_segment(uint16_t selector, uint64_t base, uint32_t limit, uint32_t rights) {
    return {selector, 0, limit, base, rights, 0};
}

/// General registers in the order of the encoding.
uint64_t* gpr(abi::VcpuStatePage& page, Gpr index) {
    static_assert(offsetof(abi::VcpuStatePage, r15) - offsetof(abi::VcpuStatePage, rax) == 15 * sizeof(uint64_t));
    return &page.rax + static_cast<unsigned>(index);
}

void write_init_state(abi::VcpuStatePage& page) {
    for (unsigned index = 0; index < gpr_count; ++index) *gpr(page, static_cast<Gpr>(index)) = 0;
    page.rdx = init_rdx;
    page.rip = 0xfff0;
    page.rflags = rflags::reserved_one;
    page.cs = make_segment(0xf000, 0xffff0000, real_mode_limit, access::code_16);
    for (abi::SegmentState* data : {&page.ss, &page.ds, &page.es, &page.fs, &page.gs}) {
        *data = make_segment(0, 0, real_mode_limit, access::data_16);
    }
    page.ldtr = make_segment(0, 0, real_mode_limit, access::local_table);
    page.tr = make_segment(0, 0, real_mode_limit, access::busy_task);
    page.gdtr = page.idtr = {0, real_mode_limit, 0};
    page.cr0 = init_cr0;
    page.cr2 = page.cr3 = page.cr4 = page.efer = 0;
    page.xcr0 = 1;
    page.dr0 = page.dr1 = page.dr2 = page.dr3 = 0;
    page.dr6 = init_dr6;
    page.dr7 = init_dr7;
    page.interruptibility = 0;
}

/// INIT leaves PAT, the TSC and the system-call MSRs alone.
constexpr abi::VcpuStateGroups init_groups = abi::VcpuStateGroups{Group::GeneralRegisters} | Group::InstructionPointer |
                                             Group::CodeSegments | Group::DataSegments | Group::SystemSegments |
                                             Group::ControlRegisters | Group::DebugRegisters | Group::Interruptibility;

void write_linux_state(abi::VcpuStatePage& page, const LinuxEntry& entry) {
    write_init_state(page);
    page.rdx = 0;
    page.rsi = entry.boot_parameters.value();
    page.rip = entry.instruction.value();
    page.cs = make_segment(entry.code_selector, 0, UINT32_MAX, access::code_64);
    for (abi::SegmentState* data : {&page.ss, &page.ds, &page.es, &page.fs, &page.gs}) {
        *data = make_segment(entry.data_selector, 0, UINT32_MAX, access::data_flat);
    }
    page.ldtr = make_segment(0, 0, 0, access::local_table | access::unusable);
    page.tr = make_segment(entry.task_selector, 0, task_limit, access::busy_task);
    page.gdtr = {entry.descriptor_table.value(), entry.descriptor_table_limit, 0};
    page.idtr = {0, 0, 0};
    page.cr0 = boot_cr0;
    page.cr3 = entry.page_table.value();
    page.cr4 = boot_cr4;
    page.efer = boot_efer;
    page.pat = init_pat;
}

}  // namespace

Registers read_registers(const abi::VcpuStatePage& page) {
    Registers registers;
    auto& mutable_page = const_cast<abi::VcpuStatePage&>(page);
    for (unsigned index = 0; index < gpr_count; ++index) registers.gpr[index] = *gpr(mutable_page, static_cast<Gpr>(index));
    registers.rip = page.rip;
    registers.rflags = page.rflags;
    registers[Segment::Es] = segment(page.es);
    registers[Segment::Cs] = segment(page.cs);
    registers[Segment::Ss] = segment(page.ss);
    registers[Segment::Ds] = segment(page.ds);
    registers[Segment::Fs] = segment(page.fs);
    registers[Segment::Gs] = segment(page.gs);
    registers.paging = {page.cr0, page.cr3, page.cr4, page.efer};
    return registers;
}

abi::VcpuStateGroups apply(const PageChange& change, const LinuxEntry& entry, abi::VcpuStatePage& page) {
    abi::VcpuStateGroups groups;
    switch (change.kind) {
        case PageChange::Kind::None: break;
        case PageChange::Kind::Registers:
            for (const RegisterChange& reg : change.registers.gpr) *gpr(page, reg.index) = reg.value;
            page.rip = change.registers.rip;
            page.rflags = change.registers.rflags;
            groups = abi::VcpuStateGroups{Group::InstructionPointer};
            if (!change.registers.gpr.empty()) groups = groups | Group::GeneralRegisters;
            break;
        case PageChange::Kind::Reset:
            write_init_state(page);
            groups = init_groups;
            break;
        case PageChange::Kind::Start:
            write_init_state(page);
            page.cs = make_segment(static_cast<uint16_t>(change.start_vector << 8), uint64_t{change.start_vector} << 12,
                                   real_mode_limit, access::code_16);
            page.rip = 0;
            groups = init_groups;
            break;
        case PageChange::Kind::LinuxBoot:
            write_linux_state(page, entry);
            groups = init_groups | Group::PageAttributes;
            break;
    }
    if (change.sets_tsc_offset) {
        page.tsc_offset = change.tsc_offset;
        groups = groups | Group::TimeStampCounter;
    }
    return groups;
}

}  // namespace bulkhead::vmm
