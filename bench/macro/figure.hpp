// SPDX-License-Identifier: Apache-2.0
// Figures as Google Benchmark writes them, so that its compare.py and all that reads its JSON take them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::bench {

/// One figure. Its value is a count of instructions, unless the unit says something else; Google Benchmark knows only
/// units of time, so the value stands where its times do, and the unit in the label.
struct Figure {
    std::string name;
    double value = 0;
    std::string unit = "instructions";
    std::uint64_t iterations = 1;
    std::map<std::string, double> counters = {};
};

/// The text of a JSON file with these figures; `platform` goes into its context.
[[nodiscard]] std::string google_json(const std::vector<Figure>& figures, const std::string& platform);

/// A table in Markdown. Columns but the first are aligned to the right.
class MarkdownTable {
  public:
    explicit MarkdownTable(std::vector<std::string> header) : rows_{std::move(header)} {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    [[nodiscard]] std::string text() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

/// The sections ("## NAME") of `text`, and those of `page` whose names are not among them: rigs are slow, so a page may
/// be made platform by platform.
[[nodiscard]] std::string merge_sections(std::string_view page, std::string_view text);

/// 1234567 as 1,234,567.
[[nodiscard]] std::string grouped(std::uint64_t value);

}  // namespace bulkhead::bench
