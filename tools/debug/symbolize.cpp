// SPDX-License-Identifier: Apache-2.0
#include "tools/debug/symbolize.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <map>
#include <regex>
#include <sstream>

#include "tools/machine/error.hpp"
#include "tools/machine/process.hpp"

namespace bulkhead::tool {

namespace fs = std::filesystem;

namespace {

void erase_all(std::string& text, const std::string& part) {
    for (auto found = text.find(part); found != std::string::npos; found = text.find(part)) text.erase(found, part.size());
}

/// What addr2line says of one address: innermost inlined function first, as "function at file:line".
std::string describe(const Layout& layout, const fs::path& image, const BacktraceLine& frame, bool return_address) {
    // A return address belongs to the call before it, which may be the last instruction of its line.
    const std::uint64_t address = return_address ? frame.address - 1 : frame.address;
    const auto result = run_command(
        {"addr2line", "--exe=" + image.string(), "--functions", "--inlines", "--demangle", "--pretty-print", fmt::format("{:#x}", address)}, 30);
    if (result.exit_status != 0) return {};
    std::string text = result.text;
    while (text.ends_with('\n')) text.pop_back();
    // Files are named from the top of the tree, also where a compiler was told them relative to the build tree.
    erase_all(text, layout.source.string() + "/");
    erase_all(text, (fs::relative(layout.build, layout.source) / "../../").string());
    if (text.starts_with("??")) return {};
    return text;
}

/// Remembers what it looked up: the same few addresses come again and again.
class Symbolizer {
  public:
    explicit Symbolizer(const Layout& layout) : layout_(layout) {}

    std::string annotate(std::string line) {
        while (line.ends_with('\r')) line.pop_back();
        const auto frame = parse_backtrace_line(line);
        if (!frame) return line;
        const auto [entry, is_new] = known_.try_emplace({frame->component, frame->address});
        const fs::path image = frame->component.empty() ? layout_.kernel() : layout_.program(frame->component);
        const bool is_return_address = line.find("#0 ") == std::string::npos;
        if (is_new && fs::exists(image)) entry->second = describe(layout_, image, *frame, is_return_address);
        if (!entry->second.empty()) line += "  " + entry->second;
        return line;
    }

  private:
    const Layout& layout_;
    std::map<std::pair<std::string, std::uint64_t>, std::string> known_;
};

}  // namespace

std::optional<BacktraceLine> parse_backtrace_line(std::string_view line) {
    static const std::regex pattern(R"(#(\d+) (?:([A-Za-z0-9_.-]+) )?0x([0-9a-fA-F]{1,16})\b)");
    std::match_results<std::string_view::const_iterator> match;
    if (!std::regex_search(line.begin(), line.end(), match, pattern)) return std::nullopt;
    return BacktraceLine{match[2].str(), std::stoull(match[3].str(), nullptr, 16)};
}

std::string symbolize_text(const Layout& layout, std::string_view text) {
    Symbolizer symbolizer(layout);
    std::istringstream input{std::string(text)};
    std::string result;
    for (std::string line; std::getline(input, line);) {
        if (!result.empty()) result += '\n';
        result += symbolizer.annotate(line);
    }
    return result;
}

int symbolize_log(const Layout& layout, const std::string& file) {
    std::ifstream stream;
    if (file != "-") {
        stream.open(file);
        if (!stream) throw_errno("cannot read " + file);
    }
    Symbolizer symbolizer(layout);
    for (std::string line; std::getline(file == "-" ? std::cin : stream, line);) std::cout << symbolizer.annotate(line) << '\n';
    return 0;
}

}  // namespace bulkhead::tool
