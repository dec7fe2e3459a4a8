// SPDX-License-Identifier: Apache-2.0
// Init's portals: the supervisor portal (protocol/control.hpp) and the exception portal, a handler per CPU for both.
#pragma once

#include "abi/status.hpp"
#include "protocol/manifest.hpp"
#include "runtime/object.hpp"
#include "runtime/service.hpp"
#include "servers/init/mailbox.hpp"

namespace bulkhead::init {

/// Bits of init's notification.
struct Wake {
    static constexpr uint64_t Report = 1 << 0;
    static constexpr uint64_t Event = 1 << 1;
    static constexpr uint64_t Halt = 1 << 2;
};

struct HandlerPortals {
    abi::Selector supervisor;  ///< for CPU 0, that of CPU n is n further
    abi::Selector exception;
};

/// Starts the handlers; `manifest` must stay.
abi::Result<HandlerPortals> start_handlers(const protocol::ManifestReader& manifest, runtime::Notification wake);

/// Makes the handlers that get the exceptions of init's own threads made from then on: they write down what is wrong
/// and halt the machine.
abi::Result<void> start_guardian();

Mailbox& mailbox(uint32_t component);
EventQueue& event_queue(uint32_t cpu);
/// The status a component asked the machine to be halted with.
uint8_t halt_status();

}  // namespace bulkhead::init
