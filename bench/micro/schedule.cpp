// SPDX-License-Identifier: Apache-2.0
// The scheduler with many threads: all of one priority on one CPU, each yielding in turn.
#include "base/address.hpp"
#include "bench/micro/benchmark.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {
namespace {

using abi::Selector;
using runtime::invoke;
using runtime::self;

constexpr uint64_t thread_counts[] = {2, 10, 100, 1000, 10000};
constexpr uint64_t stacks_place = 0x28'0000'0000;
constexpr uint64_t buffers_place = 0x29'0000'0000;
constexpr uint64_t stack_bytes = 64;

/// A thread that does nothing but yield; it needs a stack for the stub's two words.
[[gnu::naked]] void yield_for_ever() {
    asm("1: mov %[yield], %%eax\n\t"
        "call %c[stub]\n\t"
        "jmp 1b"
        :
        : [yield] "i"(static_cast<int>(abi::number_of<abi::Yield>)), [stub] "i"(abi::stub_page_address));
}

/// Threads of another domain, too many for this one's slots: their capabilities are dropped, the domain is their end.
class Crowd {
  public:
    abi::Result<void> create(uint64_t count) {
        const uint64_t free_pages = TRY(runtime::Domain{self}.free_quota_pages());
        child_ = TRY(test::Child::create({.quota_pages = free_pages - 200}));
        const uint64_t bytes = align_up((count + 1) * stack_bytes, 4096);
        stacks_ = TRY(test::take_memory(bytes));
        TRY(stacks_.map(stacks_place, 0, bytes, runtime::read_write, child_.domain.selector()));
        slots_ = TRY(runtime::allocate_slots(2));
        for (uint64_t i = 0; i < count; ++i) TRY(start(i));
        return {};
    }
    void destroy() {
        child_.destroy();
        test::give_memory_back(stacks_);
        runtime::release_slots(slots_, 2);
    }
    uint64_t size() const { return size_; }

  private:
    abi::Result<void> start(uint64_t index) {
        const Selector domain = child_.domain.selector();
        const uint64_t stack = stacks_place + (index + 1) * stack_bytes;
        const Selector thread = slots_;
        const Selector context = slots_ + 1;
        TRY(runtime::invoke(abi::CreateThread{domain, thread, 0, reinterpret_cast<uint64_t>(&yield_for_ever), stack,
                                               buffers_place + index * 4096, 0, 0, 0}));
        TRY(runtime::invoke(abi::CreateSchedulingContext{domain, context, thread, test::low_priority, 0, 0}));
        TRY(runtime::invoke(abi::RemoveCapability{self, thread}));
        TRY(runtime::invoke(abi::RemoveCapability{self, context}));
        ++size_;
        return {};
    }

    test::Child child_;
    runtime::Memory stacks_;
    Selector slots_ = 0;
    uint64_t size_ = 0;
};

/// One of the crowd that measures: one yield of it is one of everybody. The crowd is below whoever sets it up, which so
/// has the processor for itself until then.
struct Measurer {
    Run& run;
    runtime::Notification done;

    static void measure(void* argument) {
        auto& measurer = *static_cast<Measurer*>(argument);
        measurer.run.loop([] { static_cast<void>(invoke(abi::Yield{})); });
        static_cast<void>(measurer.done.signal(1));
        runtime::stop_this_thread();
    }
};

void yield(Run& run) {
    Measurer measurer{run, BENCH_NEEDED(runtime::Notification::create())};
    Crowd crowd;
    const auto created = crowd.create(run.argument() - 1);
    if (created.ok()) {
        auto thread = BENCH_NEEDED(test::start_thread(Measurer::measure, &measurer, test::low_priority));
        static_cast<void>(measurer.done.wait());
        thread.destroy();
        run.set_operations(run.iterations() * run.argument());
    } else {
        run.counter("threads_made", crowd.size());
        run.skip("the kernel's pool is too small for so many threads (--machine-memory)");
    }
    crowd.destroy();
    static_cast<void>(measurer.done.destroy());
}

constexpr Benchmark table[] = {
    {"schedule/yield", "threads", thread_counts, 5, 10,
     "one yield among so many ready threads of one priority, all but one of them in another domain", yield},
};

}  // namespace

const std::span<const Benchmark> schedule_benchmarks{table};

}  // namespace bulkhead::bench
