// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/port_range.hpp"

#include "kernel/object/domain.hpp"

namespace bulkhead::kernel {

abi::Result<void> PortRange::attach(Domain& domain) {
    for (const Domain* user : users_)
        if (user == &domain) return abi::Status::Overlap;
    if (!users_.push_back(&domain)) return abi::Status::Busy;
    return {};
}

void PortRange::detach(Domain& domain) {
    for (Domain*& user : users_) {
        if (user != &domain) continue;
        user = users_.back();
        users_.pop_back();
        return;
    }
}

void PortRange::retire() {
    for (Domain* user : users_) user->forbid_ports(*this);
    users_.clear();
}

}  // namespace bulkhead::kernel
