// SPDX-License-Identifier: Apache-2.0
// Child processes: run one to its end, or keep one running and be sure it is gone afterwards.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkhead::tool {

/// A file descriptor that is closed with its owner.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() { close(); }

    [[nodiscard]] int value() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }
    void close();

  private:
    int fd_ = -1;
};

/// What a child's standard streams are; an invalid descriptor means /dev/null.
struct ChildStreams {
    int in = -1;
    int out = -1;
    int err = -1;
};

/// One running child in a process group of its own. It is killed with its owner, and with the tool itself.
class Child {
  public:
    Child() = default;
    /// Starts `arguments` (the first is looked up in PATH); `environment` entries NAME=VALUE are added.
    Child(const std::vector<std::string>& arguments, ChildStreams streams,
          const std::vector<std::string>& environment = {});
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), status_(other.status_) {}
    Child& operator=(Child&& other) noexcept {
        std::swap(pid_, other.pid_);
        std::swap(status_, other.status_);
        return *this;
    }
    ~Child() { kill(); }

    /// The wait status once the child has ended; never blocks.
    [[nodiscard]] std::optional<int> poll();
    /// Blocks until the end and returns the wait status.
    int wait();
    /// SIGKILL, because Bochs ignores everything gentler; then waits.
    void kill();
    [[nodiscard]] pid_t pid() const { return pid_; }

  private:
    pid_t pid_ = -1;
    std::optional<int> status_;
};

struct Output {
    int exit_status;   ///< 128 + signal number when a signal ended it
    std::string text;  ///< standard output and standard error together
};

/// Runs a command to its end; after `timeout_s` seconds (0: never) it is killed and the status is 124.
[[nodiscard]] Output run_command(const std::vector<std::string>& arguments, unsigned timeout_s = 0,
                                 const std::vector<std::string>& environment = {});

/// Where PATH has the program.
[[nodiscard]] std::optional<std::filesystem::path> find_program(std::string_view name);

/// `text` in single quotes, as one word of a shell, GRUB's among them.
[[nodiscard]] std::string shell_word(std::string_view text);

/// The exit status a shell would report for a wait status.
[[nodiscard]] int exit_status(int wait_status);

}  // namespace bulkhead::tool
