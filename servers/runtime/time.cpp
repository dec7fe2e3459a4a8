// SPDX-License-Identifier: Apache-2.0
#include "runtime/time.hpp"

#include "runtime/call.hpp"
#include "runtime/thread.hpp"

namespace bulkhead::runtime {

uint64_t ticks_to_ns(uint64_t ticks) { return multiply_divide(ticks, ns_per_second, system_information().tsc_hz); }

uint64_t ns_to_ticks(uint64_t ns) { return multiply_divide(ns, system_information().tsc_hz, ns_per_second); }

void sleep_until(uint64_t deadline_ticks) {
    const Notification sleeper{this_thread().sleeper};
    if (sleeper) {
        static_cast<void>(sleeper.wait(~uint64_t{0}, deadline_ticks));
    } else {
        while (now_ticks() < deadline_ticks) static_cast<void>(invoke(abi::Yield{}));
    }
}

}  // namespace bulkhead::runtime
