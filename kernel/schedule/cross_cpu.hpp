// SPDX-License-Identifier: Apache-2.0
// Work on other CPUs: synchronous requests of the holder of the configuration lock, and kicks.
//
// The kernel runs with interrupts off, so a CPU that serves a request has left whatever system call or exit it was in,
// or waits for the configuration lock with nothing in hand. Thus a served broadcast is also the grace period after
// which no CPU holds a pointer to an object whose capabilities were made stale before (kernel/object/graveyard.cpp).
#pragma once

#include <cstdint>

namespace bulkhead::kernel::cross_cpu {

using Function = void (*)(void*);

/// Runs `function(argument)` on one CPU and waits for it. Under the configuration lock.
void run_on(uint32_t cpu, Function function, void* argument);
/// Runs it on all CPUs, this one included, and waits.
void run_everywhere(Function function, void* argument);
/// The same for function objects without arguments.
template <typename Work>
void run_on(uint32_t cpu, Work work) {
    run_on(cpu, [](void* argument) { (*static_cast<Work*>(argument))(); }, &work);
}
template <typename Work>
void run_everywhere(Work work) {
    run_everywhere([](void* argument) { (*static_cast<Work*>(argument))(); }, &work);
}
/// Makes a CPU look for wake-ups and pending work: a guest on it exits.
void kick(uint32_t cpu);
/// Serves the wake-ups other CPUs asked for.
void serve_wake_ups();
/// The inter-processor interrupt arrived: serves requests and wake-ups.
void interrupt();

}  // namespace bulkhead::kernel::cross_cpu
