// SPDX-License-Identifier: Apache-2.0
// A sweep as SVG: both axes logarithmic where the values span more than a decade, one line per platform.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bulkhead::tool {

struct PlotSeries {
    std::string name;
    std::vector<std::pair<double, double>> points;  ///< ascending in x
};

struct Plot {
    std::string title;
    std::string x_label;
    std::string y_label;
    std::vector<PlotSeries> series;
};

/// An <svg> element to stand inside a page; empty if there is nothing to draw.
[[nodiscard]] std::string render_svg(const Plot& plot);

/// Text for HTML and SVG.
[[nodiscard]] std::string escape_html(std::string_view text);

}  // namespace bulkhead::tool
