// SPDX-License-Identifier: Apache-2.0
// What each system call does: one function `Outcome<Call> handle(Thread& caller, const Call& call)` per call struct, in
// the *_calls.cpp files. Decoded arguments in, results or a status out; first everything is checked, then what is done
// cannot fail half-way.
#pragma once

#include "abi/calls.hpp"
#include "abi/status.hpp"

namespace bulkhead::kernel {

class Thread;

template <typename Call>
using Outcome = abi::Result<abi::Output<Call>>;

}  // namespace bulkhead::kernel
