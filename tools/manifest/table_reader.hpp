// SPDX-License-Identifier: Apache-2.0
// Reads one TOML table key by key: each get_* call declares a key that may stand there, finish() reports the others.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/manifest/model.hpp"

namespace bulkhead::manifest {

inline Place place_of(const toml::source_region& source) { return {source.begin.line, source.begin.column}; }
inline Place place_of(const toml::node& node) { return place_of(node.source()); }

class TableReader {
  public:
    /// `what` names the table in messages: "domain 'uart'".
    TableReader(const toml::table& table, std::string what, Diagnostics& diagnostics)
        : table_{table}, what_{std::move(what)}, diagnostics_{diagnostics} {}

    /// The node of a key that may stand here, or null.
    const toml::node* find(std::string_view key);
    [[nodiscard]] Place place() const { return place_of(table_); }

    // Each leaves `value` alone and returns false if the key is missing or its value is wrong (which is reported).
    bool text(std::string_view key, std::string& value, std::size_t limit);
    bool name(std::string_view key, Name& value, std::size_t limit);
    bool size(std::string_view key, std::uint64_t& value, std::uint64_t minimum);
    bool duration(std::string_view key, std::uint64_t& value_ns);
    bool number(std::string_view key, std::uint64_t& value, std::uint64_t minimum, std::uint64_t maximum);
    bool names(std::string_view key, std::vector<Name>& value, std::size_t limit);
    bool numbers(std::string_view key, std::vector<std::uint32_t>& value, std::uint32_t maximum);

    /// One of a list of words; its index in `words`.
    template <typename Enumeration>
    bool word(std::string_view key, Enumeration& value, const std::vector<std::string_view>& words) {
        std::size_t index = 0;
        if (!word_index(key, index, words)) return false;
        value = static_cast<Enumeration>(index);
        return true;
    }

    /// Reports a key that must stand here and does not.
    void require(std::string_view key, std::string allowed);
    /// Reports the keys nobody asked for.
    void finish();
    void wrong(const toml::node& node, std::string_view key, const std::string& allowed);

  private:
    bool word_index(std::string_view key, std::size_t& index, const std::vector<std::string_view>& words);
    /// The string behind `key`, if there is one; any other value is reported.
    const std::string* string_at(std::string_view key, const std::string& allowed);

    const toml::table& table_;
    std::string what_;
    Diagnostics& diagnostics_;
    std::vector<std::string> known_;
};

/// "a, b, c"
[[nodiscard]] std::string list_text(const std::vector<std::string_view>& words);
/// Whether the text may name something: letters, digits, '-', '_', '.', and it starts with a letter or digit.
[[nodiscard]] bool is_name(std::string_view text, std::size_t limit);
[[nodiscard]] std::string name_rule(std::size_t limit);

}  // namespace bulkhead::manifest
