// SPDX-License-Identifier: Apache-2.0
// How a cost grows with a size: fixed + per * f(size), for the f that fits best. Google Benchmark's own fit has no fixed
// part and chooses by CPU time, which here is that of the host's process.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkhead::tool {

enum class Growth { Constant, Logarithmic, Linear, LinearLogarithmic, Quadratic };

/// As in O(...): "1", "lgN", "N", "NlgN", "N^2".
[[nodiscard]] std::string_view to_string(Growth growth);

struct GrowthFit {
    Growth growth = Growth::Constant;
    double fixed = 0;
    double per = 0;             ///< per unit of f(size); 0 for a constant
    double relative_error = 0;  ///< root of the mean square of the residuals, relative to the mean
};

/// Of pairs (size, cost), at least three of different size; sizes of 0 count as 1. Costs within 3 % of each other, or
/// falling with the size, are constant.
[[nodiscard]] std::optional<GrowthFit> fit_growth(const std::vector<std::pair<double, double>>& points);

}  // namespace bulkhead::tool
