// SPDX-License-Identifier: Apache-2.0
#include "runtime/service.hpp"

#include "base/scope_guard.hpp"
#include "runtime/program.hpp"

namespace bulkhead::runtime {

abi::Result<Service> Service::create(const ServiceOptions& options) {
    Service service;
    const uint32_t cpu_count = environment().cpu_count;
    service.first_portal_ = TRY(allocate_slots(cpu_count));
    service.portal_count_ = cpu_count;
    ScopeGuard undo{[&] { service.destroy(); }};
    for (uint32_t cpu = 0; cpu < cpu_count; ++cpu) {
        if ((options.cpus & environment().cpus & uint64_t{1} << cpu) == 0) continue;
        ThreadOptions thread;
        thread.name = options.name;
        thread.cpu = cpu;
        thread.uses_fpu = options.uses_fpu;
        Thread handler = TRY(Thread::create_handler(thread));
        service.handlers_[cpu] = handler;
        TRY(handler.start({.priority = environment().priority}));  // if its caller leaves it
        if (options.receive_slots != 0) {
            abi::MessageBuffer& buffer = *handler.block().message_buffer;
            buffer.receive_window = TRY(allocate_slots(options.receive_slots));
            buffer.receive_window_slots = options.receive_slots;
        }
        TRY(invoke(abi::CreatePortal{self, service.portal(cpu), handler.selector(),
                                      reinterpret_cast<uint64_t>(options.entry), options.badge}));
    }
    undo.dismiss();
    return service;
}

abi::Result<abi::Selector> Service::derive(uint64_t badge, HandlerEntry entry) const {
    const abi::Selector first = TRY(allocate_slots(portal_count_));
    for (uint32_t cpu = 0; cpu < portal_count_; ++cpu) {
        if (!handlers_[cpu]) continue;
        TRY(invoke(
            abi::CreatePortal{self, first + cpu, handlers_[cpu].selector(), reinterpret_cast<uint64_t>(entry), badge}));
    }
    return first;
}

void Service::destroy() {
    for (uint32_t cpu = 0; cpu < portal_count_; ++cpu) {
        static_cast<void>(invoke(abi::Destroy{portal(cpu)}));
        static_cast<void>(invoke(abi::RemoveCapability{self, portal(cpu)}));
        if (!handlers_[cpu]) continue;
        const abi::MessageBuffer& buffer = *handlers_[cpu].block().message_buffer;
        if (buffer.receive_window != abi::null_selector) {
            release_slots(buffer.receive_window, buffer.receive_window_slots);
        }
        handlers_[cpu].destroy();
    }
    if (portal_count_ != 0) release_slots(first_portal_, portal_count_);
    *this = Service{};
}

}  // namespace bulkhead::runtime
