// SPDX-License-Identifier: Apache-2.0
// Everything goes out on the console at once, so that what is finished is known even if the guest dies: the table as it
// is, and Google Benchmark's JSON in lines that start with `#json `, which the host collects.
#pragma once

#include <sstream>
#include <string>

#include "bench/report/unit_table.hpp"

namespace bulkhead::guest {

class GuestReporter : public bench::UnitTable {
  public:
    explicit GuestReporter(std::string unit);

    bool ReportContext(const Context& context) override;
    void ReportRuns(const std::vector<Run>& runs) override;
    void Finalize() override;

    /// Runs that ended in an error; those that were skipped are none.
    [[nodiscard]] unsigned failed() const { return failed_; }
    [[nodiscard]] unsigned finished() const { return finished_; }

  private:
    void send_json();

    std::ostringstream text_;
    benchmark::JSONReporter json_;
    unsigned failed_ = 0;
    unsigned finished_ = 0;
};

}  // namespace bulkhead::guest
