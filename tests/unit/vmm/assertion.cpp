// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>

#include "base/result.hpp"

namespace bulkhead {
void assertion_failed(const char* why, const char* file, unsigned line) {
    std::fprintf(stderr, "%s:%u: %s\n", file, line, why);
    std::abort();
}
}  // namespace bulkhead
