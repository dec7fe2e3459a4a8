// SPDX-License-Identifier: Apache-2.0
#include "tools/manifest/units.hpp"

#include <charconv>

namespace bulkhead::manifest {
namespace {

struct Number {
    std::uint64_t value;
    std::string_view rest;
};

std::optional<Number> parse_number(std::string_view text, int base) {
    Number number{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.value, base);
    if (error != std::errc{}) return std::nullopt;
    number.rest = text.substr(static_cast<std::size_t>(end - text.data()));
    return number;
}

std::optional<std::uint64_t> scaled(std::uint64_t value, std::uint64_t factor) {
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(value, factor, &product)) return std::nullopt;
    return product;
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
    auto number = parse_number(text, 10);
    if (!number) return std::nullopt;
    if (number->rest.empty()) return number->value;
    if (number->rest == "K") return scaled(number->value, 1ull << 10);
    if (number->rest == "M") return scaled(number->value, 1ull << 20);
    if (number->rest == "G") return scaled(number->value, 1ull << 30);
    return std::nullopt;
}

std::optional<std::uint64_t> parse_duration_ns(std::string_view text) {
    auto number = parse_number(text, 10);
    if (!number) return std::nullopt;
    if (number->rest == "us") return scaled(number->value, 1'000);
    if (number->rest == "ms") return scaled(number->value, 1'000'000);
    if (number->rest == "s") return scaled(number->value, 1'000'000'000);
    return std::nullopt;
}

std::optional<std::uint64_t> parse_hexadecimal(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    auto number = parse_number(text, 16);
    if (!number || !number->rest.empty()) return std::nullopt;
    return number->value;
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_port_range(std::string_view text) {
    auto dash = text.find('-');
    auto first = parse_hexadecimal(text.substr(0, dash));
    auto last = dash == std::string_view::npos ? first : parse_hexadecimal(text.substr(dash + 1));
    if (!first || !last || *first > *last || *last > 0xffff) return std::nullopt;
    return std::pair{static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*last)};
}

std::string size_text(std::uint64_t bytes) {
    constexpr std::pair<unsigned, const char*> units[] = {{30, "G"}, {20, "M"}, {10, "K"}};
    for (auto [shift, unit] : units) {
        if (bytes != 0 && bytes % (1ull << shift) == 0) return std::to_string(bytes >> shift) + unit;
    }
    return std::to_string(bytes);
}

}  // namespace bulkhead::manifest
