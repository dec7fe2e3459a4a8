// SPDX-License-Identifier: Apache-2.0
#include "bench/guest/reporter.hpp"

#include <cstdio>

namespace bulkhead::guest {

GuestReporter::GuestReporter(std::string unit) : UnitTable(std::move(unit)) { json_.SetOutputStream(&text_); }

void GuestReporter::send_json() {
    std::istringstream lines(text_.str());
    for (std::string line; std::getline(lines, line);) std::printf("#json %s\n", line.c_str());
    std::fflush(stdout);
    text_.str("");
}

bool GuestReporter::ReportContext(const Context& context) {
    UnitTable::ReportContext(context);
    const bool good = json_.ReportContext(context);
    send_json();
    return good;
}

void GuestReporter::ReportRuns(const std::vector<Run>& runs) {
    std::vector<Run> ours;
    for (const auto& run : runs) {
        ours.push_back(bench::cleaned(run));
        ++finished_;
        if (run.error_occurred && !run.error_message.starts_with("skipped: ")) ++failed_;
    }
    UnitTable::ReportRuns(ours);
    json_.ReportRuns(ours);
    send_json();
}

void GuestReporter::Finalize() {
    json_.Finalize();
    send_json();
}

}  // namespace bulkhead::guest
