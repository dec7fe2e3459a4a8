// SPDX-License-Identifier: Apache-2.0
// The command line of Bulkhead's host tool.
#include <cstdio>

#include "tools/bulkhead/commands.hpp"
#include "tools/console/session.hpp"
#include "tools/machine/error.hpp"

namespace {

/// What says that the tool itself failed: of `run`, whose status is otherwise the guest's, a number of its own.
int failure_status(const CLI::App& app) { return app.got_subcommand("run") ? bulkhead::tool::kRunFailed : 1; }

}  // namespace

int main(int argc, char** argv) {
    using namespace bulkhead::tool;
    CLI::App app("Bulkhead: a microkernel that is also a hypervisor", "bulkhead");
    app.require_subcommand(1);
    app.get_formatter()->column_width(34);
    Action action;
    add_run_command(app, action);
    add_test_command(app, action);
    add_bench_command(app, action);
    add_build_command(app, action);
    add_check_command(app, action);
    add_symbolize_command(app, action);
    add_compare_command(app, action);
    try {
        app.parse(argc, argv);
        return action();
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : failure_status(app);  // --help comes this way too
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bulkhead: %s\n", error.what());
        return failure_status(app);
    }
}
