// SPDX-License-Identifier: Apache-2.0
#include "tools/manifest/table_reader.hpp"

#include <algorithm>
#include <cctype>

#include "tools/manifest/units.hpp"

namespace bulkhead::manifest {

std::string list_text(const std::vector<std::string_view>& words) {
    std::string text;
    for (std::string_view word : words) {
        if (!text.empty()) text += ", ";
        text += word;
    }
    return text;
}

bool is_name(std::string_view text, std::size_t limit) {
    if (text.empty() || text.size() > limit || std::isalnum(static_cast<unsigned char>(text.front())) == 0)
        return false;
    return std::ranges::all_of(text, [](char character) {
        return std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '-' || character == '_' ||
               character == '.';
    });
}

std::string name_rule(std::size_t limit) {
    return "1 to " + std::to_string(limit) + " letters, digits, '-', '_', '.', beginning with a letter or digit";
}

const toml::node* TableReader::find(std::string_view key) {
    known_.emplace_back(key);
    return table_.get(key);
}

void TableReader::wrong(const toml::node& node, std::string_view key, const std::string& allowed) {
    diagnostics_.add(place_of(node), what_ + ": wrong value for '" + std::string{key} + "'", allowed);
}

void TableReader::require(std::string_view key, std::string allowed) {
    if (!table_.contains(key))
        diagnostics_.add(place(), what_ + ": '" + std::string{key} + "' is missing", std::move(allowed));
}

void TableReader::finish() {
    for (const auto& [key, node] : table_) {
        if (std::ranges::find(known_, key.str()) != known_.end()) continue;
        std::vector<std::string_view> words{known_.begin(), known_.end()};
        diagnostics_.add(place_of(key.source()), what_ + ": unknown key '" + std::string{key.str()} + "'",
                         list_text(words));
    }
}

const std::string* TableReader::string_at(std::string_view key, const std::string& allowed) {
    const toml::node* node = find(key);
    if (node == nullptr) return nullptr;
    if (const auto* string = node->as_string()) return &string->get();
    wrong(*node, key, allowed);
    return nullptr;
}

bool TableReader::text(std::string_view key, std::string& value, std::size_t limit) {
    const std::string allowed = "a string of at most " + std::to_string(limit) + " printable characters";
    const std::string* string = string_at(key, allowed);
    if (string == nullptr) return false;
    bool printable = std::ranges::none_of(*string, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    if (!printable || string->size() > limit) {
        wrong(*table_.get(key), key, allowed);
        return false;
    }
    value = *string;
    return true;
}

bool TableReader::name(std::string_view key, Name& value, std::size_t limit) {
    const std::string* string = string_at(key, name_rule(limit));
    if (string == nullptr) return false;
    if (!is_name(*string, limit)) {
        wrong(*table_.get(key), key, name_rule(limit));
        return false;
    }
    value = {*string, place_of(*table_.get(key))};
    return true;
}

bool TableReader::size(std::string_view key, std::uint64_t& value, std::uint64_t minimum) {
    const toml::node* node = find(key);
    if (node == nullptr) return false;
    const std::string allowed =
        "a size such as \"64K\", \"16M\", \"1G\", a multiple of 4K, at least " + size_text(minimum);
    std::optional<std::uint64_t> bytes;
    if (const auto* string = node->as_string()) bytes = parse_size(string->get());
    if (const auto* integer = node->as_integer(); integer != nullptr && integer->get() >= 0)
        bytes = static_cast<std::uint64_t>(integer->get());
    constexpr std::uint64_t maximum = 1ull << 40;
    if (!bytes || *bytes < minimum || *bytes > maximum || *bytes % page_size_bytes != 0) {
        wrong(*node, key, allowed);
        return false;
    }
    value = *bytes;
    return true;
}

bool TableReader::duration(std::string_view key, std::uint64_t& value_ns) {
    const std::string allowed = "a time such as \"500us\", \"20ms\", \"1s\", from 10us to 1000s";
    const std::string* string = string_at(key, allowed);
    if (string == nullptr) return false;
    auto nanoseconds = parse_duration_ns(*string);
    if (!nanoseconds || *nanoseconds < 10'000 || *nanoseconds > 1'000'000'000'000) {
        wrong(*table_.get(key), key, allowed);
        return false;
    }
    value_ns = *nanoseconds;
    return true;
}

bool TableReader::number(std::string_view key, std::uint64_t& value, std::uint64_t minimum, std::uint64_t maximum) {
    const toml::node* node = find(key);
    if (node == nullptr) return false;
    const auto* integer = node->as_integer();
    if (integer == nullptr || integer->get() < 0 || static_cast<std::uint64_t>(integer->get()) < minimum ||
        static_cast<std::uint64_t>(integer->get()) > maximum) {
        wrong(*node, key, "a number from " + std::to_string(minimum) + " to " + std::to_string(maximum));
        return false;
    }
    value = static_cast<std::uint64_t>(integer->get());
    return true;
}

bool TableReader::names(std::string_view key, std::vector<Name>& value, std::size_t limit) {
    const toml::node* node = find(key);
    if (node == nullptr) return false;
    const std::string allowed = "a list of names, [\"a\", \"b\"]; each " + name_rule(limit);
    const auto* array = node->as_array();
    if (array == nullptr) {
        wrong(*node, key, allowed);
        return false;
    }
    for (const toml::node& element : *array) {
        const auto* string = element.as_string();
        if (string == nullptr || !is_name(string->get(), limit)) {
            wrong(element, key, allowed);
            continue;
        }
        value.push_back({string->get(), place_of(element)});
    }
    return true;
}

bool TableReader::numbers(std::string_view key, std::vector<std::uint32_t>& value, std::uint32_t maximum) {
    const toml::node* node = find(key);
    if (node == nullptr) return false;
    const std::string allowed = "a list of different numbers from 0 to " + std::to_string(maximum) + ", such as [0, 1]";
    const auto* array = node->as_array();
    if (array == nullptr || array->empty()) {
        wrong(*node, key, allowed);
        return false;
    }
    std::vector<std::uint32_t> numbers;
    for (const toml::node& element : *array) {
        const auto* integer = element.as_integer();
        if (integer == nullptr || integer->get() < 0 || integer->get() > maximum) {
            wrong(element, key, allowed);
            return false;
        }
        numbers.push_back(static_cast<std::uint32_t>(integer->get()));
    }
    value = std::move(numbers);
    return true;
}

bool TableReader::word_index(std::string_view key, std::size_t& index, const std::vector<std::string_view>& words) {
    const std::string* string = string_at(key, list_text(words));
    if (string == nullptr) return false;
    auto found = std::ranges::find(words, *string);
    if (found == words.end()) {
        wrong(*table_.get(key), key, list_text(words));
        return false;
    }
    index = static_cast<std::size_t>(found - words.begin());
    return true;
}

}  // namespace bulkhead::manifest
