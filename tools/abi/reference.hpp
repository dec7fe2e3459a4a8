// SPDX-License-Identifier: Apache-2.0
// Makes docs/reference/abi.md from the tables of include/abi. What the tables do not say (what a call does,
// when it fails how) is the comment above each struct of calls.hpp, which is read from its source.
#pragma once

#include <istream>
#include <string>

namespace bulkhead {

/// The page, in Markdown. `calls_header`: the text of include/abi/calls.hpp.
std::string abi_reference(std::istream& calls_header);

}  // namespace bulkhead
