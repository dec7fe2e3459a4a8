// SPDX-License-Identifier: Apache-2.0
#include "tools/console/exec_output.hpp"

#include <fmt/format.h>

#include <charconv>
#include <random>

namespace bulkhead::tool {

ExecOutput::ExecOutput(std::string_view token, Sink sink)
    : begin_(fmt::format("<bulkhead-exec {} begin>\n", token)),
      end_(fmt::format("<bulkhead-exec {} end ", token)),
      sink_(std::move(sink)) {}

void ExecOutput::feed(std::string_view console) {
    pending_ += console;
    if (state_ == State::Before) find_begin();
    if (state_ == State::Inside) find_end();
}

void ExecOutput::find_begin() {
    const auto found = pending_.find(begin_);
    if (found != std::string::npos) {
        pending_.erase(0, found + begin_.size());
        state_ = State::Inside;
    } else if (pending_.size() > begin_.size()) {
        pending_.erase(0, pending_.size() - begin_.size());
    }
}

void ExecOutput::find_end() {
    const auto found = pending_.find(end_);
    // Without the marker, all but what might be its beginning is output.
    std::size_t output = found;
    if (found == std::string::npos) {
        output = pending_.size();
        for (std::size_t tail = std::min(pending_.size(), end_.size() - 1); tail > 0; --tail) {
            if (std::string_view(end_).starts_with(std::string_view(pending_).substr(pending_.size() - tail))) {
                output -= tail;
                break;
            }
        }
    }
    if (output != 0) sink_(std::string_view(pending_).substr(0, output));
    pending_.erase(0, output);
    if (found == std::string::npos) return;

    const auto close = pending_.find('>');
    if (close == std::string::npos) return;
    int status = 255;
    std::from_chars(pending_.data() + end_.size(), pending_.data() + close, status);
    status_ = status;
    state_ = State::After;
    pending_.clear();
}

std::string random_token() {
    std::random_device source;
    return fmt::format("{:08x}{:08x}", source(), source());
}

}  // namespace bulkhead::tool
