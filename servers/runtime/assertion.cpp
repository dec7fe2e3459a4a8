// SPDX-License-Identifier: Apache-2.0
// What happens when a program's own promise was wrong: a line in the log, then a fault at which its supervisor sees it.
#include "base/result.hpp"
#include "runtime/log.hpp"
#include "runtime/program.hpp"

namespace bulkhead {

[[noreturn]] void assertion_failed(const char* why, const char* file, unsigned line) {
    runtime::log("{}:{}: assertion failed: {}", file, line, why);
    runtime::stop_by_fault();
}

}  // namespace bulkhead

/// Called where a pure virtual function is; the compiler wants it to exist.
extern "C" [[noreturn]] void __cxa_pure_virtual() {
    bulkhead::assertion_failed("pure virtual function called", __FILE__, __LINE__);
}
