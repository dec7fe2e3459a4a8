// SPDX-License-Identifier: Apache-2.0
// A virtual machine for tests: one guest domain, RAM at guest-physical 0, vCPUs with a handler thread each, and a
// monitor that answers the few exits all minimal guests make (guests/minimal/README.md). A test adds a device for the
// others.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "abi/vcpu.hpp"
#include "base/static_vector.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {

/// An exit as its handler sees it, and the answer.
class Exit {
  public:
    explicit Exit(runtime::Request& request) : request_{request} {}

    abi::ExitReason reason() const { return abi::ExitLabel::Reason::read(request_.label()); }
    unsigned instruction_length() const { return abi::ExitLabel::InstructionLength::read(request_.label()); }
    uint64_t sequence() const { return request_.words[0]; }
    /// R8, R9, R10, RBX, R12.
    uint64_t argument(unsigned index) const { return request_.words[1 + index]; }
    uint64_t rip() const { return request_.words[6]; }
    uint32_t valid_groups() const { return static_cast<uint32_t>(request_.words[7]); }
    uint64_t deaths() const { return request_.words[8]; }

    /// The answer. Starts as: nothing changed, go on where it was.
    Exit& skip() { return flag(abi::ReplyFlag::SkipInstruction); }
    Exit& flag(abi::ReplyFlag flag) {
        flags_ |= static_cast<uint32_t>(flag);
        return *this;
    }
    Exit& result(unsigned index, uint64_t value) {
        results_[index] = value;
        return *this;
    }
    Exit& changed(uint32_t groups) {
        changed_ |= groups;
        return *this;
    }
    Exit& inject(uint8_t vector) {
        event_ = abi::InjectedEvent::Vector::make(vector);
        return flag(abi::ReplyFlag::Inject);
    }
    Exit& inject(uint8_t vector, uint32_t error_code) {
        inject(vector);
        event_ |= abi::InjectedEvent::HasErrorCode::mask | abi::InjectedEvent::ErrorCode::make(error_code);
        return *this;
    }
    Exit& timer(uint64_t deadline, uint8_t vector) {
        deadline_ = deadline;
        vector_ = vector;
        return flag(abi::ReplyFlag::SetTimer);
    }
    Exit& answer_sequence(uint64_t sequence) {
        answer_sequence_ = sequence;
        has_sequence_ = true;
        return *this;
    }
    void send();

  private:
    runtime::Request& request_;
    uint32_t flags_ = 0;
    uint32_t changed_ = 0;
    uint64_t results_[4] = {};
    uint64_t event_ = 0;
    uint64_t deadline_ = 0;
    uint64_t vector_ = 0;
    uint64_t answer_sequence_ = 0;
    bool has_sequence_ = false;
};

enum class StartMode : uint8_t { Real, Protected, Long };

class Machine;

/// One vCPU of the machine and its handler.
struct MachineVcpu {
    Machine* machine = nullptr;
    unsigned index = 0;
    uint32_t cpu = 0;
    runtime::Vcpu vcpu;
    Memory state_memory;
    uint64_t state_address = 0;
    Handler handler;
    runtime::SchedulingContext context;
    std::atomic<uint64_t> exits{0};
    std::atomic<uint64_t> last_sequence{0};
    std::atomic<uint32_t> last_reason{0};

    /// A register of the virtual-APIC page.
    uint32_t virtual_apic(uint32_t offset) const {
        return *reinterpret_cast<volatile uint32_t*>(state_address + abi::virtual_apic_page_offset + offset);
    }
    abi::VcpuStatePage& state() const { return *reinterpret_cast<abi::VcpuStatePage*>(state_address); }
};

inline bool is_port_write(const Exit& exit, uint16_t port) {
    return exit.reason() == abi::ExitReason::PortWrite && abi::PortAccess::Port::read(exit.argument(0)) == port;
}
/// Whether a minimal guest reports this value (guests/minimal/README.md).
inline bool is_report(const Exit& exit, uint32_t value) { return is_port_write(exit, 0xe0) && exit.argument(1) == value; }

/// Answers an exit; false: the machine's own answer applies.
using Device = bool (*)(MachineVcpu& vcpu, Exit& exit);

struct MachineOptions {
    std::span<const uint8_t> image;
    StartMode mode = StartMode::Long;
    Device device = nullptr;
    unsigned vcpus = 1;
    uint32_t absorb = 0;
    uint32_t absorbed_timer_vector = 0;
    uint64_t quota_pages = 300;
    uint64_t ram_bytes = 2 * 1024 * 1024;
};

class Machine {
  public:
    static constexpr unsigned max_vcpus = 4;
    static constexpr uint64_t load_address = 0x1000;
    static constexpr uint64_t results_address = 0xf000;

    Machine() = default;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    ~Machine() { destroy(); }

    [[nodiscard]] abi::Result<void> create(const MachineOptions& options);
    /// Lets all vCPUs run until the guest ends; false if it does not in time.
    bool run(uint64_t deadline = soon());
    void destroy();

    /// A handler for a vCPU, bound to it; the one before is left alone.
    [[nodiscard]] abi::Result<void> bind_handler(MachineVcpu& vcpu, runtime::HandlerEntry entry);
    /// Ends the run, from a device: the vCPU stops at this exit.
    void finish(Exit& exit, uint32_t status);
    /// Puts the start state into a state page that holds the INIT state.
    void set_start_state(abi::VcpuStatePage& state, StartMode mode) const;

    template <typename T>
    T& ram_at(uint64_t guest_physical) const {
        return *ram.as<T>(guest_physical);
    }

    MachineOptions options;
    runtime::Domain guest;
    MappedMemory ram;
    MachineVcpu vcpus[max_vcpus];
    Notification ended;
    uint32_t status = ~0u;
    StaticVector<uint32_t, 256> reports;
    /// For devices.
    uint64_t user[4] = {};

    static void handle_exit(uint64_t badge, runtime::Request& request);

  private:
    void answer(MachineVcpu& vcpu, Exit& exit);
    abi::Result<void> create_vcpu(unsigned index);
};

/// Checks what the guest has reported.
void expect_reports(const Machine& machine, std::initializer_list<uint32_t> wanted, const char* file, unsigned line);
#define EXPECT_REPORTS(machine, ...) ::bulkhead::test::expect_reports(machine, {__VA_ARGS__}, __FILE__, __LINE__)

bool has_virtualization();
#define NEEDS_VIRTUALIZATION() \
    if (!has_virtualization()) SKIP("no virtualization on this processor")

}  // namespace bulkhead::test
