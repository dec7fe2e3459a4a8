// SPDX-License-Identifier: Apache-2.0
#include "bench/micro/run.hpp"

#include "runtime/format.hpp"

namespace bulkhead::bench {

uint64_t reading_cost() {
    uint64_t least = ~uint64_t{0};
    for (int attempt = 0; attempt < 8; ++attempt) {
        const uint64_t start = now_ticks();
        const uint64_t ticks = now_ticks() - start;
        least = ticks < least ? ticks : least;
    }
    return least;
}

void Run::fail(std::string_view what, abi::Status status) {
    if (failed()) return;
    error_size_ = runtime::format_into(error_, "{}: {}", what, status).size();
}

void Run::fail(std::string_view what) {
    if (failed()) return;
    error_size_ = runtime::format_into(error_, "{}", what).size();
}

}  // namespace bulkhead::bench
