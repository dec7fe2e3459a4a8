// SPDX-License-Identifier: Apache-2.0
// bulkhead build, check, symbolize
#include <cstdio>
#include <memory>

#include "tools/bulkhead/commands.hpp"
#include "tools/bulkhead/guest_files.hpp"
#include "tools/bulkhead/manifest.hpp"
#include "tools/debug/symbolize.hpp"

namespace bulkhead::tool {

CLI::Validator platform_name() {
    const auto convert = [](std::string& text) -> std::string {
        if (const auto platform = parse_platform(text)) {
            text = std::to_string(static_cast<int>(*platform));
            return {};
        }
        std::string known;
        for (const auto platform : all_platforms()) known += (known.empty() ? "" : ", ") + std::string(to_string(platform));
        return "there is no platform '" + text + "'; there are " + known;
    };
    return CLI::Validator(convert, "", "platform");
}

void add_build_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("build", "build everything and fetch the guests; run nothing");
    command->footer("Everything lands in build/default; the compiler's words are in build/default/build.log.");
    command->callback([&action] {
        // The script that started this tool has built the targets already.
        action = [] {
            const auto layout = find_layout();
            build_linux_guest(layout, "cloud");
            std::printf("built in %s\n", layout.build.c_str());
            return 0;
        };
    });
}

void add_check_command(CLI::App& app, Action& action) {
    auto file = std::make_shared<std::string>();
    auto* command = app.add_subcommand("check", "check a system manifest");
    command->footer(R"(Example:
  bulkhead check tools/systems/default.toml
A mistake is shown as FILE:LINE:COLUMN: what is wrong; allowed: what may stand there. All keys: docs/guide/manifest.md)");
    command->add_option("SYSTEM", *file, "the manifest")->required()->check(CLI::ExistingFile);
    command->callback([file, &action] {
        action = [file] {
            const auto system = compile_system(*file, {});
            std::printf("%s is right; it needs these boot modules:", file->c_str());
            for (const auto& module : system.modules) std::printf(" %s", module.name.c_str());
            std::printf("\n");
            return 0;
        };
    });
}

void add_symbolize_command(CLI::App& app, Action& action) {
    auto file = std::make_shared<std::string>();
    auto* command = app.add_subcommand("symbolize", "name the functions in the backtraces of a log");
    command->footer(R"(Examples:
  bulkhead symbolize build/default/logs/run-20260101-120000-1234.log
  some-serial-console | bulkhead symbolize -)");
    command->add_option("LOG", *file, "the log, or - for standard input")->required();
    command->callback([file, &action] {
        action = [file] { return symbolize_log(find_layout(), *file); };
    });
}

}  // namespace bulkhead::tool
