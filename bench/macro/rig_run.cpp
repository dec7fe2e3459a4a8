// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/rig_run.hpp"

#include <fmt/format.h>

#include <fstream>

#include "tools/console/frame.hpp"
#include "tools/machine/error.hpp"

namespace bulkhead::bench {

using tool::LineSplitter;
using tool::Received;

RigOutput run_rig(const tool::Layout& layout, const tool::Rig& rig, const std::filesystem::path& log_file,
                  std::chrono::seconds limit, const std::function<void(std::string_view)>& progress) {
    const tool::TemporaryDirectory work;
    std::filesystem::create_directories(log_file.parent_path());
    std::ofstream log(log_file);
    if (!log) tool::throw_errno("cannot write the log " + log_file.string());
    tool::Machine machine = tool::start_rig(layout, rig, work.path());

    RigOutput output;
    bool done = false;
    LineSplitter lines([&](std::string_view line) {
        log << line << std::endl;
        output.lines.emplace_back(line);
        if (line == kDone) done = true;
        if (line.starts_with("@error ")) output.problem = line.substr(7);
        if (line.starts_with('@')) progress(line);
    });
    const auto end = std::chrono::steady_clock::now() + limit;
    bool ended = false;
    while (!done && !ended && std::chrono::steady_clock::now() < end) {
        std::string bytes;
        ended = machine.receive(bytes, std::chrono::milliseconds(250)) == Received::Ended;
        lines.feed(bytes);
    }
    lines.finish();
    machine.stop();
    if (!done && output.problem.empty()) {
        output.problem = ended ? "the rig ended before it was done" : fmt::format("the rig was not done within {} s", limit.count());
        output.problem += "; log: " + log_file.string();
        // Emulators say much that does not matter; what one said last may be why it ended.
        if (const auto messages = machine.emulator_messages(); ended && !messages.empty()) {
            const auto line = messages.rfind('\n', messages.find_last_not_of('\n'));
            output.problem += "; the emulator's last line: " + messages.substr(line == std::string::npos ? 0 : line + 1);
            while (output.problem.back() == '\n') output.problem.pop_back();
        }
    }
    return output;
}

}  // namespace bulkhead::bench
