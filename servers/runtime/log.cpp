// SPDX-License-Identifier: Apache-2.0
#include "runtime/log.hpp"

#include <algorithm>
#include <cstring>

#include "protocol/control.hpp"
#include "protocol/text.hpp"
#include "runtime/message.hpp"
#include "runtime/object.hpp"
#include "runtime/program.hpp"
#include "runtime/thread.hpp"

namespace bulkhead::runtime {
namespace {

/// Keeps what the message buffer holds while a line goes through it: a handler may log in the midst of its message.
class SavedBuffer {
  public:
    explicit SavedBuffer(size_t bytes) : bytes_{bytes} { std::memcpy(saved_, message_bytes(), bytes_); }
    SavedBuffer(const SavedBuffer&) = delete;
    SavedBuffer& operator=(const SavedBuffer&) = delete;
    ~SavedBuffer() { std::memcpy(message_bytes(), saved_, bytes_); }

  private:
    char saved_[log_line_capacity + 8];
    size_t bytes_;
};

void write_to_kernel(std::string_view line) {
    char text[log_line_capacity + 1];
    std::memcpy(text, line.data(), line.size());
    text[line.size()] = '\n';
    write_kernel_log({text, line.size() + 1});
}

void write_to_supervisor(std::string_view line) {
    const SavedBuffer saved{sizeof(uint64_t) * words_for(line.size())};
    Message message{protocol::control_label(protocol::ControlOperation::Log, line.size())};
    protocol::put_text(line, message.words, message_buffer());
    message.with_buffer_words(protocol::text_buffer_words(line.size()));
    static_cast<void>(message.call(environment().supervisor_portals + this_cpu()));
}

void write_default(std::string_view line) {
    if (environment().supervisor_portals != abi::null_selector) {
        write_to_supervisor(line);
    } else {
        write_to_kernel(line);
    }
}

LogOutput output = write_default;

}  // namespace

void set_log_output(LogOutput new_output) { output = new_output; }

void log_line(std::string_view line) { output(line.substr(0, log_line_capacity)); }

void write_kernel_log(std::string_view text) {
    const abi::Selector machine = environment().machine;
    if (machine == abi::null_selector) return;
    while (!text.empty()) {
        const std::string_view piece = text.substr(0, log_line_capacity);
        const SavedBuffer saved{piece.size()};
        std::memcpy(message_bytes(), piece.data(), piece.size());
        static_cast<void>(invoke(abi::WriteLog{machine, piece.size()}));
        text.remove_prefix(piece.size());
    }
}

}  // namespace bulkhead::runtime
