// SPDX-License-Identifier: Apache-2.0
// The monitor's program. The first thread builds the machine over the memory the supervisor left, binds a handler
// thread to each vCPU, and then serves the console and the periodic timers. A successor of a monitor that died does
// the same, but finds the machine started and recovers it instead of loading a guest.
#include <array>
#include <optional>

#include "abi/names.hpp"
#include "protocol/control_client.hpp"
#include "protocol/vm.hpp"
#include "runtime/handler.hpp"
#include "runtime/program.hpp"
#include "runtime/thread.hpp"
#include "vmm/control/guest_console.hpp"
#include "vmm/control/kernel_seams.hpp"
#include "vmm/exit/exit_handler.hpp"
#include "vmm/vm/machine.hpp"

namespace bulkhead::vmm {
namespace {

using protocol::VmPlace;

static_assert(sizeof(DeviceMemory) <= VmPlace::device_state_bytes);
static_assert(max_vcpus == protocol::max_vcpus);
static_assert(static_cast<unsigned>(MachineEnd::BadKernel) == static_cast<unsigned>(protocol::VmEnd::BadKernel));
static_assert(static_cast<unsigned>(MachineEnd::TripleFault) == static_cast<unsigned>(protocol::VmEnd::TripleFault));

/// Handlers are found by their portal's badge, the vCPU's index.
constinit std::array<std::optional<ExitHandler>, max_vcpus> exit_handlers{};
constinit std::array<runtime::Vcpu, max_vcpus> vcpus{};

/// Places of an exit's words among the message registers.
enum CallWord : unsigned { Sequence, CallR8, CallR9, CallR10, CallRbx, CallR12, CallRip, CallGroups, CallDeaths };
enum ReplyWord : unsigned { ReplySequence, ReplyR8, ReplyR9, ReplyR10, ReplyRbx, ReplyGroups, ReplyEvent, ReplyDeadline, ReplyVector };

void on_exit(uint64_t badge, runtime::Request& request) {
    auto& words = request.words;
    if (words[CallDeaths] >= ExitHandler::deadly) static_cast<void>(vcpus[badge].pull(abi::all_vcpu_state_groups));
    const ExitReply reply = exit_handlers[badge]->handle({.label = request.label(),
                                                          .sequence = words[Sequence],
                                                          .r8 = words[CallR8],
                                                          .r9 = words[CallR9],
                                                          .r10 = words[CallR10],
                                                          .rbx = words[CallRbx],
                                                          .r12 = words[CallR12],
                                                          .rip = words[CallRip],
                                                          .deaths = words[CallDeaths]});
    words[ReplyR8] = reply.r8;
    words[ReplyR9] = reply.r9;
    words[ReplyR10] = reply.r10;
    words[ReplyRbx] = reply.rbx;
    words[ReplyGroups] = reply.groups;
    words[ReplyEvent] = reply.event;
    words[ReplyDeadline] = reply.timer_deadline;
    words[ReplyVector] = reply.timer_vector;
    request.reply(reply.label);
}

std::span<const std::byte> module_bytes(const protocol::VmModule& module, uint64_t address) {
    return {reinterpret_cast<const std::byte*>(address), module.size_bytes};
}

class Monitor {
  public:
    Monitor(const protocol::VmInformation& information, const protocol::StartupInformation& startup,
            const GuestMemory& memory, std::span<volatile uint32_t* const> apic_pages)
        : information_{information},
          startup_{startup},
          time_{startup.boot_time_ns},
          machine_{state(), memory, apic_pages, {.vcpu_count = information.vcpu_count, .invpcid = true},
                   {outside_, time_, log_, processor_}},
          console_{machine_, lock_} {}

    [[noreturn]] void run(uint64_t start_ticks) {
        wake_ = runtime::Notification::create().unwrap("the quota of a monitor has room for a notification");
        outside_.set_wake(wake_);
        for (unsigned index = 0; index < information_.vcpu_count; ++index) {
            outside_.set_vcpu(index, runtime::Vcpu{information_.vcpus[index].vcpu});
        }
        connect_console();
        if (state().started()) {
            machine_.recover();
            runtime::log("going on with a machine that was started before");
        } else {
            power_on();
            // With the time-stamp counter as the guest has it, the timeline of a boot (docs/reference/boot.md).
            runtime::log("started at tick {}, the guest at tick {}", start_ticks, runtime::now_ticks());
        }
        for (unsigned index = 0; index < information_.vcpu_count; ++index) bind(index);
        serve();
    }

