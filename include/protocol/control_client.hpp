// SPDX-License-Identifier: Apache-2.0
// The client's side of the supervisor's portal (control.hpp): typed stubs. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/control.hpp"
#include "runtime/message.hpp"
#include "runtime/object.hpp"
#include "runtime/program.hpp"
#include "runtime/service.hpp"
#include "runtime/thread.hpp"

namespace bulkhead::protocol {

class Supervisor {
  public:
    /// Offers a service the manifest says this program provides, on all CPUs it has handlers on.
    static bool offer(std::string_view name, const runtime::Service& service) {
        for (uint32_t cpu = 0; cpu < service.portal_count(); ++cpu) {
            if (!service.handler(cpu)) continue;
            runtime::Message message{control_label(ControlOperation::Offer)};
            message.words[0] = cpu;
            put_name(name, &message.words[2]);
            runtime::message_buffer().items[0] = {service.portal(cpu), abi::PortalRight::Call | abi::Right::Derive, 0};
            message.with_items(1);
            if (!succeeds(message)) return false;
        }
        return true;
    }

    /// Asks for `connected` bits of a notification whenever a connection of this program was made, or made again, and
    /// for `stopping` bits before the machine halts, to be answered with stopped().
    static bool watch(runtime::Notification notification, uint64_t connected, uint64_t stopping = 0) {
        runtime::Message message{control_label(ControlOperation::Watch)};
        message.words[0] = connected;
        message.words[1] = stopping;
        runtime::message_buffer().items[0] = {notification.selector(), abi::NotificationRight::Signal, 0};
        message.with_items(1);
        return succeeds(message);
    }

    static void stopped() { short_call(ControlOperation::Stopped, 0); }
    static void heartbeat() { short_call(ControlOperation::Heartbeat, 0); }
    /// Ends the run of the machine, if the manifest allows it.
    static void halt(uint8_t status) { short_call(ControlOperation::Halt, status); }

    /// From a monitor: its machine has ended. `details` is one line for the log.
    static void vm_ended(VmEnd end, std::string_view details) {
        runtime::Message message{control_label(ControlOperation::VmEnded, details.size())};
        message.words[0] = static_cast<uint64_t>(end);
        put_text(details, message.words, runtime::message_buffer());
        message.with_buffer_words(text_buffer_words(details.size()));
        static_cast<void>(succeeds(message));
    }

  private:
    static abi::Selector portal() { return runtime::environment().supervisor_portals + runtime::this_cpu(); }
    static bool succeeds(runtime::Message& message) {
        return message.call(portal()).ok() && static_cast<ControlResult>(message.label()) == ControlResult::Ok;
    }
    static void short_call(ControlOperation operation, uint64_t word) {
        static_cast<void>(runtime::call(portal(), control_label(operation), word));
    }
};

}  // namespace bulkhead::protocol
