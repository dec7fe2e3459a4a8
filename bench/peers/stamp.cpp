// SPDX-License-Identifier: Apache-2.0
// The first command a guest runs: says when that was, by the guest's time-stamp counter.
#include <cerrno>

#include "bench/peers/ticks.hpp"

int main() {
    using namespace bulkhead::peers;
    const uint64_t now = ticks();
    std::printf("@shell %llu idle_ns %llu\n", static_cast<unsigned long long>(now),
                static_cast<unsigned long long>(idle_ns()));
    return 0;
}