  private:
    static DeviceMemory& state() { return *reinterpret_cast<DeviceMemory*>(VmPlace::device_state); }

    void power_on() {
        const std::string_view command_line{information_.command_line};
        const auto loaded = machine_.power_on({.kernel = module_bytes(information_.kernel, VmPlace::kernel),
                                               .initrd = module_bytes(information_.initrd, VmPlace::initrd),
                                               .command_line = command_line});
        if (!loaded) report_end(MachineEnd::BadKernel, describe(loaded.error()));
        runtime::log("{} vCPUs, {} MiB, kernel at {x}, initrd at {x}", information_.vcpu_count,
                     information_.ram_bytes >> 20, machine_.entry().kernel.value(), machine_.entry().initrd.value());
    }

    void connect_console() {
        const protocol::NamedCapability* console = startup_.find(protocol::vm_console_name);
        const std::string_view name{information_.name};
        console_.connect(console != nullptr ? console->first : abi::null_selector, name, wake_);
        static_cast<void>(protocol::Supervisor::watch(wake_, WakeBit::connected));
    }

    void bind(unsigned index) {
        const protocol::VmVcpu& vcpu = information_.vcpus[index];
        auto& page = *reinterpret_cast<abi::VcpuStatePage*>(VmPlace::vcpu_state(index));
        page.configuration = ExitHandler::configuration();
        exit_handlers[index].emplace(machine_, index, page, lock_);
        const auto handler = runtime::Thread::create_handler({.name = "exits", .cpu = vcpu.cpu});
        if (!handler) report_failure("cannot make the handler of a vCPU", handler.error());
        const auto portal = runtime::Portal::create(handler.value().selector(), &runtime::message_handler<on_exit>, index);
        if (!portal) report_failure("cannot make the exit portal of a vCPU", portal.error());
        vcpus[index] = runtime::Vcpu{vcpu.vcpu};
        const auto bound = vcpus[index].bind(portal.value().selector());
        if (!bound) report_failure("cannot bind a vCPU", bound.error());
    }

    /// The monitor's own thread: console, periodic timers, heartbeat, the end.
    [[noreturn]] void serve() {
        for (;;) {
            uint64_t deadline = serve_timers();
            if (startup_.heartbeat_interval_ns != 0) {
                protocol::Supervisor::heartbeat();
                const uint64_t next_beat = runtime::deadline_in(startup_.heartbeat_interval_ns / 2);
                if (next_beat < deadline) deadline = next_beat;
            }
            uint64_t bits = wake_.wait(~uint64_t{0}, deadline).value_or(0);
            if (bits == WakeBit::output) {
                // A guest prints byte by byte: what follows at once goes along in one call.
                bits |= wake_.wait(~WakeBit::output, runtime::deadline_in(output_delay_ns)).value_or(0);
            }
            if ((bits & WakeBit::connected) != 0) console_.reconnect();
            console_.move();
            if (machine_.ended()) finish();
        }
    }

    uint64_t serve_timers() {
        MachineLockScope scope{lock_};
        uint64_t next = no_timer;
        machine_.service([&] { next = machine_.periodic_ticks(time_.tsc()); });
        static_assert(no_timer == abi::no_deadline);
        return next;
    }

    [[noreturn]] void finish() {
        // The other vCPUs park at their next exit.
        for (unsigned index = 0; index < information_.vcpu_count; ++index) {
            static_cast<void>(runtime::Vcpu{information_.vcpus[index].vcpu}.recall());
        }
        // What the guest printed last is often what matters most.
        constexpr int patience = 200;
        for (int attempt = 0; attempt < patience && console_.pending(); ++attempt) {
            static_cast<void>(wake_.wait(WakeBit::writable, runtime::deadline_in(10 * runtime::ns_per_ms)));
            console_.move();
        }
        for (unsigned index = 0; index < information_.vcpu_count; ++index) log_exits(index);
        report_end(machine_.end_reason(), machine_.end_line());
    }

