// SPDX-License-Identifier: Apache-2.0
#include "tests/system/framework/probe.hpp"

#include <atomic>
#include <cstring>

#include "runtime/handler.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

/// The attempt in progress. The handlers run while the prober waits.
struct Attempt {
    uint64_t (*function)(uint64_t);
    uint64_t argument;
    Outcome outcome;
    std::atomic<bool> done;
};
Attempt attempt;

void handle_fault(uint64_t /*badge*/, runtime::Request& request) {
    abi::ExceptionFrame frame;
    std::memcpy(&frame, runtime::message_buffer().words, sizeof frame);
    Outcome& outcome = attempt.outcome;
    outcome.faulted = true;
    outcome.vector = request.label();
    outcome.error_code = request.words[0];
    outcome.address = request.words[2];
    outcome.frame = frame;
    frame.rip = frame.rbx;
    frame.rflags &= ~uint64_t{0x100 | 0x40400};  // TF, AC, DF off
    std::memcpy(runtime::message_buffer().words, &frame, sizeof frame);
    request.reply(static_cast<uint32_t>(abi::ExceptionReply::ResumeWithFrame))
        .reply_buffer_words(sizeof frame / sizeof(uint64_t));
}

void run_attempt(void* /*unused*/) {
    attempt.outcome.value = attempt.function(attempt.argument);
    attempt.done = true;
}

PROBE_FUNCTION(read_byte, "movzbl (%rdi), %eax")
PROBE_FUNCTION(read_port, "mov %edi, %edx\n\tin %dx, %al")

struct Write {
    uint64_t address;
    uint64_t value;
};
PROBE_FUNCTION(write_byte, "mov 8(%rdi), %rax\n\tmov (%rdi), %rdi\n\tmov %al, (%rdi)")
// Whatever system call is made there is Null, which keeps the registers.
PROBE_FUNCTION(execute, "mov $2, %eax\n\txor %ecx, %ecx\n\txor %edx, %edx\n\tcall *%rdi")

}  // namespace

Outcome probe(uint64_t (*function)(uint64_t), uint64_t argument, uint32_t cpu) {
    attempt.function = function;
    attempt.argument = argument;
    attempt.outcome = Outcome{};
    attempt.done = false;
    auto handler = Handler::create(runtime::message_handler<handle_fault>, 0, cpu);
    if (!handler.ok()) {
        record_failure(__FILE__, __LINE__, "no handler for the probe");
        return attempt.outcome;
    }
    auto thread = start_thread(run_attempt, nullptr, high_priority, cpu, handler.value().portal.selector());
    const uint64_t deadline = soon();
    while (!attempt.done && runtime::now_ticks() < deadline) runtime::sleep_for(50 * ns_per_us);
    if (!attempt.done) record_failure(__FILE__, __LINE__, "the probe did not end");
    if (thread.ok()) thread.value().destroy();
    handler.value().destroy();
    return attempt.outcome;
}

Outcome probe_read(uint64_t address, uint32_t cpu) { return probe(read_byte, address, cpu); }

Outcome probe_write(uint64_t address, uint64_t value, uint32_t cpu) {
    Write write{address, value};
    return probe(write_byte, reinterpret_cast<uint64_t>(&write), cpu);
}

Outcome probe_execute(uint64_t address, uint32_t cpu) { return probe(execute, address, cpu); }

Outcome probe_port_read(uint16_t port, uint32_t cpu) { return probe(read_port, port, cpu); }

}  // namespace bulkhead::test
