// SPDX-License-Identifier: Apache-2.0
// What a system test prints: `plan N`, then per case `pass NAME`, `fail NAME: why` or `skip NAME: reason`, then
// `done`. Before the line of a case, `figure TEXT` is something the case has measured.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::tool {

enum class Outcome { Passed, Failed, Skipped };

struct CaseResult {
    std::string name;
    Outcome outcome = Outcome::Passed;
    std::string detail = {};  ///< why it failed or was skipped
    std::vector<std::string> figures = {};  ///< what it has measured
};

/// Reads the lines of one run. Lines that say nothing about tests are ignored, a `[component] ` in front of one
/// that does is skipped.
class PlanParser {
  public:
    void line(std::string_view text);

    [[nodiscard]] const std::vector<CaseResult>& results() const { return results_; }
    [[nodiscard]] std::optional<unsigned> planned() const { return planned_; }
    [[nodiscard]] bool done() const { return done_; }

  private:
    void add(CaseResult result);

    std::vector<CaseResult> results_;
    std::vector<std::string> figures_;  // of the case whose line comes next
    std::optional<unsigned> planned_;
    bool done_ = false;
};

/// The results of a run of which `expected` cases were known beforehand: each expected case exactly once, in
/// order; those that did not report fail, the first of them with `why_missing`; reports of unknown or repeated cases fail too.
[[nodiscard]] std::vector<CaseResult> reconcile(const std::vector<std::string>& expected,
                                                const std::vector<CaseResult>& reported,
                                                const std::string& why_missing);

}  // namespace bulkhead::tool
