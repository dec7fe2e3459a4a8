// SPDX-License-Identifier: Apache-2.0
// The client's side of a char device: typed stubs on the runtime's portal call. Any thread on a CPU that the connection
// has a portal for; `open_and_subscribe` from one thread.
//
// When the service was restarted, the supervisor puts fresh portals into the same slots and signals who asked for it
// (control.hpp, Watch). The stubs open and subscribe again by themselves when the service does not know them; while it
// is away they report that nothing was taken or read, like a device that is not ready.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/char_device.hpp"
#include "protocol/startup.hpp"
#include "runtime/message.hpp"
#include "runtime/object.hpp"
#include "runtime/thread.hpp"

namespace bulkhead::protocol {

class CharClient {
  public:
    constexpr CharClient() = default;

    /// `portals`: slot of the connection for CPU 0. `name`: tells people what the channel is; empty for plain devices.
    /// `notification` gets `readable` and `writable`.
    void initialize(abi::Selector portals, std::string_view name, runtime::Notification notification, uint64_t readable,
                    uint64_t writable) {
        portals_ = portals;
        put_name(name, name_);
        has_name_ = !name.empty();
        notification_ = notification;
        readable_ = readable;
        writable_ = writable;
        static_cast<void>(open_and_subscribe());
    }

    /// Writes from the start of the text; returns how much was taken. When it was not all, `writable` is signalled
    /// later, or the connection is (made again).
    size_t write(std::string_view text) {
        text = text.substr(0, max_text);
        for (int attempt = 0; attempt < 2; ++attempt) {
            runtime::Message message{char_label(CharOperation::Write, text.size())};
            put_text(text, message.words, runtime::message_buffer());
            message.with_buffer_words(text_buffer_words(text.size()));
            const Answer answer = exchange(message);
            if (answer == Answer::Done) return std::min<uint64_t>(message.words[0], text.size());
            if (answer == Answer::Away) return 0;
        }
        return 0;
    }

    /// Reads what is there; returns how much that was.
    size_t read(std::span<char> into) {
        for (int attempt = 0; attempt < 2; ++attempt) {
            runtime::Message message{char_label(CharOperation::Read)};
            message.words[0] = std::min(into.size(), max_text);
            const Answer answer = exchange(message);
            if (answer == Answer::Away) return 0;
            if (answer == Answer::Retry) continue;
            const std::string_view text = get_text(TextLabel::SizeBytes::read(message.label()), message.words,
                                                   runtime::message_buffer(), message.buffer_words());
            const size_t count = std::min(text.size(), into.size());
            std::memcpy(into.data(), text.data(), count);
            return count;
        }
        return 0;
    }

    /// Called by the stubs when the service does not know this client; and of use after a Watch signal.
    bool open_and_subscribe() {
        if (has_name_) {
            runtime::Message open{char_label(CharOperation::Open)};
            for (size_t index = 0; index < name_words; ++index) open.words[2 + index] = name_[index];
            if (!open.call(portal()).ok() || result(open) != CharResult::Ok) return false;
        }
        runtime::Message subscribe{char_label(CharOperation::Subscribe)};
        subscribe.words[0] = readable_;
        subscribe.words[1] = writable_;
        runtime::message_buffer().items[0] = {notification_.selector(), abi::NotificationRight::Signal, 0};
        subscribe.with_items(1);
        return subscribe.call(portal()).ok() && result(subscribe) == CharResult::Ok;
    }

  private:
    enum class Answer { Done, Retry, Away };

    abi::Selector portal() const { return portals_ + runtime::this_cpu(); }
    static CharResult result(const runtime::Message& message) {
        return static_cast<CharResult>(TextLabel::Operation::read(message.label()));
    }
    Answer exchange(runtime::Message& message) {
        if (!message.call(portal()).ok()) return Answer::Away;
        if (result(message) == CharResult::Ok) return Answer::Done;
        return open_and_subscribe() ? Answer::Retry : Answer::Away;
    }

    abi::Selector portals_ = abi::null_selector;
    uint64_t name_[name_words] = {};
    bool has_name_ = false;
    runtime::Notification notification_;
    uint64_t readable_ = 0;
    uint64_t writable_ = 0;
};

}  // namespace bulkhead::protocol
