// SPDX-License-Identifier: Apache-2.0
// bulkhead run
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "protocol/vm.hpp"
#include "tools/bulkhead/commands.hpp"
#include "tools/bulkhead/system.hpp"
#include "tools/debug/symbolize.hpp"
#include "tools/machine/error.hpp"
#include "tools/machine/launch.hpp"
#include "tools/machine/size.hpp"

namespace bulkhead::tool {

namespace {

/// What the command line said, as text where it needs checking.
struct RunOptions {
    std::string manifest;
    std::optional<Platform> platform;
    std::optional<std::string> exec_command;
    std::optional<unsigned> cpus;
    std::string memory;
    std::string kernel;
    std::string initrd;
    std::optional<std::string> command_line;
    std::optional<unsigned> machine_cpus;
    std::string machine_memory;
    std::string kernel_arguments;
    std::string program;
    unsigned timeout_s = 0;
    bool uefi = false;
    bool gdb = false;
};

constexpr unsigned kGdbPort = 1234;  ///< unless somebody else has it

void say(std::string_view text) { std::fprintf(stderr, "bulkhead: %.*s\n", static_cast<int>(text.size()), text.data()); }

std::optional<std::uint64_t> size_option(const char* name, const std::string& text) {
    if (text.empty()) return std::nullopt;
    const auto size = parse_size(text);
    if (!size) throw Error(fmt::format("{} {}: not a size; write 512M or 2G", name, text));
    return size;
}

Platform decide_platform(const std::optional<Platform>& asked) {
    const auto facts = probe_host();
    if (asked) {
        if (const auto why = why_unusable(*asked, facts)) {
            throw Error(fmt::format("{} does not work here: {}", to_string(*asked), *why));
        }
        return *asked;
    }
    const auto choice = choose_platform(facts);
    say(fmt::format("running on {}: {}", to_string(choice.platform), choice.reason));
    return choice.platform;
}

/// Debug information for a gdb session, on standard error before the machine stops at its first instruction.
void explain_gdb(const Layout& layout, unsigned port) {
    say("the machine waits for gdb before its first instruction; in another terminal:");
    say(fmt::format("  gdb -readnow -x '{}' -ex 'target remote 127.0.0.1:{}' '{}'",
                    (layout.source / "tools" / "debug" / "bulkhead_gdb.py").string(), port, layout.kernel().string()));
    say("there: 'hbreak FUNCTION' and 'continue'; 'bulkhead-capabilities SPACE' lists a domain's capabilities");
    say("programs lie in " + (layout.build / "programs").string() + ": 'add-symbol-file' one to stop in it");
}

void print_output(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

int report(const SessionResult& result, const std::filesystem::path& log, bool always_name_log) {
    if (!result.problem.empty()) say(symbolize_text(find_layout(), result.problem));
    if (!result.problem.empty() || always_name_log) say("log: " + log.string());
    return result.status;
}

int run(const RunOptions& options) {
    if (!options.exec_command && options.program.empty()) {
        say("to leave: Ctrl-] q   (Ctrl-] n: next console, l: system log, ?: help)");
    }
    const auto layout = find_layout();
    SystemRequest request;
    request.manifest = options.manifest;
    request.overrides.cpus = options.cpus;
    request.overrides.memory_bytes = size_option("--memory", options.memory);
    request.overrides.kernel = options.kernel;
    request.overrides.initrd = options.initrd;
    request.overrides.command_line = options.command_line;
    request.exec_command = options.exec_command;
    request.overrides.machine_cpus = options.machine_cpus;
    request.overrides.machine_memory_bytes = size_option("--machine-memory", options.machine_memory);
    request.kernel_arguments = options.kernel_arguments;
    request.uefi = options.uefi;
    request.platform = decide_platform(options.platform);
    if (options.gdb) {
        request.gdb_port = free_port(kGdbPort);
        explain_gdb(layout, request.gdb_port);
    }

    const auto log = new_log_name(layout.logs(), "run");
    const unsigned given = options.timeout_s != 0 ? options.timeout_s : 300;
    const std::chrono::seconds limit(static_cast<unsigned>(given * (options.timeout_s != 0 ? 1 : slowness(request.platform))));
    if (!options.program.empty()) return report(run_program(layout, options.program, request, log, limit, print_output), log, true);
    if (options.exec_command) return report(run_system(layout, request, log, limit, print_output), log, false);
    return report(run_system_interactively(layout, request, log), log, true);
}

}  // namespace

void add_run_command(CLI::App& app, Action& action) {
    auto options = std::make_shared<RunOptions>();
    auto* command = app.add_subcommand("run", "boot a system; the terminal becomes its guest's console");
    command->footer(R"(Examples:
  bulkhead run                                   a Debian guest; type into its shell, `exit` powers it off
  bulkhead run --exec 'uname -a; nproc' --cpus 2 one command in a guest with two CPUs, and its exit status
  bulkhead run --on bochs-vmx --exec 'uname -r'  the same on VT-x, which Bochs emulates (about a minute)
  bulkhead run tools/systems/two-guests.toml     two guests; Ctrl-] n shows the other one
  bulkhead run --kernel bzImage --initrd initrd.cpio --cmdline 'console=ttyS0'
  bulkhead run --program test-ipc --kernel-args 'only=NAME'   one system test by hand
  bulkhead run --gdb                             prints the gdb line to type in another terminal

Keys: Ctrl-] then q leaves, n next console, l system log; Ctrl-] ? lists them.
The log of each run is in build/default/logs; status 125: the run itself failed.)");
    command->add_option("SYSTEM", options->manifest, "system manifest (default: one Debian guest)")->option_text("FILE");
    command->add_option("--on", options->platform, "platform: kvm, qemu-svm, bochs-vmx, nested-svm, nested-vmx")
        ->transform(platform_name())
        ->option_text("PLATFORM");
    command->add_option("--exec", options->exec_command,
                        "run this shell command as root in the guest, print its output, exit with its status")
        ->option_text("'CMD'");
    command->add_option("--cpus", options->cpus, "CPUs of the (first) guest, at most 4")
        ->check(CLI::Range(1, static_cast<int>(protocol::max_vcpus)))
        ->option_text("N");
    command->add_option("--memory", options->memory, "memory of the (first) guest, such as 512M")->option_text("SIZE");
    command->add_option("--kernel", options->kernel, "another kernel for the (first) guest")
        ->check(CLI::ExistingFile)
        ->option_text("FILE");
    command->add_option("--initrd", options->initrd, "another initrd for it")->check(CLI::ExistingFile)->option_text("FILE");
    command->add_option("--cmdline", options->command_line, "another kernel command line for it")->option_text("TEXT");
    command->add_option("--machine-cpus", options->machine_cpus, "CPUs of the machine under Bulkhead")
        ->check(CLI::Range(1, 64))
        ->option_text("N");
    command->add_option("--machine-memory", options->machine_memory, "memory of the machine under Bulkhead")
        ->option_text("SIZE");
    command->add_option("--kernel-args", options->kernel_arguments, "more words for Bulkhead's own command line")
        ->option_text("TEXT");
    command->add_option("--timeout", options->timeout_s, "with --exec: give up then")->option_text("SECONDS");
    command->add_option("--program", options->program,
                        "no manifest: this program (a system test, say) as the only one; 'none': the kernel alone")
        ->option_text("NAME");
    command->add_flag("--uefi", options->uefi, "boot by UEFI instead of the PC BIOS (QEMU)");
    command->add_flag("--gdb", options->gdb, "stop before the first instruction and wait for gdb (QEMU)");
    command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace bulkhead::tool
