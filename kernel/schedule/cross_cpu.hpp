// SPDX-License-Identifier: Apache-2.0
// Work on other CPUs: synchronous requests of the holder of the configuration lock, and kicks.
//
// The kernel runs with interrupts off, so a CPU that serves a request has left whatever system call or exit it was in,
// or waits for the configuration lock with nothing in hand. Thus a served broadcast is also the grace period after
// which no CPU holds a pointer to an object whose capabilities were made stale before (kernel/object/graveyard.cpp).
#pragma once

#include <cstdint>

namespace bulkhead::kernel::cross_cpu {

/// Runs `function(argument)` on those of `cpus`, as bits, that there are, and waits for it. Under the configuration
/// lock.
void run(uint64_t cpus, void (*function)(void*), void* argument);
/// Runs a function object without arguments on one CPU, which may be this one.
template <typename Work>
void run_on(uint32_t cpu, Work work) {
    const auto call = [](void* argument) { (*static_cast<Work*>(argument))(); };
    run(uint64_t{1} << cpu, call, &work);
}
/// The same on all CPUs, this one included.
template <typename Work>
void run_everywhere(Work work) {
    const auto call = [](void* argument) { (*static_cast<Work*>(argument))(); };
    run(~uint64_t{0}, call, &work);
}
/// Makes a CPU look for wake-ups and pending work: a guest on it exits.
void kick(uint32_t cpu);
/// The inter-processor interrupt arrived: serves requests and wake-ups.
void interrupt();

}  // namespace bulkhead::kernel::cross_cpu
