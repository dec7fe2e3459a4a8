// SPDX-License-Identifier: Apache-2.0
// The handlers look at a call, leave word for the main thread (mailbox.hpp) and reply. Only log text is dealt with
// right here, on the caller's time.
#include "servers/init/handlers.hpp"

#include <algorithm>
#include <cstring>

#include "protocol/control.hpp"
#include "runtime/call.hpp"
#include "runtime/log.hpp"
#include "runtime/message.hpp"
#include "runtime/program.hpp"
#include "runtime/thread.hpp"
#include "runtime/time.hpp"
#include "servers/init/backtrace.hpp"
#include "servers/init/halt.hpp"
#include "servers/init/say.hpp"

namespace bulkhead::init {
namespace {

using protocol::ControlResult;
using protocol::ManifestLimit;

constexpr uint64_t log_bytes_per_second = 64 * 1024;

constinit Mailbox mailboxes[ManifestLimit::domains];
EventQueue queues[abi::maximum_cpus];
constinit std::atomic<uint8_t> requested_halt_status{0};
constinit runtime::Notification main_thread;
constinit const protocol::ManifestReader* the_manifest = nullptr;

/// Who calls, as the badge says.
struct Caller {
    uint32_t index;
    uint32_t generation;

    explicit Caller(uint64_t badge)
        : index{ComponentBadge::Index::read(badge)}, generation{ComponentBadge::Generation::read(badge)} {}
    Mailbox& box() const { return mailboxes[index]; }
    bool alive() const { return index < ManifestLimit::domains && box().generation.load() == generation; }
    const protocol::DomainRecord& record() const { return the_manifest->domains()[index]; }
};

bool may_log(Mailbox& box, size_t bytes) {
    const uint64_t now = runtime::now_ticks();
    if (now - box.log_window_start_ticks.load() > runtime::ns_to_ticks(runtime::ns_per_second)) {
        box.log_window_start_ticks.store(now);
        box.log_window_bytes.store(0);
    }
    if (box.log_window_bytes.fetch_add(bytes) + bytes <= log_bytes_per_second) return true;
    box.log_bytes_dropped.fetch_add(bytes);
    return false;
}

/// Writes `[name] line` for each line of the text. Control characters do not reach the log: a frame mark among them
/// could make the console's reader believe things.
void write_lines(std::string_view name, std::string_view text) {
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        char line[runtime::log_line_capacity];  // written as one piece, so lines never mix
        runtime::TextSink sink{line, sizeof(line) - 1};
        runtime::format_to(sink, "[{}] ", name);
        for (char character : text.substr(0, std::min(end, runtime::log_line_capacity)))
            sink.put(static_cast<unsigned char>(character) >= 0x20 || character == '\t' ? character : '?');
        const size_t size = sink.text().size();
        line[size] = '\n';
        runtime::write_kernel_log({line, size + 1});
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

ControlResult log_text(const Caller& caller, const runtime::Request& request) {
    const size_t size = protocol::TextLabel::SizeBytes::read(request.label());
    const std::string_view text =
        protocol::get_text(size, request.words, runtime::message_buffer(), request.buffer_words());
    if (text.size() != size) return ControlResult::BadMessage;
    if (!may_log(caller.box(), size)) return ControlResult::Busy;
    // Writing a line uses the message buffer, in which the text may be.
    char copy[protocol::max_text];
    std::memcpy(copy, text.data(), size);
    write_lines(the_manifest->text(caller.record().name), {copy, size});
    return ControlResult::Ok;
}

/// The received capability in a slot of its own, so that the receive window is free for the next message.
abi::Result<abi::Selector> take_item() {
    const abi::Selector received = runtime::message_buffer().items[0].selector;
    const auto kept = runtime::Capability{received}.restricted(abi::all_rights);
    static_cast<void>(runtime::invoke(abi::RemoveCapability{runtime::self, received}));
    return kept;
}

ControlResult queue_event(const runtime::Request& request, Event event) {
    if (request.items() != 1) return ControlResult::BadMessage;
    const auto capability = take_item();
    if (!capability.ok()) return ControlResult::Busy;
    event.capability = capability.value();
    if (!queues[runtime::this_cpu()].put(event)) {
        runtime::Capability{capability.value()}.forget();
        return ControlResult::Busy;
    }
    static_cast<void>(main_thread.signal(Wake::Event));
    return ControlResult::Ok;
}

ControlResult offer(const Caller& caller, const runtime::Request& request) {
    const std::string_view name = protocol::get_name(&request.words[2]);
    const auto services = the_manifest->services();
    for (uint32_t index = 0; index < services.size(); ++index) {
        if (services[index].domain != caller.index || the_manifest->text(services[index].name) != name) continue;
        if (request.words[0] >= runtime::environment().cpu_count) break;
        return queue_event(request, {Event::Kind::Offer, caller.index, caller.generation, index,
                                     static_cast<uint32_t>(request.words[0]), 0, 0, 0});
    }
    if (request.items() != 0)
        static_cast<void>(
            runtime::invoke(abi::RemoveCapability{runtime::self, runtime::message_buffer().items[0].selector}));
    return ControlResult::NotAllowed;
}

ControlResult exit(const Caller& caller, const runtime::Request& request) {
    if (ExitReport* report = caller.box().exit.claim()) {
        *report = {caller.generation, static_cast<int64_t>(request.words[0])};
        caller.box().exit.publish();
    }
    static_cast<void>(main_thread.signal(Wake::Report));
    return ControlResult::Ok;
}

ControlResult vm_ended(const Caller& caller, const runtime::Request& request) {
    if (caller.record().vm == protocol::no_index) return ControlResult::NotAllowed;
    if (request.words[0] >= static_cast<uint64_t>(protocol::VmEnd::Count)) return ControlResult::BadMessage;
    const size_t size = protocol::TextLabel::SizeBytes::read(request.label());
    const std::string_view text =
        protocol::get_text(size, request.words, runtime::message_buffer(), request.buffer_words());
    if (VmEndReport* report = caller.box().vm_end.claim()) {
        report->generation = caller.generation;
        report->end = static_cast<protocol::VmEnd>(request.words[0]);
        report->size = static_cast<uint32_t>(std::min(text.size(), sizeof(report->details)));
        std::memcpy(report->details, text.data(), report->size);
        caller.box().vm_end.publish();
    }
    static_cast<void>(main_thread.signal(Wake::Report));
    return ControlResult::Ok;
}

ControlResult halt(const Caller& caller, const runtime::Request& request) {
    if ((caller.record().may & static_cast<uint32_t>(protocol::MayFlag::Halt)) == 0) return ControlResult::NotAllowed;
    requested_halt_status.store(static_cast<uint8_t>(request.words[0]));
    static_cast<void>(main_thread.signal(Wake::Halt));
    return ControlResult::Ok;
}

ControlResult dispatch(const Caller& caller, const runtime::Request& request) {
    using protocol::ControlOperation;
    switch (static_cast<ControlOperation>(protocol::TextLabel::Operation::read(request.label()))) {
        case ControlOperation::Log:
            return log_text(caller, request);
        case ControlOperation::Offer:
            return offer(caller, request);
        case ControlOperation::Heartbeat:
            caller.box().heartbeat_ticks.store(runtime::now_ticks());
            return ControlResult::Ok;
        case ControlOperation::Exit:
            return exit(caller, request);
        case ControlOperation::Halt:
            return halt(caller, request);
        case ControlOperation::VmEnded:
            return vm_ended(caller, request);
        case ControlOperation::Watch:
            return queue_event(request, {Event::Kind::Watch, caller.index, caller.generation, 0, 0, 0, request.words[0],
                                         request.words[1]});
        case ControlOperation::Stopped:
            caller.box().stopped.store(true);
            static_cast<void>(main_thread.signal(Wake::Report));
            return ControlResult::Ok;
    }
    return ControlResult::BadMessage;
}

void handle_control(uint64_t badge, runtime::Request& request) {
    const Caller caller{badge};
    const ControlResult result = caller.alive() ? dispatch(caller, request) : ControlResult::NotAllowed;
    request.words = {};
    request.reply(static_cast<uint32_t>(result));
}

/// What the kernel says about an exception, in the words and in the buffer.
void fill_report(FaultReport& report, const runtime::Request& request) {
    report.cpu = runtime::this_cpu();
    report.label = request.label();
    report.error_code = request.words[0];
    report.fault_address = request.words[2];
    report.has_frame = request.buffer_words() * 8 >= sizeof(report.frame);
    if (report.has_frame) std::memcpy(&report.frame, runtime::message_bytes(), sizeof(report.frame));
    report.frame.rip = request.words[1];
    report.frame.rsp = request.words[3];
}

/// An exception of a component's thread: it stays stopped until the main thread has looked at it and destroys it.
void handle_exception(uint64_t badge, runtime::Request& request) {
    const Caller caller{badge};
    if (caller.alive()) {
        if (FaultReport* report = caller.box().fault.claim()) {
            fill_report(*report, request);
            report->generation = caller.generation;
            caller.box().fault.publish();
        }
        static_cast<void>(main_thread.signal(Wake::Report));
    }
    request.words = {};
    request.reply(static_cast<uint32_t>(abi::ExceptionReply::Hold));
}

/// An exception of init's own. Nobody can go on without init, so the machine ends here, with the reason in its log; no
/// component is waited for, since what init knew of them cannot be trusted any more.
void handle_own_exception(uint64_t /*badge*/, runtime::Request& request) {
    FaultReport report{};
    fill_report(report, request);
    static_cast<void>(runtime::invoke(abi::SetLogOutput{abi::WellKnownSlot::Machine, true, 0, 0}));
    log_own_fault(report);
    say("the root task has died: halting the machine");
    halt_machine(1);
}

}  // namespace

abi::Result<void> start_guardian() {
    const auto service =
        TRY(runtime::Service::create({.name = "guardian", .entry = runtime::message_handler<handle_own_exception>}));
    runtime::set_exception_portals(service.first_portal());
    return {};
}

Mailbox& mailbox(uint32_t component) { return mailboxes[component]; }
EventQueue& event_queue(uint32_t cpu) { return queues[cpu]; }
uint8_t halt_status() { return requested_halt_status.load(); }

abi::Result<HandlerPortals> start_handlers(const protocol::ManifestReader& manifest, runtime::Notification wake) {
    the_manifest = &manifest;
    main_thread = wake;
    const auto service = TRY(runtime::Service::create(
        {.name = "supervisor", .entry = runtime::message_handler<handle_control>, .receive_slots = 1}));
    const abi::Selector exception = TRY(service.derive(0, runtime::message_handler<handle_exception>));
    return HandlerPortals{service.first_portal(), exception};
}

}  // namespace bulkhead::init