    /// How often the guest was left, and how often of that the kernel alone dealt with it.
    static void log_exits(unsigned index) {
        const auto& page = *reinterpret_cast<const abi::VcpuStatePage*>(VmPlace::vcpu_state(index));
        Line line;
        line.text("vCPU ").decimal(index).text(" exits (absorbed):");
        for (unsigned reason = 0; reason < static_cast<unsigned>(abi::ExitReason::Count); ++reason) {
            if (page.exits[reason] == 0) continue;
            line.text(" ").text(abi::name(static_cast<abi::ExitReason>(reason))).text(" ").decimal(page.exits[reason]);
            if (page.absorbed_exits[reason] != 0) line.text(" (").decimal(page.absorbed_exits[reason]).text(")");
            line.text(",");
        }
        runtime::log_line(line.view().substr(0, line.view().size() - 1));
        if (page.missed_doorbells == 0) return;
        runtime::log_line(Line{}.text("vCPU ").decimal(index).text(" rang in vain: ").decimal(page.missed_doorbells).view());
    }

    [[noreturn]] void report_failure(std::string_view what, abi::Status status) {
        report_end(MachineEnd::Broken, Line{}.text(what).text(": ").text(abi::name(status)).view());
    }

    [[noreturn]] void report_end(MachineEnd why, std::string_view details) {
        const auto end = static_cast<protocol::VmEnd>(why);
        protocol::Supervisor::vm_ended(end, details.empty() ? std::string_view{protocol::name(end)} : details);
        runtime::stop_this_thread();  // until the supervisor destroys this domain
    }

    static constexpr uint64_t output_delay_ns = runtime::ns_per_ms;

    const protocol::VmInformation& information_;
    const protocol::StartupInformation& startup_;
    KernelOutside outside_;
    KernelTime time_;
    RuntimeLog log_;
    ProcessorBelow processor_;
    RuntimeLock lock_;
    runtime::Notification wake_;
    Machine machine_;
    GuestConsole console_;
};

constinit GuestMemory guest_memory{};
std::optional<Monitor> monitor;

/// A sentence about what the supervisor got wrong, or null.
const char* check(const protocol::VmInformation& information) {
    if (information.magic != protocol::VmInformation::expected_magic) return "no virtual machine was given to this monitor";
    if (information.vcpu_count == 0 || information.vcpu_count > max_vcpus) return "a machine has 1 to 4 vCPUs";
    if (information.ram_range_count == 0 || information.ram_range_count > protocol::max_vm_ram_ranges) {
        return "the machine has no memory";
    }
    return nullptr;
}

}  // namespace
}  // namespace bulkhead::vmm

namespace bulkhead {

int program_main(const protocol::StartupInformation& startup) {
    using namespace vmm;
    const uint64_t start_ticks = runtime::now_ticks();
    const auto& information = *reinterpret_cast<const protocol::VmInformation*>(VmPlace::information);
    if (const char* problem = check(information)) {
        runtime::log("{}", problem);
        return 1;
    }
    for (unsigned index = 0; index < information.ram_range_count; ++index) {
        const protocol::VmRamRange& range = information.ram[index];
        auto* host = reinterpret_cast<std::byte*>(VmPlace::ram + range.guest_address);
        if (!guest_memory.add({GuestPhysicalAddress{range.guest_address}, range.size_bytes, host})) {
            runtime::log("the machine's memory ranges are unaligned or overlap");
            return 1;
        }
    }
    std::array<volatile uint32_t*, max_vcpus> apic_pages{};
    for (unsigned index = 0; index < information.vcpu_count; ++index) {
        apic_pages[index] =
            reinterpret_cast<volatile uint32_t*>(VmPlace::vcpu_state(index) + abi::virtual_apic_page_offset);
    }
    monitor.emplace(information, startup, guest_memory, apic_pages);
    monitor->run(start_ticks);
}

}  // namespace bulkhead
