// SPDX-License-Identifier: Apache-2.0
// A component that writes where it has no memory, a few calls deep, so that a backtrace has something to show.
#include "runtime/log.hpp"
#include "runtime/program.hpp"

namespace bulkhead::faulty {

constexpr uint64_t nowhere = 0x5'0000'0000;

// Each says something after its call, so that no call is its function's last act, whose frame a compiler may leave out.

[[gnu::noinline]] void write_into(volatile uint64_t* place) {
    runtime::log("writing");
    *place = 1;
    runtime::log("written");
}

[[gnu::noinline]] int walk_into_the_hole() {
    write_into(reinterpret_cast<volatile uint64_t*>(nowhere));
    runtime::log("there was no hole");
    return 1;
}

}  // namespace bulkhead::faulty

int bulkhead::program_main(const protocol::StartupInformation& startup) {
    runtime::log("start number {}", startup.restart_count + 1);
    const int status = faulty::walk_into_the_hole();
    runtime::log("going on");
    return status;
}
