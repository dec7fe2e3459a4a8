// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_fit.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace bulkhead::tool {

namespace {

using Points = std::vector<std::pair<double, double>>;

constexpr double kConstantSpread = 0.03;

double shape(Growth growth, double size) {
    size = std::max(size, 1.0);
    switch (growth) {
        case Growth::Constant: return 0;
        case Growth::Logarithmic: return std::log2(size);
        case Growth::Linear: return size;
        case Growth::LinearLogarithmic: return size * std::log2(size);
        case Growth::Quadratic: return size * size;
    }
    return 0;
}

double mean_cost(const Points& points) {
    double sum = 0;
    for (const auto& [size, cost] : points) sum += cost;
    return sum / static_cast<double>(points.size());
}

double relative_error(const Points& points, const GrowthFit& fit) {
    double squares = 0;
    for (const auto& [size, cost] : points) squares += std::pow(cost - fit.fixed - fit.per * shape(fit.growth, size), 2);
    const double mean = mean_cost(points);
    return mean == 0 ? 0 : std::sqrt(squares / static_cast<double>(points.size())) / mean;
}

/// Least squares with a fixed part.
GrowthFit fit_shape(const Points& points, Growth growth) {
    const auto count = static_cast<double>(points.size());
    double x_sum = 0, y_sum = 0, xx_sum = 0, xy_sum = 0;
    for (const auto& [size, cost] : points) {
        const double x = shape(growth, size);
        x_sum += x;
        y_sum += cost;
        xx_sum += x * x;
        xy_sum += x * cost;
    }
    GrowthFit fit{growth};
    const double spread = count * xx_sum - x_sum * x_sum;
    if (spread > 0) fit.per = (count * xy_sum - x_sum * y_sum) / spread;
    fit.fixed = (y_sum - fit.per * x_sum) / count;
    fit.relative_error = relative_error(points, fit);
    return fit;
}

}  // namespace

std::string_view to_string(Growth growth) {
    switch (growth) {
        case Growth::Constant: return "1";
        case Growth::Logarithmic: return "lgN";
        case Growth::Linear: return "N";
        case Growth::LinearLogarithmic: return "NlgN";
        case Growth::Quadratic: return "N^2";
    }
    return "?";
}

std::optional<GrowthFit> fit_growth(const Points& points) {
    std::set<double> sizes;
    for (const auto& [size, cost] : points) sizes.insert(std::max(size, 1.0));
    if (sizes.size() < 3) return std::nullopt;
    GrowthFit best{Growth::Constant, mean_cost(points), 0, 0};
    best.relative_error = relative_error(points, best);
    const auto [low, high] = std::minmax_element(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (high->second - low->second <= best.fixed * kConstantSpread) return best;
    for (const auto growth : {Growth::Logarithmic, Growth::Linear, Growth::LinearLogarithmic, Growth::Quadratic}) {
        const auto fit = fit_shape(points, growth);
        if (fit.per > 0 && fit.relative_error < best.relative_error) best = fit;
    }
    return best;
}

}  // namespace bulkhead::tool
