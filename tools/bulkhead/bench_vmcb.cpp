// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_vmcb.hpp"

#include <fmt/format.h>

#include "hw/x86/svm.hpp"

namespace bulkhead::tool {

namespace {

struct NamedField {
    std::uint64_t offset;
    std::uint64_t size;
    const char* name;
    bool clean_bit;
};

#define FIELD(name, clean_bit) {offsetof(x86::Vmcb, name), sizeof(x86::Vmcb::name), #name, clean_bit}
constexpr NamedField kFields[] = {
    FIELD(intercept_cr, true),
    FIELD(intercept_dr, true),
    FIELD(intercept_exceptions, true),
    FIELD(intercept_1, true),
    FIELD(intercept_2, true),
    FIELD(io_permission_map, true),
    FIELD(msr_permission_map, true),
    FIELD(tsc_offset, true),
    FIELD(asid, true),
    FIELD(tlb_control, false),
    FIELD(virtual_interrupt, true),
    FIELD(interrupt_shadow, false),
    FIELD(exit_code, false),
    FIELD(exit_info_1, false),
    FIELD(exit_info_2, false),
    FIELD(exit_event, false),
    FIELD(nested_paging, true),
    FIELD(event_injection, false),
    FIELD(nested_cr3, true),
    FIELD(virtualization_extensions, false),
    FIELD(clean, false),
    FIELD(next_rip, false),
    FIELD(es, true),
    FIELD(cs, true),
    FIELD(ss, true),
    FIELD(ds, true),
    FIELD(fs, false),
    FIELD(gs, false),
    FIELD(gdtr, true),
    FIELD(ldtr, false),
    FIELD(idtr, true),
    FIELD(tr, false),
    FIELD(cpl, true),
    FIELD(efer, true),
    FIELD(cr4, true),
    FIELD(cr3, true),
    FIELD(cr0, true),
    FIELD(dr7, true),
    FIELD(dr6, true),
    FIELD(rflags, false),
    FIELD(rip, false),
    FIELD(rsp, false),
    FIELD(rax, false),
    FIELD(star, false),
    FIELD(lstar, false),
    FIELD(cstar, false),
    FIELD(sfmask, false),
    FIELD(kernel_gs_base, false),
    FIELD(sysenter_cs, false),
    FIELD(sysenter_esp, false),
    FIELD(sysenter_eip, false),
    FIELD(cr2, true),
    FIELD(pat, true),
    FIELD(debug_control, true),
};
#undef FIELD

const NamedField* find(std::uint64_t offset) {
    for (const auto& field : kFields) {
        if (offset >= field.offset && offset < field.offset + field.size) return &field;
    }
    return nullptr;
}

}  // namespace

std::string vmcb_field_name(std::uint64_t offset) {
    const auto* field = find(offset);
    return field != nullptr ? field->name : fmt::format("offset {:#x}", offset);
}

bool has_vmcb_clean_bit(std::uint64_t offset) {
    const auto* field = find(offset);
    return field != nullptr && field->clean_bit;
}

}  // namespace bulkhead::tool
