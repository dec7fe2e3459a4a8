// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/error.hpp"

#include <cerrno>
#include <system_error>

namespace bulkhead::tool {

void throw_errno(std::string_view what) {
    throw Error(std::string(what) + ": " + std::generic_category().message(errno));
}

}  // namespace bulkhead::tool
