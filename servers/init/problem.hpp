// SPDX-License-Identifier: Apache-2.0
// Why something could not be started: what was tried and why it failed, for one clear sentence in the log.
#pragma once

#include "abi/status.hpp"
#include "abi/names.hpp"
#include "base/result.hpp"

namespace bulkhead::init {

struct Problem {
    const char* what;    ///< "making its domain"
    const char* reason;  ///< "out of memory"
};

using Outcome = Result<void, Problem>;

constexpr const char* reason_text(abi::Status status) { return abi::name(status); }

}  // namespace bulkhead::init

/// The value of a Result, or a Problem that says `text` failed, returned from the enclosing function.
#define STEP(text, expression)                                                         \
    __extension__({                                                                    \
        auto&& step_result_ = (expression);                                            \
        if (!step_result_.ok())                                                        \
            return ::bulkhead::init::Problem{text, reason_text(step_result_.error())}; \
        std::move(step_result_).value();                                               \
    })
