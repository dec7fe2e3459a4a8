// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/launch.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "tools/machine/error.hpp"
#include "tools/machine/layout.hpp"

namespace bulkhead::tool {

Machine Machine::start(const MachineOptions& options) {
    switch (options.platform) {
        case Platform::Kvm:
        case Platform::QemuSvm: return start_qemu(options);
        case Platform::BochsVmx: return start_bochs(options);
        case Platform::NestedSvm:
        case Platform::NestedVmx: break;
    }
    throw Error("a nested platform is not one machine");
}

Received Machine::receive(std::string& into, std::chrono::milliseconds wait) {
    if (!serial_.valid()) return Received::Ended;
    pollfd ready{serial_.value(), POLLIN, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(wait.count()));
    if (count == 0 || (count < 0 && errno == EINTR)) return Received::TimedOut;
    char buffer[16384];
    const ssize_t bytes = ::read(serial_.value(), buffer, sizeof buffer);
    if (bytes < 0 && (errno == EINTR || errno == EAGAIN)) return Received::TimedOut;
    if (bytes <= 0) {
        serial_.close();
        return Received::Ended;
    }
    into.append(buffer, static_cast<std::size_t>(bytes));
    return Received::Data;
}

void Machine::send(std::string_view bytes) {
    while (!bytes.empty() && serial_.valid()) {
        const ssize_t sent = ::send(serial_.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void Machine::stop() {
    child_.kill();
    serial_.close();
}

std::string Machine::emulator_messages() const {
    if (!std::filesystem::exists(message_file_)) return {};
    return read_file(message_file_);
}

unsigned free_port(unsigned wanted) {
    for (const unsigned candidate : {wanted, 0U}) {
        const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<std::uint16_t>(candidate));
        socklen_t length = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        if (::bind(socket.value(), generic, length) != 0) continue;
        if (::getsockname(socket.value(), generic, &length) == 0) return ntohs(address.sin_port);
    }
    throw_errno("no free port on the loopback interface");
}

}  // namespace bulkhead::tool
