// SPDX-License-Identifier: Apache-2.0
#include "tools/test/filter.hpp"

namespace bulkhead::tool {

Filter::Filter(std::string_view text) : text_(text) {
    try {
        pattern_ = std::regex(text_);
        has_pattern_ = true;
    } catch (const std::regex_error&) {
        // Not a regular expression: plain text then.
    }
}

bool Filter::matches(const std::string& name) const {
    if (name.find(text_) != std::string::npos) return true;
    return has_pattern_ && std::regex_search(name, pattern_);
}

}  // namespace bulkhead::tool
