// SPDX-License-Identifier: Apache-2.0
// Kernel objects made and destroyed: one system call each, into and from the same slot.
#include "bench/micro/benchmark.hpp"
#include "runtime/address_space.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {
namespace {

using abi::Selector;
using runtime::invoke;
using runtime::self;

/// Free quota pages of a domain.
uint64_t free_pages(Selector domain) { return invoke(abi::Inspect{domain}).value().first; }

/// How many objects of a kind are alive together when their memory is counted.
constexpr uint32_t crowd = 64;

/// Counts what an object costs its owner, so many of them being alive; `unused` tells the pages that a new one was
/// promised and has not used. The counter becomes a mean per operation, hence the factor.
template <typename Create, typename Unused>
void count_memory(Run& run, Selector owner, Create create, Unused unused) {
    const Selector slots = BENCH_NEEDED(runtime::allocate_slots(crowd));
    const uint64_t before = free_pages(owner);
    uint64_t not_used = 0;
    for (uint32_t i = 0; i < crowd; ++i) {
        BENCH_OK(create(slots + i, i));
        not_used += unused(slots + i);
    }
    const uint64_t pages = before - free_pages(owner) - not_used;
    for (uint32_t i = 0; i < crowd; ++i) {
        BENCH_OK(invoke(abi::Destroy{slots + i}));
        static_cast<void>(invoke(abi::RemoveCapability{self, slots + i}));
    }
    runtime::release_slots(slots, crowd);
    run.counter("kernel_bytes", pages * 4096 / crowd * run.operations());
}

/// Makes and destroys an object each iteration; times one of the two. Making has its memory counted too.
enum class Timed { Create, Destroy };

constexpr auto nothing_promised = [](Selector) -> uint64_t { return 0; };

template <Timed timed, typename Create, typename Unused = decltype(nothing_promised)>
void make_and_destroy(Run& run, Selector owner, Create create, Unused unused = nothing_promised) {
    const Selector slot = BENCH_NEEDED(runtime::allocate_slots());
    for (uint64_t i = 0; i < run.iterations() && !run.failed(); ++i) {
        const auto created = timed == Timed::Create ? run.timed([&] { return create(slot, 0); }) : create(slot, 0);
        if (!created.ok()) return run.fail("create", created.error());
        const auto destroy = [&] { return invoke(abi::Destroy{slot}); };
        const auto destroyed = timed == Timed::Destroy ? run.timed(destroy) : destroy();
        if (!destroyed.ok()) return run.fail("destroy", destroyed.error());
        static_cast<void>(invoke(abi::RemoveCapability{self, slot}));
    }
    runtime::release_slots(slot);
    if (timed == Timed::Create) count_memory(run, owner, create, unused);
}

template <Timed timed>
void notification(Run& run) {
    make_and_destroy<timed>(run, self, [](Selector slot, uint32_t) { return invoke(abi::CreateNotification{self, slot}); });
}

template <Timed timed>
void portal(Run& run) {
    test::Handler handler = BENCH_NEEDED(test::Handler::create(nullptr));
    make_and_destroy<timed>(run, self, [&](Selector slot, uint32_t) {
        return invoke(abi::CreatePortal{self, slot, handler.thread.selector(), 0x400000, 0});
    });
    handler.destroy();
}

template <Timed timed>
void thread(Run& run) {
    const uint64_t buffers = BENCH_NEEDED(runtime::allocate_addresses(crowd * 4096));
    make_and_destroy<timed>(run, self, [&](Selector slot, uint32_t index) {
        return invoke(abi::CreateThread{self, slot, 0, 0x400000, 0x400000, buffers + index * 4096, 0, 0, 0});
    });
    runtime::release_addresses(buffers, crowd * 4096);
}

template <Timed timed>
void domain(Run& run) {
    make_and_destroy<timed>(
        run, self,
        [](Selector slot, uint32_t) { return invoke(abi::CreateDomain{self, slot, abi::DomainKind::Native, 255, 64, 32}); },
        free_pages);
}

bool can_run_guests(Run& run) {
    if (runtime::system_information().virtualization != abi::Virtualization::None) return true;
    run.skip("no virtualization on this processor");
    return false;
}

template <Timed timed>
void guest_domain(Run& run) {
    if (!can_run_guests(run)) return;
    make_and_destroy<timed>(
        run, self,
        [](Selector slot, uint32_t) { return invoke(abi::CreateDomain{self, slot, abi::DomainKind::Guest, 255, 0, 32}); },
        free_pages);
}

template <Timed timed>
void vcpu(Run& run) {
    if (!can_run_guests(run)) return;
    constexpr uint64_t quota_pages = 512;
    runtime::Domain guest = BENCH_NEEDED(runtime::Domain::create_guest(quota_pages));
    const Selector state_slots = BENCH_NEEDED(runtime::allocate_slots(crowd));
    make_and_destroy<timed>(run, guest.selector(), [&](Selector slot, uint32_t index) {
        static_cast<void>(invoke(abi::RemoveCapability{self, state_slots + index}));
        return invoke(abi::CreateVcpu{guest.selector(), slot, state_slots + index, 0});
    });
    BENCH_OK(guest.destroy());
    for (uint32_t i = 0; i < crowd; ++i) static_cast<void>(invoke(abi::RemoveCapability{self, state_slots + i}));
    runtime::release_slots(state_slots, crowd);
}

#define CREATE_AND_DESTROY(name, about)                                                                 \
    {"create/" #name, nullptr, no_sweep, 20, guard_all, "makes " about, name<Timed::Create>}, {         \
        "destroy/" #name, nullptr, no_sweep, 20, guard_all, "destroys " about, name<Timed::Destroy>     \
    }

constexpr Benchmark table[] = {
    CREATE_AND_DESTROY(notification, "a notification"),
    CREATE_AND_DESTROY(portal, "a portal"),
    CREATE_AND_DESTROY(thread, "a thread with its message buffer, never started"),
    CREATE_AND_DESTROY(domain, "an empty native domain with 64 slots"),
    CREATE_AND_DESTROY(guest_domain, "an empty guest domain"),
    CREATE_AND_DESTROY(vcpu, "a vCPU with its state memory, never started"),
};

}  // namespace

const std::span<const Benchmark> object_benchmarks{table};

}  // namespace bulkhead::bench
