// SPDX-License-Identifier: Apache-2.0
// A page fault answered by a user-level pager: the fault as a call to the exception portal, the pager's map, the reply.
#include "base/address.hpp"
#include "bench/micro/benchmark.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {
namespace {

constexpr uint64_t place = 0x31'0000'0000;

struct Paging {
    runtime::Memory page;
    runtime::Notification done;
    Run* run = nullptr;

    static void handle(uint64_t badge, runtime::Request& request) {
        const auto& paging = *reinterpret_cast<Paging*>(badge);
        const bool mapped = paging.page.map(place, 0, 4096, runtime::read_write).ok();
        request.reply(static_cast<uint32_t>(mapped ? abi::ExceptionReply::Resume : abi::ExceptionReply::Hold));
    }
    static void touch(void* argument) {
        auto& paging = *static_cast<Paging*>(argument);
        for (uint64_t i = 0; i < paging.run->iterations(); ++i) {
            const uint64_t start = now_ticks();
            *reinterpret_cast<volatile uint64_t*>(place) = i;
            paging.run->add_between(start, now_ticks());
            static_cast<void>(runtime::unmap(place));
        }
        static_cast<void>(paging.done.signal(1));
        runtime::stop_this_thread();
    }
};

void page_fault(Run& run) {
    Paging paging{BENCH_NEEDED(test::take_memory(4096)), BENCH_NEEDED(runtime::Notification::create()), &run};
    auto handler = BENCH_NEEDED(
        test::Handler::create(runtime::message_handler<Paging::handle>, reinterpret_cast<uint64_t>(&paging)));
    auto thread = BENCH_NEEDED(
        test::start_thread(Paging::touch, &paging, test::test_priority, 0, handler.portal.selector()));
    if (!paging.done.wait(1, runtime::deadline_in(10 * runtime::ns_per_second)).ok()) run.fail("the pager hangs");
    thread.destroy();
    handler.destroy();
    test::give_memory_back(paging.page);
    static_cast<void>(paging.done.destroy());
}

constexpr Benchmark table[] = {
    {"page_fault/pager", nullptr, no_sweep, 50, guard_all,
     "from the store that faults to the next instruction: exception call to the pager, its MapMemory of one page, reply",
     page_fault},
};

}  // namespace

const std::span<const Benchmark> paging_benchmarks{table};

}  // namespace bulkhead::bench
