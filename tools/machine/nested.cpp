// SPDX-License-Identifier: Apache-2.0
// The nested rigs: an emulated machine that runs Debian's Linux with KVM, which runs Bulkhead.
#include "tools/machine/error.hpp"
#include "tools/machine/launch.hpp"

namespace bulkhead::tool {

MachineOptions prepare_nested(const MachineOptions& options) {
    throw Error("the platform " + std::string(to_string(options.platform)) + " is not there yet");
}

}  // namespace bulkhead::tool
