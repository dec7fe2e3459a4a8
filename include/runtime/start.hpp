// SPDX-License-Identifier: Apache-2.0
// The two steps of start-up, for servers/runtime/start.cpp only.
#pragma once

#include "abi/layout.hpp"
#include "protocol/startup.hpp"

namespace bulkhead::runtime {

void initialize_root(const abi::RootInformation& root);
void initialize_program(const protocol::StartupInformation& startup);

}  // namespace bulkhead::runtime
