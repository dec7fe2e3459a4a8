// SPDX-License-Identifier: Apache-2.0
// The one exception of the host tools: a sentence for the person at the terminal.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace bulkhead::tool {

/// Something the user can act on; main() prints it after "bulkhead: " and exits with status 1.
class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Throws Error with the text of errno appended.
[[noreturn]] void throw_errno(std::string_view what);

}  // namespace bulkhead::tool
