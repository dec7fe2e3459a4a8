// SPDX-License-Identifier: Apache-2.0
// What `run --exec` does with a guest's console: finds the command's output between the markers that the guest's
// /init (guests/linux/init) prints around it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::tool {

/// Streams the output of one command out of a console. `token` is random per run, so that no output can be
/// mistaken for a marker.
class ExecOutput {
  public:
    using Sink = std::function<void(std::string_view)>;
    ExecOutput(std::string_view token, Sink sink);

    void feed(std::string_view console);

    [[nodiscard]] bool started() const { return state_ != State::Before; }
    /// The command's exit status, once it has ended.
    [[nodiscard]] std::optional<int> status() const { return status_; }

  private:
    enum class State { Before, Inside, After };

    void find_begin();
    void find_end();

    std::string begin_;
    std::string end_;
    Sink sink_;
    State state_ = State::Before;
    std::string pending_;
    std::optional<int> status_;
};

/// Sixteen hexadecimal digits no command prints by accident.
[[nodiscard]] std::string random_token();

}  // namespace bulkhead::tool
