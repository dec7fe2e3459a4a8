// SPDX-License-Identifier: Apache-2.0
// What the Linux programs share: the time-stamp counter, which counts instructions on the machines the figures are
// taken on, and lines for the host tool, which start with '@'.
#pragma once

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace bulkhead::peers {

inline uint64_t ticks() {
    uint32_t low = 0;
    uint32_t high = 0;
    asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return uint64_t{high} << 32 | low;
}

/// Ends the program with a sentence that has errno's text in it.
[[noreturn, gnu::format(printf, 1, 2)]] inline void fail(const char* format, ...) {
    const char* reason = std::strerror(errno);
    std::va_list arguments;
    va_start(arguments, format);
    std::printf("@error ");
    std::vprintf(format, arguments);
    std::printf(": %s\n", reason);
    va_end(arguments);
    std::fflush(stdout);
    std::exit(1);
}

/// One figure of many rounds: the least, which nothing disturbed, and the median, which tells whether it is typical.
inline void print_figure(const char* name, std::vector<uint64_t> rounds) {
    if (rounds.empty()) return;
    std::sort(rounds.begin(), rounds.end());
    std::printf("@figure %s: least %llu median %llu rounds %zu\n", name,
                static_cast<unsigned long long>(rounds.front()),
                static_cast<unsigned long long>(rounds[rounds.size() / 2]), rounds.size());
    std::fflush(stdout);
}

/// How long this Linux's first CPU has been idle; the time-stamp counter goes on meanwhile.
inline uint64_t idle_ns() {
    std::FILE* file = std::fopen("/proc/timer_list", "r");
    if (file == nullptr) return 0;
    char line[256];
    unsigned long long value = 0;
    bool found = false;
    while (!found && std::fgets(line, sizeof line, file) != nullptr) {
        const char* field = std::strstr(line, "idle_sleeptime");
        found = field != nullptr && std::sscanf(field, "idle_sleeptime : %llu", &value) == 1;
    }
    std::fclose(file);
    return value;
}

}  // namespace bulkhead::peers
