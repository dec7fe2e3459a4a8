// SPDX-License-Identifier: Apache-2.0
// A service: one handler thread on each of its CPUs and one portal to each, in consecutive slots indexed by CPU, so
// that a client calls slot `first + its CPU`. The handlers run on their callers' time; one whose caller
// has left ends its work at the program's own priority.
#pragma once

#include <cstdint>

#include "runtime/handler.hpp"
#include "runtime/thread.hpp"

namespace bulkhead::runtime {

struct ServiceOptions {
    const char* name = "service";
    HandlerEntry entry = nullptr;  ///< short_handler<f> or message_handler<f>
    uint64_t badge = 0;
    uint64_t cpus = ~uint64_t{0};  ///< bit mask; CPUs this program has not are left out
    bool uses_fpu = false;
    /// Slots of each handler's receive window for capabilities in messages.
    uint32_t receive_slots = 0;
};

class Service {
  public:
    constexpr Service() = default;

    static abi::Result<Service> create(const ServiceOptions& options);

    /// Slot of the portal for CPU 0; that of CPU n is n slots further, and empty where there is no handler.
    abi::Selector first_portal() const { return first_portal_; }
    abi::Selector portal(uint32_t cpu) const { return first_portal_ + cpu; }
    /// How many slots from `first_portal()` on belong to the service.
    uint32_t portal_count() const { return portal_count_; }
    Thread handler(uint32_t cpu) const { return handlers_[cpu]; }

    /// Makes portals with another badge to the same handlers, as consecutive slots; returns the first.
    abi::Result<abi::Selector> derive(uint64_t badge, HandlerEntry entry) const;

    /// Destroys portals and handlers.
    void destroy();

  private:
    abi::Selector first_portal_ = abi::null_selector;
    uint32_t portal_count_ = 0;
    Thread handlers_[abi::maximum_cpus];
};

}  // namespace bulkhead::runtime
