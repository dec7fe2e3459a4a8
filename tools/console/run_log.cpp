// SPDX-License-Identifier: Apache-2.0
#include "tools/console/run_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <ctime>

#include "tools/machine/error.hpp"

namespace bulkhead::tool {

namespace {

constexpr std::string_view kHalted = "bulkhead: system halted (status ";
constexpr std::string_view kPanic = "bulkhead: KERNEL PANIC";
constexpr std::string_view kChannel = "console: channel ";
constexpr std::size_t kTailBytes = 3000;
constexpr std::size_t kGuestTailBytes = 800;

/// Adds a line and forgets the first ones when that gets too much.
void remember(std::string& lines, std::string_view line, std::size_t limit) {
    lines += fmt::format("{}\n", line);
    if (lines.size() > 2 * limit) lines.erase(0, lines.find('\n', lines.size() - limit) + 1);
}

std::optional<int> number_after(std::string_view text, std::string_view prefix) {
    const auto found = text.find(prefix);
    if (found == std::string_view::npos) return std::nullopt;
    text.remove_prefix(found + prefix.size());
    int value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return std::nullopt;
    return value;
}

}  // namespace

RunLog::RunLog(std::filesystem::path file)
    : file_(std::move(file)),
      kernel_([this](std::string_view text) { line(text); }),
      system_([this](std::string_view text) { line(text); }) {
    std::filesystem::create_directories(file_.parent_path());
    stream_.open(file_, std::ios::binary | std::ios::trunc);
    if (!stream_) throw_errno("cannot write the log " + file_.string());
}

void RunLog::channel(unsigned number, std::string_view bytes) {
    if (number == 0) return system_.feed(bytes);
    auto found = guests_.find(number);
    if (found == guests_.end()) {
        const auto sink = [this, number](std::string_view text) { guest_line(number, text); };
        found = guests_.emplace(number, LineSplitter(sink)).first;
    }
    found->second.feed(bytes);
}

void RunLog::finish() {
    kernel_.finish();
    system_.finish();
    for (auto& [number, splitter] : guests_) splitter.finish();
}

void RunLog::line(std::string_view text) {
    if (text.empty()) return;
    write(text);
    remember(recent_, text, kTailBytes);
    if (const auto status = number_after(text, kHalted)) halt_status_ = status;
    if (text.find(kPanic) != std::string_view::npos) panicked_ = true;
    if (const auto number = number_after(text, kChannel)) {
        const auto equals = text.find("= ");
        if (equals != std::string_view::npos) names_[static_cast<unsigned>(*number)] = text.substr(equals + 2);
    }
}

void RunLog::guest_line(unsigned channel, std::string_view text) {
    write(fmt::format("{{{}}} {}", channel, text));
    if (!text.empty()) remember(guest_recent_[channel], text, kGuestTailBytes);
}

void RunLog::write(std::string_view text) {
    stream_ << text << '\n';
    stream_.flush();
}

std::string RunLog::guest_tail(unsigned channel) const {
    const auto found = guest_recent_.find(channel);
    return found != guest_recent_.end() ? found->second : std::string();
}

std::filesystem::path new_log_name(const std::filesystem::path& directory, std::string_view name) {
    return directory / fmt::format("{}-{:%Y%m%d-%H%M%S}-{}.log", name, fmt::localtime(std::time(nullptr)), ::getpid());
}

}  // namespace bulkhead::tool
