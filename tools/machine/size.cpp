// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/size.hpp"

#include <charconv>
#include <limits>

namespace bulkhead::tool {

namespace {

/// How far a unit letter shifts a number, or nothing for an unknown unit.
std::optional<unsigned> unit_shift(std::string_view unit) {
    if (unit.empty() || unit == "B") return 0;
    if (unit.size() > 1 && unit.substr(1) != "iB" && unit.substr(1) != "B") return std::nullopt;
    switch (unit.front()) {
        case 'K':
        case 'k': return 10;
        case 'M':
        case 'm': return 20;
        case 'G':
        case 'g': return 30;
        default: return std::nullopt;
    }
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || number == 0) return std::nullopt;
    const auto shift = unit_shift(std::string_view(rest, static_cast<std::size_t>(end - rest)));
    if (!shift || number > (std::numeric_limits<std::uint64_t>::max() >> *shift)) return std::nullopt;
    return number << *shift;
}

std::string format_size(std::uint64_t size_bytes) {
    constexpr const char* units[] = {"", "K", "M", "G"};
    unsigned unit = 0;
    while (unit < 3 && size_bytes != 0 && size_bytes % 1024 == 0) {
        size_bytes /= 1024;
        ++unit;
    }
    return std::to_string(size_bytes) + units[unit];
}

}  // namespace bulkhead::tool
