// SPDX-License-Identifier: Apache-2.0
#include "tools/test/plan.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

namespace bulkhead::tool {

namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\r' || text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    return text;
}

std::string_view without_component(std::string_view text) {
    if (!text.starts_with('[')) return text;
    const auto end = text.find("] ");
    return end == std::string_view::npos ? text : text.substr(end + 2);
}

}  // namespace

void PlanParser::line(std::string_view text) {
    text = without_component(trimmed(text));
    if (text == "done") {
        done_ = true;
        return;
    }
    const auto space = text.find(' ');
    if (space == std::string_view::npos) return;
    const auto verb = text.substr(0, space);
    const auto rest = trimmed(text.substr(space + 1));
    if (verb == "plan") {
        unsigned count = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
        if (error == std::errc{} && end == rest.data() + rest.size()) planned_ = count;
        return;
    }
    if (!planned_ || done_ || rest.empty()) return;
    if (verb == "figure") {
        figures_.emplace_back(rest);
        return;
    }
    if (verb == "pass" && rest.find(' ') == std::string_view::npos) return add({std::string(rest), Outcome::Passed});
    if (verb != "fail" && verb != "skip") return;
    const auto colon = std::min(rest.find(": "), rest.size());
    const auto name = rest.substr(0, colon);
    if (name.find(' ') != std::string_view::npos) return;
    add({std::string(name), verb == "fail" ? Outcome::Failed : Outcome::Skipped,
         std::string(rest.substr(std::min(colon + 2, rest.size())))});
}

void PlanParser::add(CaseResult result) {
    result.figures = std::exchange(figures_, {});
    results_.push_back(std::move(result));
}

std::vector<CaseResult> reconcile(const std::vector<std::string>& expected, const std::vector<CaseResult>& reported,
                                  const std::string& why_missing) {
    std::map<std::string, const CaseResult*> first;
    std::vector<CaseResult> results;
    std::vector<CaseResult> strays;
    for (const auto& result : reported) {
        if (std::find(expected.begin(), expected.end(), result.name) == expected.end()) {
            strays.push_back({result.name, Outcome::Failed, "reported, but no such test is known"});
        } else if (!first.emplace(result.name, &result).second) {
            strays.push_back({result.name, Outcome::Failed, "reported more than once"});
        }
    }
    bool explained = false;
    for (const auto& name : expected) {
        const auto found = first.find(name);
        if (found != first.end()) {
            results.push_back(*found->second);
        } else {
            results.push_back({name, Outcome::Failed, explained ? "did not report either" : why_missing});
            explained = true;
        }
    }
    results.insert(results.end(), strays.begin(), strays.end());
    return results;
}

}  // namespace bulkhead::tool
