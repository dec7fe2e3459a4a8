// SPDX-License-Identifier: Apache-2.0
// What exits cost under Linux's KVM with a minimal monitor, by the loop guest:
//
//   kvm_loops                 a figure for each operation
//   kvm_loops --phases N      N and 2 N rounds of some, with marks and pauses around, for counters one level below
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "bench/nested/loops.hpp"
#include "bench/peers/kvm_machine.hpp"
#include "bench/peers/ticks.hpp"

extern "C" const uint8_t guest_loops_start[];
extern "C" const uint8_t guest_loops_end[];

namespace bulkhead::peers {
namespace {

using bench::LoopOperation;
using bench::LoopOrders;
using bench::LoopPlace;
using bench::LoopResults;

constexpr uint32_t kRounds = 50;
constexpr uint64_t kRamBytes = 2 << 20;

void load_loops(KvmMachine& machine) {
    std::memset(machine.ram_at(0), 0, kRamBytes);  // the host's page faults come before the measurement
    std::memcpy(machine.ram_at(LoopPlace::image), guest_loops_start, static_cast<size_t>(guest_loops_end - guest_loops_start));
    machine.start_at(LoopPlace::image, 0);
}

/// Lets the guest do so many rounds of one operation; what reaches this monitor is answered by going on.
LoopResults run_loop(KvmMachine& machine, LoopOperation operation, uint32_t rounds) {
    *machine.ram_at<LoopOrders>(LoopOrders::address) = {static_cast<uint32_t>(operation), rounds};
    for (;;) {
        const kvm_run& exit = machine.run();
        if (exit.exit_reason == KVM_EXIT_IO) {
            if (exit.io.port == LoopPlace::finish_port) return *machine.ram_at<LoopResults>(LoopResults::address);
        } else if (exit.exit_reason != KVM_EXIT_MMIO) {
            errno = EPROTO;
            fail("the guest ended with KVM's exit %u", exit.exit_reason);
        }
    }
}

int make_event() {
    const int event = ::eventfd(0, EFD_CLOEXEC);
    if (event < 0) fail("cannot make an event");
    return event;
}

/// Answers each doorbell with an interrupt.
void serve_doorbell(int doorbell, int interrupt) {
    for (;;) {
        uint64_t count = 0;
        if (::read(doorbell, &count, sizeof count) != sizeof count) fail("the doorbell's event is broken");
        count = 1;
        if (::write(interrupt, &count, sizeof count) != sizeof count) fail("the interrupt's event is broken");
    }
}

void print_loop(KvmMachine& machine, const char* name, LoopOperation operation) {
    std::vector<uint64_t> figures;
    for (int attempt = 0; attempt < 5; ++attempt) figures.push_back(run_loop(machine, operation, kRounds).least_ticks);
    print_figure(name, std::move(figures));
}

void print_figures(KvmMachine& machine) {
    print_loop(machine, "CPUID exit, in the kernel", LoopOperation::Cpuid);
    print_loop(machine, "port write to the monitor", LoopOperation::PortWrite);
    print_loop(machine, "MMIO write to the monitor", LoopOperation::MmioWrite);
    machine.connect_doorbell(LoopPlace::doorbell_port, true, make_event());
    print_loop(machine, "doorbell by port, in the kernel", LoopOperation::PortDoorbell);
    machine.connect_doorbell(LoopPlace::doorbell_mmio, false, make_event());
    print_loop(machine, "doorbell by MMIO, in the kernel", LoopOperation::MmioDoorbell);

    const int doorbell = make_event();
    const int interrupt = make_event();
    machine.connect_doorbell(LoopPlace::interrupt_port, true, doorbell);
    machine.connect_interrupt(LoopPlace::vector, interrupt);
    std::thread(serve_doorbell, doorbell, interrupt).detach();
    print_loop(machine, "doorbell to thread to guest's handler", LoopOperation::Interrupt);
}

/// The one who counts needs a pause in which nothing happens.
void mark(const char* name, uint32_t rounds, const char* what) {
    std::printf("@phase %s %u %s\n", name, rounds, what);
    std::fflush(stdout);
    ::usleep(300'000);
}

void run_phases(KvmMachine& machine, uint32_t rounds) {
    const std::pair<const char*, LoopOperation> operations[] = {
        {"cpuid", LoopOperation::Cpuid}, {"port", LoopOperation::PortWrite}, {"mmio", LoopOperation::MmioWrite},
        {"doorbell", LoopOperation::PortDoorbell}};
    machine.connect_doorbell(LoopPlace::doorbell_port, true, make_event());
    mark("none", 0, "begins");  // who counts reads its counters for the first time, which takes longer
    for (const auto& [name, operation] : operations) {
        run_loop(machine, operation, 10);
        for (const uint32_t count : {rounds, 2 * rounds}) {
            mark(name, count, "begins");
            run_loop(machine, operation, count);
            mark(name, count, "ends");
        }
    }
}

}  // namespace
}  // namespace bulkhead::peers

int main(int count, char** arguments) {
    using namespace bulkhead::peers;
    KvmMachine machine(kRamBytes);
    load_loops(machine);
    if (count == 3 && std::strcmp(arguments[1], "--phases") == 0) {
        run_phases(machine, static_cast<uint32_t>(std::strtoul(arguments[2], nullptr, 10)));
    } else {
        print_figures(machine);
    }
    std::fflush(stdout);
    ::_exit(0);
}
