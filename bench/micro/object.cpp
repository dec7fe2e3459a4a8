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

/// Makes and destroys an object each iteration; times one of the two.
enum class Timed { Create, Destroy };

template <Timed timed, typename Create>
void make_and_destroy(Run& run, Create create) {
    const Selector slot = BENCH_NEEDED(runtime::allocate_slots());
    for (uint64_t i = 0; i < run.iterations() && !run.failed(); ++i) {
        const auto created = timed == Timed::Create ? run.timed([&] { return create(slot); }) : create(slot);
        if (!created.ok()) return run.fail("create", created.error());
        const auto destroy = [&] { return runtime::invoke(abi::Destroy{slot}); };
        const auto destroyed = timed == Timed::Destroy ? run.timed(destroy) : destroy();
        if (!destroyed.ok()) return run.fail("destroy", destroyed.error());
        static_cast<void>(invoke(abi::RemoveCapability{self, slot}));
    }
    runtime::release_slots(slot);
}

template <Timed timed>
void notification(Run& run) {
    make_and_destroy<timed>(run, [](Selector slot) { return runtime::invoke(abi::CreateNotification{self, slot}); });
}

template <Timed timed>
void portal(Run& run) {
    test::Handler handler = BENCH_NEEDED(test::Handler::create(nullptr));
    make_and_destroy<timed>(run, [&](Selector slot) {
        return runtime::invoke(abi::CreatePortal{self, slot, handler.thread.selector(), 0x400000, 0});
    });
    handler.destroy();
}

template <Timed timed>
void thread(Run& run) {
    const uint64_t buffer = BENCH_NEEDED(runtime::allocate_addresses(4096));
    make_and_destroy<timed>(run, [&](Selector slot) {
        return runtime::invoke(abi::CreateThread{self, slot, 0, 0x400000, 0x400000, buffer, 0, 0, 0});
    });
    runtime::release_addresses(buffer, 4096);
}

template <Timed timed>
void domain(Run& run) {
    make_and_destroy<timed>(run, [](Selector slot) {
        return runtime::invoke(abi::CreateDomain{self, slot, abi::DomainKind::Native, 255, 64, 32});
    });
}

template <Timed timed>
void guest_domain(Run& run) {
    if (runtime::system_information().virtualization == abi::Virtualization::None) {
        return run.skip("no virtualization on this processor");
    }
    make_and_destroy<timed>(run, [](Selector slot) {
        return runtime::invoke(abi::CreateDomain{self, slot, abi::DomainKind::Guest, 255, 0, 32});
    });
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
};

}  // namespace

const std::span<const Benchmark> object_benchmarks{table};

}  // namespace bulkhead::bench
