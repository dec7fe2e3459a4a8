// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/fpu.hpp"

#include <algorithm>
#include <new>

#include "kernel/object/domain.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {
namespace {

constexpr uint64_t legacy_area_bytes = 512;
constexpr uint64_t xsave_header_bytes = 64;
/// x87, SSE, AVX, AVX-512, PKRU. Not MPX (gone) and AMX (8 KiB that only its users should pay for).
constexpr uint64_t wanted_components = 0x2e7;

constinit uint64_t components = 1;
constinit size_t area_bytes = legacy_area_bytes;

void write_xcr0(Cpu& cpu, uint64_t value) {
    if (cpu.xcr0 == value || !cpu_features().xsave) return;
    const bool accepted = write_xcr0_checked(value);
    ASSERT(accepted);  // every value was accepted by this CPU before
    cpu.xcr0 = value;
}

void save(std::byte* area) {
    if (cpu_features().xsave) {
        asm volatile("xsave64 (%0)" : : "r"(area), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
    } else {
        asm volatile("fxsave64 (%0)" : : "r"(area) : "memory");
    }
}

void restore(const std::byte* area) {
    if (cpu_features().xsave) {
        asm volatile("xrstor64 (%0)" : : "r"(area), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
    } else {
        asm volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
    }
}

void set_task_switched(Cpu& cpu, bool set) {
    if (cpu.task_switched == set) return;
    cpu.task_switched = set;
    if (set) {
        write_cr0(read_cr0() | x86::Cr0::TaskSwitched::mask);
    } else {
        asm volatile("clts" : : : "memory");
    }
}

}  // namespace

void FpuState::detect() {
    if (!cpu_features().xsave) return;
    const x86::CpuidResult all = cpuid(x86::CpuidLeaf::xsave);
    components = (uint64_t{all.edx} << 32 | all.eax) & wanted_components;
    area_bytes = legacy_area_bytes + xsave_header_bytes;
    for (uint32_t component = 2; component < 64; ++component) {
        if ((components >> component & 1) == 0) continue;
        const x86::CpuidResult place = cpuid(x86::CpuidLeaf::xsave, component);  // EAX: size, EBX: offset
        area_bytes = std::max<size_t>(area_bytes, place.eax + place.ebx);
    }
}

void FpuState::initialize_cpu() {
    write_xcr0(Cpu::current(), components);
    set_task_switched(Cpu::current(), true);
}

void FpuState::prepare_for_thread(FpuState* next) {
    if (next != nullptr) next->load();
    set_task_switched(Cpu::current(), next == nullptr);
}

void FpuState::load_for_guest() {
    load();
    set_task_switched(Cpu::current(), true);
}

void FpuState::load() {
    Cpu& cpu = Cpu::current();
    if (cpu.fpu == this) return;
    set_task_switched(cpu, false);
    if (cpu.fpu != nullptr) cpu.fpu->follow_cpu();
    write_xcr0(cpu, components);
    if (cpu.fpu != nullptr) {
        save(cpu.fpu->area());
        cpu.fpu->loaded_ = false;
    }
    restore(area());
    cpu.fpu = this;
    loaded_ = true;
    loaded_on_ = cpu.id;
    write_xcr0(cpu, xcr0_);
}

abi::Result<FpuState*> FpuState::create(Domain& payer) {
    constexpr size_t control_word_offset = 0, mxcsr_offset = 24;
    constexpr uint16_t initial_control_word = 0x37f;
    constexpr uint32_t initial_mxcsr = 0x1f80;
    auto* state = new (TRY(payer.heap().allocate(sizeof(FpuState) + area_bytes))) FpuState;
    state->xcr0_ = components;
    __builtin_memcpy(state->area() + control_word_offset, &initial_control_word, sizeof initial_control_word);
    __builtin_memcpy(state->area() + mxcsr_offset, &initial_mxcsr, sizeof initial_mxcsr);
    return state;
}

void FpuState::destroy(Domain& payer) {
    const auto forget = [this] {
        if (Cpu::current().fpu == this) Cpu::current().fpu = nullptr;
    };
    if (loaded_) cross_cpu::run_on(loaded_on_, forget);
    payer.heap().free(this);
}

void FpuState::follow_cpu() {
    Cpu& cpu = Cpu::current();
    if (cpu.fpu != this || !cpu_features().xsave) return;
    cpu.xcr0 = read_xcr0();
    xcr0_ = cpu.xcr0 & components;
}

bool FpuState::set_xcr0(uint64_t value) {
    Cpu& cpu = Cpu::current();
    if (!cpu_features().xsave || !valid_xcr0(value, components)) return false;
    // Tried at once, so that a value the CPU refuses is never kept.
    const uint64_t before = cpu.xcr0;
    if (value != before && !write_xcr0_checked(value)) return false;
    cpu.xcr0 = value;
    xcr0_ = value;
    if (cpu.fpu != this) write_xcr0(cpu, before);
    return true;
}

}  // namespace bulkhead::kernel
