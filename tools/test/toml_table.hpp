// SPDX-License-Identifier: Apache-2.0
// Reading TOML tables strictly: a wrong type or an unknown key is an error that names its line.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "tools/machine/error.hpp"
#include "tools/machine/platform.hpp"
#include "tools/machine/size.hpp"

namespace bulkhead::tool {

/// Parses TOML text; a syntax error becomes an Error "file:line: what".
[[nodiscard]] inline toml::table parse_toml(std::string_view text, std::string_view file_name) {
    try {
        return toml::parse(text, file_name);
    } catch (const toml::parse_error& error) {
        throw Error(fmt::format("{}:{}: {}", file_name, error.source().begin.line, error.description()));
    }
}

/// One table being read. finish() rejects the keys that nobody asked for.
class TableReader {
  public:
    TableReader(const toml::table& table, std::string_view file_name) : table_(table), file_(file_name) {}

    void read(std::string_view key, std::string& into) { scalar<std::string>(key, "a string", into); }
    void read(std::string_view key, bool& into) { scalar<bool>(key, "true or false", into); }
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    void read(std::string_view key, T& into) {
        scalar<std::int64_t>(key, "a whole number", into);
    }
    void read(std::string_view key, std::vector<std::string>& into) {
        list(key, into, [](const toml::node& node) { return node.value<std::string>(); });
    }
    void read(std::string_view key, std::vector<unsigned>& into) {
        list(key, into, [](const toml::node& node) -> std::optional<unsigned> {
            const auto value = node.value<std::int64_t>();
            if (!value || *value < 1 || *value > 64) return std::nullopt;
            return static_cast<unsigned>(*value);
        });
    }
    void read(std::string_view key, std::vector<Platform>& into) {
        list(key, into, [](const toml::node& node) { return parse_platform(node.value_or(std::string_view{})); });
    }
    void read_size(std::string_view key, std::uint64_t& into) {
        const auto* node = find(key);
        if (node == nullptr) return;
        const auto size = parse_size(node->value_or(std::string_view{}));
        if (!size) fail(*node, fmt::format("'{}' must be a size such as \"512M\"", key));
        into = *size;
    }
    void finish() const {
        for (const auto& [key, node] : table_) {
            if (!seen_.contains(std::string(key.str()))) fail(node, fmt::format("unknown key '{}'", key.str()));
        }
    }
    [[noreturn]] void fail(const toml::node& node, std::string_view what) const {
        throw Error(fmt::format("{}:{}: {}", file_, node.source().begin.line, what));
    }

  private:
    const toml::node* find(std::string_view key) {
        seen_.emplace(key);
        return table_.get(key);
    }
    template <typename Stored, typename T>
    void scalar(std::string_view key, std::string_view wanted, T& into) {
        const auto* node = find(key);
        if (node == nullptr) return;
        const auto value = node->value_exact<Stored>();
        if (!value) fail(*node, fmt::format("'{}' must be {}", key, wanted));
        into = static_cast<T>(*value);
    }
    template <typename T, typename Convert>
    void list(std::string_view key, std::vector<T>& into, Convert convert) {
        const auto* node = find(key);
        if (node == nullptr) return;
        const auto* array = node->as_array();
        if (array == nullptr) fail(*node, fmt::format("'{}' must be a list", key));
        into.clear();
        for (const auto& element : *array) {
            const auto value = convert(element);
            if (!value) fail(element, fmt::format("'{}' has an element that is not allowed", key));
            into.push_back(*value);
        }
    }

    const toml::table& table_;
    std::string file_;
    std::set<std::string> seen_;
};

}  // namespace bulkhead::tool
