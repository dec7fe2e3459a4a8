// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace bulkhead::tool {

namespace {

constexpr double kWidth = 480;
constexpr double kHeight = 280;
constexpr double kLeft = 70;
constexpr double kRight = 16;
constexpr double kTop = 28;
constexpr double kBottom = 44;
constexpr const char* kColours[] = {"#0b6", "#06c", "#c50", "#a0a", "#888"};

/// One axis: values to a place between 0 and 1.
class Axis {
  public:
    Axis(double low, double high, bool from_zero) {
        logarithmic_ = low > 0 && high / low > 10;
        low_ = logarithmic_ ? std::floor(std::log10(low)) : (from_zero ? 0 : low);
        high_ = logarithmic_ ? std::ceil(std::log10(high)) : high;
        if (!logarithmic_ && from_zero) high_ *= 1.1;
        if (high_ <= low_) high_ = low_ + 1;
    }
    double place(double value) const {
        const double scaled = logarithmic_ ? std::log10(std::max(value, 1e-9)) : value;
        return std::clamp((scaled - low_) / (high_ - low_), 0.0, 1.0);
    }
    std::vector<double> ticks() const {
        std::vector<double> result;
        if (logarithmic_) {
            for (double power = low_; power <= high_ + 0.01; ++power) result.push_back(std::pow(10, power));
            return result;
        }
        for (int step = 0; step <= 4; ++step) result.push_back(low_ + (high_ - low_) * step / 4);
        return result;
    }

  private:
    bool logarithmic_ = false;
    double low_ = 0;
    double high_ = 1;
};

std::string tick_text(double value) {
    if (value >= 1e9) return fmt::format("{:.3g}G", value / 1e9);
    if (value >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
    if (value >= 1e4) return fmt::format("{:.3g}k", value / 1e3);
    return fmt::format("{:.4g}", value);
}

double x_of(const Axis& axis, double value) { return kLeft + axis.place(value) * (kWidth - kLeft - kRight); }
double y_of(const Axis& axis, double value) { return kHeight - kBottom - axis.place(value) * (kHeight - kTop - kBottom); }

std::string grid(const Axis& x, const Axis& y) {
    std::string svg;
    for (const double tick : x.ticks()) {
        svg += fmt::format("<line class='g' x1='{0:.1f}' y1='{1}' x2='{0:.1f}' y2='{2}'/><text x='{0:.1f}' y='{3}' "
                           "text-anchor='middle'>{4}</text>\n",
                           x_of(x, tick), kTop, kHeight - kBottom, kHeight - kBottom + 14, tick_text(tick));
    }
    for (const double tick : y.ticks()) {
        svg += fmt::format("<line class='g' x1='{0}' y1='{1:.1f}' x2='{2}' y2='{1:.1f}'/><text x='{3}' y='{4:.1f}' "
                           "text-anchor='end'>{5}</text>\n",
                           kLeft, y_of(y, tick), kWidth - kRight, kLeft - 6, y_of(y, tick) + 4, tick_text(tick));
    }
    return svg;
}

std::string line_of(const PlotSeries& series, const Axis& x, const Axis& y, const char* colour) {
    std::string points;
    std::string dots;
    for (const auto& [px, py] : series.points) {
        points += fmt::format("{:.1f},{:.1f} ", x_of(x, px), y_of(y, py));
        dots += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3' fill='{}'><title>{}: {}</title></circle>\n", x_of(x, px),
                            y_of(y, py), colour, tick_text(px), tick_text(py));
    }
    return fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='1.5'/>\n{}", points, colour, dots);
}

}  // namespace

std::string escape_html(std::string_view text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
            case '<': result += "&lt;"; break;
            case '>': result += "&gt;"; break;
            case '&': result += "&amp;"; break;
            case '"': result += "&quot;"; break;
            case '\'': result += "&#39;"; break;
            default: result += c;
        }
    }
    return result;
}

std::string render_svg(const Plot& plot) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double low_x = infinity, high_x = -infinity, low_y = infinity, high_y = -infinity;
    for (const auto& series : plot.series) {
        for (const auto& [x, y] : series.points) {
            low_x = std::min(low_x, x);
            high_x = std::max(high_x, x);
            low_y = std::min(low_y, y);
            high_y = std::max(high_y, y);
        }
    }
    if (low_x > high_x) return {};
    const Axis x(low_x, high_x, false);
    const Axis y(low_y, high_y, true);
    std::string svg = fmt::format(
        "<svg viewBox='0 0 {} {}' role='img'><text class='t' x='{}' y='16'>{}</text>\n{}"
        "<text x='{}' y='{}' text-anchor='middle'>{}</text><text x='12' y='{}' transform='rotate(-90 12 {})' "
        "text-anchor='middle'>{}</text>\n",
        kWidth, kHeight, kLeft, escape_html(plot.title), grid(x, y), (kLeft + kWidth) / 2, kHeight - 8,
        escape_html(plot.x_label), kHeight / 2, kHeight / 2, escape_html(plot.y_label));
    std::size_t index = 0;
    for (const auto& series : plot.series) {
        const char* colour = kColours[index % std::size(kColours)];
        svg += line_of(series, x, y, colour);
        svg += fmt::format("<text x='{}' y='{}' fill='{}' text-anchor='end'>{}</text>\n", kWidth - kRight, 14 + 12 * static_cast<double>(index),
                           colour, escape_html(series.name));
        ++index;
    }
    return svg + "</svg>\n";
}

}  // namespace bulkhead::tool
