// SPDX-License-Identifier: Apache-2.0
// A figure as people read it: whole numbers as such, others with one place.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>

namespace bulkhead::bench {

[[nodiscard]] inline std::string figure_text(double value) {
    char text[64];
    std::snprintf(text, sizeof text, std::abs(value - std::round(value)) < 0.05 ? "%.0f" : "%.1f", value);
    return text;
}

}  // namespace bulkhead::bench
