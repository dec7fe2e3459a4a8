// SPDX-License-Identifier: Apache-2.0
// The server's side of a char device (char_device.hpp) for one client: a ring in each direction between the portal
// handlers, which run on the client's time, and the server's main thread, which alone talks to the device.
//
// Concurrency: the main thread is consumer of `output` and producer of `input`. The handlers are the other end; a
// client may call on several CPUs, so a handler first takes the ring's gate. It never waits for it: a handler that
// was preempted inside may not run before its caller's CPU is free again, and waiting would hand one guest's priority
// to another. Who finds the gate closed takes or gives nothing, is marked as waiting, and is signalled at its opening.
#pragma once

#include <atomic>
#include <cstdint>

#include "protocol/byte_ring.hpp"
#include "protocol/char_device.hpp"
#include "runtime/handler.hpp"
#include "runtime/object.hpp"

namespace bulkhead::protocol {

inline constexpr size_t char_output_bytes = 16 * 1024;
inline constexpr size_t char_input_bytes = 4 * 1024;

/// The part of a channel that may lie in state memory.
struct CharRings {
    ByteRing<char_output_bytes> output;  ///< client to device
    ByteRing<char_input_bytes> input;    ///< device to client
};

/// Lets one handler in at a time, and remembers that others wanted to.
class Gate {
  public:
    bool try_enter() {
        if (!closed_.exchange(true, std::memory_order_acquire)) return true;
        waiting_.store(true, std::memory_order_seq_cst);
        // It may have opened between the two; then nobody would see the mark.
        return !closed_.exchange(true, std::memory_order_seq_cst);
    }
    /// Opens; whether somebody found it closed meanwhile.
    [[nodiscard]] bool leave() {
        closed_.store(false, std::memory_order_seq_cst);
        return waiting_.exchange(false, std::memory_order_seq_cst);
    }

  private:
    std::atomic<bool> closed_{false};
    std::atomic<bool> waiting_{false};
};

class CharChannel {
  public:
    /// `wake` and `wake_bit`: how the main thread learns of written bytes.
    void initialize(CharRings& rings, runtime::Notification wake, uint64_t wake_bits) {
        rings_ = &rings;
        rings_->output.repair();
        rings_->input.repair();
        wake_ = wake;
        wake_bits_ = wake_bits;
    }

    /// Main thread: bytes of the client; tells it when there is room again after a write was cut short.
    size_t take(std::span<char> into) {
        const size_t count = rings_->output.take(into);
        if (count != 0 && writer_waits_.exchange(false)) signal(writable_);
        return count;
    }
    /// Main thread: bytes for the client. What does not fit is dropped, as a UART without flow control does.
    size_t give(std::string_view text) {
        const size_t count = rings_->input.put(text);
        if (count != 0) signal(readable_);
        return count;
    }
    const CharRings& rings() const { return *rings_; }

    /// Handler: Write, Read and Subscribe. Anything but Ok is left to the caller to reply.
    CharResult handle(runtime::Request& request, abi::MessageBuffer& buffer);

  private:
    CharResult write(runtime::Request& request, const abi::MessageBuffer& buffer);
    CharResult read(runtime::Request& request, abi::MessageBuffer& buffer);
    CharResult subscribe(runtime::Request& request, const abi::MessageBuffer& buffer);
    void signal(const std::atomic<uint64_t>& bits) const {
        const abi::Selector notification = subscriber_.load(std::memory_order_acquire);
        if (notification != abi::null_selector)
            static_cast<void>(runtime::invoke(abi::Signal{notification, bits.load()}));
    }

    CharRings* rings_ = nullptr;
    runtime::Notification wake_;
    uint64_t wake_bits_ = 0;
    Gate write_gate_;
    Gate read_gate_;
    std::atomic<bool> writer_waits_{false};
    std::atomic<abi::Selector> subscriber_{abi::null_selector};
    std::atomic<uint64_t> readable_{0};
    std::atomic<uint64_t> writable_{0};
};

inline CharResult CharChannel::write(runtime::Request& request, const abi::MessageBuffer& buffer) {
    const size_t size = TextLabel::SizeBytes::read(request.label());
    const std::string_view text = get_text(size, request.words, buffer, request.buffer_words());
    if (text.size() != size) return CharResult::BadMessage;
    size_t taken = 0;
    if (write_gate_.try_enter()) {
        taken = rings_->output.put(text);
        if (taken < size) {
            writer_waits_.store(true);
            taken += rings_->output.put(text.substr(taken));  // room made before the mark was seen
        }
        if (write_gate_.leave()) signal(writable_);
    }
    if (taken != 0) static_cast<void>(wake_.signal(wake_bits_));
    request.words = {taken};
    request.reply(char_label(CharResult::Ok));
    return CharResult::Ok;
}

inline CharResult CharChannel::read(runtime::Request& request, abi::MessageBuffer& buffer) {
    char text[max_text];
    size_t count = 0;
    if (read_gate_.try_enter()) {
        count = rings_->input.take(std::span{text, std::min<uint64_t>(request.words[0], max_text)});
        if (read_gate_.leave()) signal(readable_);
    }
    request.words = {};
    put_text({text, count}, request.words, buffer);
    request.reply(char_label(CharResult::Ok, count)).reply_buffer_words(text_buffer_words(count));
    return CharResult::Ok;
}

inline CharResult CharChannel::subscribe(runtime::Request& request, const abi::MessageBuffer& buffer) {
    if (request.items() != 1) return CharResult::BadMessage;
    // The capability moves out of the receive window, so that the window is free for the next message.
    auto kept = runtime::Capability{buffer.items[0].selector}.restricted(abi::NotificationRight::Signal);
    static_cast<void>(runtime::invoke(abi::RemoveCapability{runtime::self, buffer.items[0].selector}));
    if (!kept.ok()) return CharResult::BadMessage;
    readable_.store(request.words[0]);
    writable_.store(request.words[1]);
    runtime::Capability old{subscriber_.exchange(kept.value(), std::memory_order_acq_rel)};
    old.forget();
    signal(readable_);
    signal(writable_);
    request.words = {};
    request.reply(char_label(CharResult::Ok));
    return CharResult::Ok;
}

inline CharResult CharChannel::handle(runtime::Request& request, abi::MessageBuffer& buffer) {
    const auto operation = static_cast<CharOperation>(TextLabel::Operation::read(request.label()));
    if (operation != CharOperation::Subscribe && subscriber_.load() == abi::null_selector) return CharResult::NotOpen;
    switch (operation) {
        case CharOperation::Write:
            return write(request, buffer);
        case CharOperation::Read:
            return read(request, buffer);
        case CharOperation::Subscribe:
            return subscribe(request, buffer);
        default:
            return CharResult::BadMessage;
    }
}

}  // namespace bulkhead::protocol
