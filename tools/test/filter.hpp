// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <regex>
#include <string>
#include <string_view>

namespace bulkhead::tool {

/// The FILTER of `bulkhead test`: matches names that contain it, as text or as a regular expression.
class Filter {
  public:
    /// An empty text matches everything.
    explicit Filter(std::string_view text);
    [[nodiscard]] bool matches(const std::string& name) const;
    [[nodiscard]] bool matches_all() const { return text_.empty(); }

  private:
    std::string text_;
    std::regex pattern_;
    bool has_pattern_ = false;
};

}  // namespace bulkhead::tool
