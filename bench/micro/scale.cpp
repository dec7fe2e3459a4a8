// SPDX-License-Identifier: Apache-2.0
// Whether the hot path knows how large the system is: call and reply across two domains in the presence of many other
// domains, and of many capabilities. The fit over the sweep should be O(1).
#include "bench/micro/benchmark.hpp"
#include "runtime/message.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {
namespace {

constexpr uint64_t domain_counts[] = {1, 10, 100, 1000};
constexpr uint64_t capability_counts[] = {1, 16, 256, 4096};
constexpr unsigned maximum = 4096;

runtime::ShortAnswer echo(uint64_t /*badge*/, uint32_t label, const runtime::Words& words) { return {label, words}; }

/// Things that are only there. The slots follow each other.
class Bystanders {
  public:
    template <typename Create>
    abi::Result<void> create(uint64_t count, Create make) {
        first_ = TRY(runtime::allocate_slots(maximum));
        for (; count_ < count; ++count_) TRY(make(first_ + static_cast<abi::Selector>(count_)));
        return {};
    }
    void destroy() {
        if (first_ == 0) return;
        for (uint64_t i = 0; i < count_; ++i) {
            const auto slot = first_ + static_cast<abi::Selector>(i);
            static_cast<void>(runtime::invoke(abi::Destroy{slot}));
            static_cast<void>(runtime::invoke(abi::RemoveCapability{runtime::self, slot}));
        }
        runtime::release_slots(first_, maximum);
    }

  private:
    abi::Selector first_ = 0;
    uint64_t count_ = 0;
};

template <typename Create>
void call_among(Run& run, Create create) {
    test::Child child = BENCH_NEEDED(test::Child::create());
    runtime::Portal portal = BENCH_NEEDED(child.create_portal(runtime::short_handler<echo>));
    Bystanders bystanders;
    const auto created = bystanders.create(run.argument(), create);
    if (created.ok()) {
        run.loop([&] { static_cast<void>(runtime::call(portal.selector(), 0, 1, 2, 3, 4)); });
    } else {
        run.fail("bystanders", created.error());
    }
    bystanders.destroy();
    child.destroy();
    portal.forget();
}

void among_domains(Run& run) {
    call_among(run, [](abi::Selector slot) {
        return runtime::invoke(abi::CreateDomain{runtime::self, slot, abi::DomainKind::Native, 255, 64, 8});
    });
}

void among_capabilities(Run& run) {
    call_among(run, [](abi::Selector slot) {
        return runtime::invoke(abi::CreateNotification{runtime::self, slot});
    });
}

constexpr Benchmark table[] = {
    {"call/among_domains", "domains", domain_counts, 20, 10, "call and reply across two domains, 4 words, with so many other domains",
     among_domains},
    {"call/among_capabilities", "capabilities", capability_counts, 20, 16,
     "the same with so many more objects and capabilities to them", among_capabilities},
};

}  // namespace

const std::span<const Benchmark> scale_benchmarks{table};

}  // namespace bulkhead::bench
