// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/interrupt.hpp"

#include "kernel/arch/x86_64/interrupt.hpp"
#include "kernel/platform/io_apic.hpp"

namespace bulkhead::kernel {

constexpr unsigned device_vectors = Vectors::last_device - Vectors::first_device + 1;

/// Whose interrupt a device vector is, the same on all CPUs. Read by the interrupt path, so it is atomic.
static std::atomic<InterruptObject*> bound[device_vectors];

static InterruptLine with_trigger(InterruptLine line, abi::InterruptTrigger trigger) {
    if (trigger == abi::InterruptTrigger::Default) return line;
    line.level = trigger == abi::InterruptTrigger::LevelHigh || trigger == abi::InterruptTrigger::LevelLow;
    line.active_low = trigger == abi::InterruptTrigger::EdgeLow || trigger == abi::InterruptTrigger::LevelLow;
    return line;
}

abi::Result<void> InterruptObject::bind(uint32_t line, uint32_t cpu, abi::InterruptTrigger trigger) {
    if (cpu >= cpu_count()) return abi::Status::BadArgument;
    unsigned index = device_vectors;
    for (unsigned i = device_vectors; i-- > 0;) {
        const InterruptObject* other = bound[i].load(std::memory_order_relaxed);
        if (other == nullptr) index = i;
        if (other != nullptr && other->line_ == line) return abi::Status::Overlap;
    }
    if (index == device_vectors) return abi::Status::OutOfMemory;
    const InterruptLine wanted = with_trigger(IoApics::line(line), trigger);
    const auto vector = static_cast<uint8_t>(Vectors::first_device + index);
    if (!IoApics::route(wanted, vector, Cpu::at(cpu))) return abi::Status::BadArgument;
    line_ = line;
    vector_ = vector;
    level_ = wanted.level;
    bound[index].store(this, std::memory_order_release);
    IoApics::set_masked(line, false);
    return {};
}

void InterruptObject::acknowledge() {
    if (level_) IoApics::set_masked(line_, false);
}

void InterruptObject::arrived(uint8_t vector) {
    if (vector < Vectors::first_device || vector > Vectors::last_device) return;
    InterruptObject* interrupt = bound[vector - Vectors::first_device].load(std::memory_order_acquire);
    if (interrupt == nullptr) return;
    if (interrupt->level_) IoApics::set_masked(interrupt->line_, true);
    interrupt->notification_->signal(interrupt->bits_);
}

void InterruptObject::retire() {
    if (vector_ == 0) return;
    IoApics::set_masked(line_, true);
    bound[vector_ - Vectors::first_device].store(nullptr, std::memory_order_release);
}

}  // namespace bulkhead::kernel
