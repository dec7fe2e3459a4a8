// SPDX-License-Identifier: Apache-2.0
// What happens when a program's own promise was wrong: a line in the log, then a fault at which its supervisor sees it.
#include <bits/functexcept.h>  // declares what is defined below

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

extern "C" [[noreturn]] void abort() { bulkhead::assertion_failed("abort", __FILE__, __LINE__); }

// What the standard headers call where they would throw: a broken precondition of ours.
namespace std {
void __throw_out_of_range_fmt(const char* what, ...) { bulkhead::assertion_failed(what, __FILE__, __LINE__); }
void __throw_out_of_range(const char* what) { bulkhead::assertion_failed(what, __FILE__, __LINE__); }
void __throw_length_error(const char* what) { bulkhead::assertion_failed(what, __FILE__, __LINE__); }
void __throw_logic_error(const char* what) { bulkhead::assertion_failed(what, __FILE__, __LINE__); }
void __throw_invalid_argument(const char* what) { bulkhead::assertion_failed(what, __FILE__, __LINE__); }
void __throw_bad_alloc() { bulkhead::assertion_failed("heap exhausted", __FILE__, __LINE__); }
void __throw_bad_array_new_length() { bulkhead::assertion_failed("array too long", __FILE__, __LINE__); }
void __throw_bad_function_call() { bulkhead::assertion_failed("empty function", __FILE__, __LINE__); }
}  // namespace std
