// SPDX-License-Identifier: Apache-2.0
// Boots a Linux under KVM with as little of a monitor as will do: no firmware, no PCI, no ACPI; a 16550 at COM1, whose
// output is this program's, a clock that stands, and nothing behind all other ports.
//
//   kvm_linux MIB KERNEL INITRD COMMAND-LINE
//
// Ends when the guest says that it powers down or halts, since it has nothing to power down with.
#include <asm/bootparam.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>

#include "bench/peers/kvm_machine.hpp"
#include "bench/peers/ticks.hpp"

namespace bulkhead::peers {
namespace {

// Places in the guest's memory that KvmMachine leaves free.
constexpr uint64_t kBootParameters = 0x14000;
constexpr uint64_t kCommandLine = 0x16000;
constexpr uint64_t kLowMemoryEnd = 0x9fc00;
constexpr uint64_t kHighMemory = 0x100000;
constexpr uint64_t kKernel = 0x1000000;
constexpr uint64_t kEntry64 = 0x200;
constexpr uint64_t kSetupHeader = 0x1f1;

std::string read_whole(const char* name) {
    std::ifstream file(name, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    if (!file) fail("cannot read %s", name);
    return std::move(content).str();
}

/// Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst).
void load(KvmMachine& machine, const std::string& kernel, const std::string& initrd, const std::string& command_line) {
    errno = EINVAL;
    if (kernel.size() < 0x1000) fail("the kernel is no bzImage");
    auto& parameters = *machine.ram_at<boot_params>(kBootParameters);
    std::memcpy(&parameters.hdr, kernel.data() + kSetupHeader, sizeof parameters.hdr);
    if (parameters.hdr.header != 0x53726448) fail("the kernel is no bzImage");
    const size_t setup_bytes = (size_t{parameters.hdr.setup_sects} + 1) * 512;
    const uint64_t initrd_place = (machine.ram_bytes() - initrd.size()) & ~uint64_t{0xfff};
    if (kernel.size() <= setup_bytes || initrd_place < kKernel + parameters.hdr.init_size) fail("too little memory for kernel and initrd");
    std::memcpy(machine.ram_at(kKernel), kernel.data() + setup_bytes, kernel.size() - setup_bytes);
    std::memcpy(machine.ram_at(initrd_place), initrd.data(), initrd.size());
    std::memcpy(machine.ram_at(kCommandLine), command_line.c_str(), command_line.size() + 1);

    parameters.hdr.type_of_loader = 0xff;
    parameters.hdr.cmd_line_ptr = kCommandLine;
    parameters.hdr.ramdisk_image = static_cast<uint32_t>(initrd_place);
    parameters.hdr.ramdisk_size = static_cast<uint32_t>(initrd.size());
    parameters.e820_entries = 2;
    parameters.e820_table[0] = {0, kLowMemoryEnd, 1};
    parameters.e820_table[1] = {kHighMemory, machine.ram_bytes() - kHighMemory, 1};
    machine.start_at(kKernel + kEntry64, kBootParameters);
}

/// Enough of a 16550 for Linux's driver: it is always ready to send, and says so by interrupt when asked.
class Uart {
  public:
    static constexpr uint16_t first_port = 0x3f8;
    static constexpr unsigned line = 4;

    explicit Uart(KvmMachine& machine) : machine_{machine} {}

    void write(unsigned index, uint8_t value) {
        const bool divisor = (line_control_ & 0x80) != 0;
        if (index == 0 && !divisor) send(value);
        if (index == 1 && !divisor) enabled_ = value & 0xf;
        if (index == 0 || index == 1) empty_ = !divisor && (enabled_ & 2) != 0;
        if (index == 3) line_control_ = value;
        if (index == 4) modem_control_ = value;
        if (index == 7) scratch_ = value;
        update_line();
    }

    uint8_t read(unsigned index) {
        const bool divisor = (line_control_ & 0x80) != 0;
        switch (index) {
            case 1: return divisor ? 0 : enabled_;
            case 2: return identify();
            case 3: return line_control_;
            case 4: return modem_control_;
            case 5: return 0x60;  // sender empty
            case 6: return modem_status();
            case 7: return scratch_;
            default: return 0;
        }
    }

    [[nodiscard]] bool said(std::string_view text) const { return line_text_.find(text) != std::string::npos; }

  private:
    void send(uint8_t value) {
        std::putchar(value);
        if (value == '\n') {
            std::fflush(stdout);
            line_text_.clear();
        } else {
            line_text_ += static_cast<char>(value);
        }
    }
    /// Carrier, ready, clear to send; in loopback, by which drivers recognise a UART, what it sends itself.
    uint8_t modem_status() const {
        if ((modem_control_ & 0x10) == 0) return 0xb0;
        const auto bit = [this](unsigned from, unsigned to) { return ((modem_control_ >> from) & 1u) << to; };
        return static_cast<uint8_t>(bit(0, 5) | bit(1, 4) | bit(2, 6) | bit(3, 7));
    }
    uint8_t identify() {
        const uint8_t result = empty_ ? 0xc2 : 0xc1;
        empty_ = false;
        update_line();
        return result;
    }
    void update_line() {
        if (empty_ == raised_) return;
        raised_ = empty_;
        machine_.set_line(line, raised_);
    }

    KvmMachine& machine_;
    uint8_t enabled_ = 0;
    uint8_t line_control_ = 0;
    uint8_t modem_control_ = 0;
    uint8_t scratch_ = 0;
    bool empty_ = false;  ///< an interrupt "sender empty" is due
    bool raised_ = false;
    std::string line_text_;
};

/// A clock that is not being updated and shows the first of January: without one, Linux waits for it, for seconds.
class Clock {
  public:
    static constexpr uint16_t first_port = 0x70;

    void select(uint8_t index) { index_ = index & 0x7f; }
    [[nodiscard]] uint8_t read() const { return index_ == 7 || index_ == 8 ? 1 : index_ == 13 ? 0x80 : 0; }

  private:
    uint8_t index_ = 0;
};

void serve_port(kvm_run& exit, Uart& uart, Clock& clock) {
    auto* data = static_cast<uint8_t*>(port_data(exit));
    const bool is_uart = exit.io.port >= Uart::first_port && exit.io.port < Uart::first_port + 8;
    for (uint32_t i = 0; i < exit.io.count; ++i, data += exit.io.size) {
        if (exit.io.direction == KVM_EXIT_IO_OUT) {
            if (is_uart) uart.write(exit.io.port - Uart::first_port, *data);
            if (exit.io.port == Clock::first_port) clock.select(*data);
        } else {
            std::memset(data, 0xff, exit.io.size);
            if (is_uart) *data = uart.read(exit.io.port - Uart::first_port);
            if (exit.io.port == Clock::first_port + 1) *data = clock.read();
        }
    }
}

void run(KvmMachine& machine) {
    Uart uart(machine);
    Clock clock;
    while (!uart.said("] reboot: ")) {
        kvm_run& exit = machine.run();
        if (exit.exit_reason == KVM_EXIT_IO) {
            serve_port(exit, uart, clock);
        } else if (exit.exit_reason == KVM_EXIT_MMIO) {
            if (exit.mmio.is_write == 0) std::memset(exit.mmio.data, 0xff, sizeof exit.mmio.data);
        } else {
            errno = EPROTO;
            fail("the guest ended with KVM's exit %u", exit.exit_reason);
        }
    }
    std::printf("\n");
}

}  // namespace
}  // namespace bulkhead::peers

int main(int count, char** arguments) {
    using namespace bulkhead::peers;
    if (count != 5) {
        std::printf("@error usage: kvm_linux MIB KERNEL INITRD COMMAND-LINE\n");
        return 2;
    }
    KvmMachine machine(std::strtoull(arguments[1], nullptr, 10) << 20);
    load(machine, read_whole(arguments[2]), read_whole(arguments[3]), arguments[4]);
    run(machine);
    return 0;
}
