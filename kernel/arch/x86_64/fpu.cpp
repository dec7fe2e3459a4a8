// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/x86_64/fpu.hpp"

#include <new>

#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/schedule/cross_cpu.hpp"

namespace bulkhead::kernel {

/// What each CPU has loaded, and the instructions that change it.
struct FpuControl {
    static constexpr uint64_t legacy_area_bytes = 512;
    static constexpr uint64_t xsave_header_bytes = 64;
    /// x87, SSE, AVX, AVX-512, PKRU. Not MPX (gone) and AMX (8 KiB that only its users should pay for).
    static constexpr uint64_t wanted_components = 0x2e7;

    struct alignas(64) PerCpu {
        FpuState* loaded = nullptr;
        uint64_t xcr0 = 0;
        bool task_switched = false;
    };
    static PerCpu cpus[max_cpus];
    static constinit inline uint64_t components = 1;
    static constinit inline size_t area_bytes = legacy_area_bytes;

    static PerCpu& current() { return cpus[Cpu::current().id]; }

    static void set_xcr0(PerCpu& cpu, uint64_t value) {
        if (cpu.xcr0 == value || !cpu_features().xsave) return;
        const bool accepted = write_xcr0_checked(value);
        ASSERT(accepted);  // every value was accepted by this CPU before
        cpu.xcr0 = value;
    }
    static void save(FpuState& state) {
        if (cpu_features().xsave) {
            asm volatile("xsave64 (%0)" : : "r"(state.area()), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
        } else {
            asm volatile("fxsave64 (%0)" : : "r"(state.area()) : "memory");
        }
    }
    static void restore(FpuState& state) {
        if (cpu_features().xsave) {
            asm volatile("xrstor64 (%0)" : : "r"(state.area()), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
        } else {
            asm volatile("fxrstor64 (%0)" : : "r"(state.area()) : "memory");
        }
    }
    static void set_task_switched(PerCpu& cpu, bool set) {
        if (cpu.task_switched == set) return;
        cpu.task_switched = set;
        if (set) {
            write_cr0(read_cr0() | x86::Cr0::TaskSwitched::mask);
        } else {
            asm volatile("clts" : : : "memory");
        }
    }
    /// Leaves TS clear if it had to act.
    static void load(PerCpu& cpu, FpuState& next) {
        if (cpu.loaded == &next) return;
        set_task_switched(cpu, false);
        if (cpu.loaded != nullptr) follow(cpu, *cpu.loaded);
        set_xcr0(cpu, components);
        if (cpu.loaded != nullptr) {
            save(*cpu.loaded);
            cpu.loaded->loaded_ = false;
        }
        restore(next);
        cpu.loaded = &next;
        next.loaded_ = true;
        next.loaded_on_ = Cpu::current().id;
        set_xcr0(cpu, next.xcr0_);
    }
    static void follow(PerCpu& cpu, FpuState& state) {
        if (cpu.loaded != &state || !cpu_features().xsave) return;
        cpu.xcr0 = read_xcr0();
        state.xcr0_ = cpu.xcr0 & components;
    }
    static void forget(void* state) {
        PerCpu& cpu = current();
        if (cpu.loaded == state) cpu.loaded = nullptr;
    }
};

constinit FpuControl::PerCpu FpuControl::cpus[max_cpus]{};

abi::Result<FpuState*> FpuState::create(Domain& payer) {
    constexpr size_t control_word_offset = 0, mxcsr_offset = 24;
    constexpr uint16_t initial_control_word = 0x37f;
    constexpr uint32_t initial_mxcsr = 0x1f80;
    void* memory = TRY(payer.heap().allocate(sizeof(FpuState) + FpuControl::area_bytes));
    FpuState* state = new (memory) FpuState;
    state->xcr0_ = FpuControl::components;
    std::byte* area = state->area();
    __builtin_memset(area, 0, FpuControl::area_bytes);
    __builtin_memcpy(area + control_word_offset, &initial_control_word, sizeof initial_control_word);
    __builtin_memcpy(area + mxcsr_offset, &initial_mxcsr, sizeof initial_mxcsr);
    return state;
}

void FpuState::destroy(Domain& payer) {
    if (loaded_on_ < max_cpus) cross_cpu::run_on(loaded_on_, [this] { FpuControl::forget(this); });
    payer.heap().free(this);
}

void FpuState::follow_cpu() { FpuControl::follow(FpuControl::current(), *this); }

bool FpuState::set_xcr0(uint64_t value) {
    FpuControl::PerCpu& cpu = FpuControl::current();
    if (!cpu_features().xsave) return false;
    // Tried at once, so that a value the CPU refuses is never kept.
    const uint64_t before = cpu.xcr0;
    if (value != before && !write_xcr0_checked(value)) return false;
    cpu.xcr0 = value;
    xcr0_ = value;
    if (cpu.loaded != this) FpuControl::set_xcr0(cpu, before);
    return true;
}

namespace fpu {

void detect() {
    if (!cpu_features().xsave) return;
    const x86::CpuidResult all = cpuid(x86::CpuidLeaf::xsave);
    FpuControl::components = (uint64_t{all.edx} << 32 | all.eax) & FpuControl::wanted_components;
    size_t bytes = FpuControl::legacy_area_bytes + FpuControl::xsave_header_bytes;
    for (uint32_t component = 2; component < 64; ++component) {
        if ((FpuControl::components >> component & 1) == 0) continue;
        const x86::CpuidResult place = cpuid(x86::CpuidLeaf::xsave, component);  // EAX: size, EBX: offset
        if (place.eax + place.ebx > bytes) bytes = place.eax + place.ebx;
    }
    FpuControl::area_bytes = bytes;
}

void initialize_cpu() {
    FpuControl::PerCpu& cpu = FpuControl::current();
    FpuControl::set_xcr0(cpu, FpuControl::components);
    FpuControl::set_task_switched(cpu, true);
}

uint64_t supported_xcr0() { return FpuControl::components; }

void prepare_for(FpuState* next) {
    FpuControl::PerCpu& cpu = FpuControl::current();
    if (next != nullptr) FpuControl::load(cpu, *next);
    FpuControl::set_task_switched(cpu, next == nullptr);
}

void load_for_guest(FpuState& next) {
    FpuControl::PerCpu& cpu = FpuControl::current();
    FpuControl::load(cpu, next);
    FpuControl::set_task_switched(cpu, true);
}

}  // namespace fpu

}  // namespace bulkhead::kernel
