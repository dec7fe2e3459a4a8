// SPDX-License-Identifier: Apache-2.0
// Memory touched for the first time: the guest's page fault, and behind it the hypervisor's where that gives memory
// only when it is used.
#include <sys/mman.h>

#include "bench/guest/measure.hpp"
#include "bench/guest/subjects.hpp"

namespace bulkhead::guest {
namespace {

constexpr size_t kPage = 4096;
constexpr int64_t kPages = 4096;  ///< 16 MiB, which no other benchmark of a run had before

/// The memory stays: what the guest gets back and hands out again, the hypervisor has given already.
void fresh_page(benchmark::State& state) {
    const auto bytes = static_cast<size_t>(state.max_iterations) * kPage;
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return skip(state, "too little memory");
    ::madvise(memory, bytes, MADV_NOHUGEPAGE);
    auto* page = static_cast<volatile char*>(memory);
    measure(state, [&page] {
        *page = 1;
        page += kPage;
    });
}

}  // namespace

void register_memory() {
    benchmark::RegisterBenchmark("fresh_page", fresh_page)->UseManualTime()->Iterations(kPages);
}

}  // namespace bulkhead::guest
