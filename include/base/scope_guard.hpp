// SPDX-License-Identifier: Apache-2.0
// Runs a function when the scope ends, unless dismissed: undo for constructions of several steps.
#pragma once

#include <utility>

namespace bulkhead {

template <typename Function>
class [[nodiscard]] ScopeGuard {
  public:
    explicit ScopeGuard(Function function) : function_{std::move(function)} {}
    ScopeGuard(const ScopeGuard&) = delete;
    ScopeGuard& operator=(const ScopeGuard&) = delete;
    ~ScopeGuard() {
        if (armed_) function_();
    }
    void dismiss() { armed_ = false; }

  private:
    Function function_;
    bool armed_ = true;
};

}  // namespace bulkhead
