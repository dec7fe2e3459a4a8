// SPDX-License-Identifier: Apache-2.0
// I/O ports and interrupt lines, with the devices every PC has: POST port, PIT, RTC.
#include <atomic>

#include "tests/system/framework/probe.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

constexpr uint16_t post_port = 0x80;
constexpr uint16_t rtc_index = 0x70;
constexpr uint16_t rtc_data = 0x71;
constexpr uint32_t rtc_line = 8;

const runtime::Ports all_ports{abi::WellKnownSlot::Ports};

void out(uint16_t port, uint8_t value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
uint8_t in(uint16_t port) {
    uint8_t value = 0;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

uint8_t rtc_read(uint8_t index) {
    out(rtc_index, index);
    return in(rtc_data);
}
void rtc_write(uint8_t index, uint8_t value) {
    out(rtc_index, index);
    out(rtc_data, value);
}

PROBE_FUNCTION(read_port_16, "mov %edi, %edx\n\tin %dx, %ax")
PROBE_FUNCTION(read_port_32, "mov %edi, %edx\n\tin %dx, %eax")
PROBE_FUNCTION(read_port_string, "mov %edi, %edx\n\tsub $64, %rsp\n\tmov %rsp, %rdi\n\tmov $4, %ecx\n\trep insb")

}  // namespace

SYSTEM_TEST(ports_fault_until_they_are_mapped) {
    EXPECT_FAULT(probe_port_read(post_port), general_protection);
    EXPECT_FAULT(probe_port_read(0), general_protection);
    EXPECT_FAULT(probe_port_read(0xffff), general_protection);
    runtime::Ports one = NEEDED(all_ports.derive(post_port, 1));
    EXPECT_FAULT(probe_port_read(post_port), general_protection);
    EXPECT_OK(one.map());
    for (uint32_t cpu = 0; cpu < root().cpu_count; ++cpu) {
        EXPECT(!probe_port_read(post_port, cpu).faulted);
        EXPECT_FAULT(probe_port_read(post_port - 1, cpu), general_protection);
        EXPECT_FAULT(probe_port_read(post_port + 1, cpu), general_protection);
        // A wider access needs all its ports.
        EXPECT_FAULT(probe(read_port_16, post_port, cpu), general_protection);
        EXPECT_FAULT(probe(read_port_32, post_port, cpu), general_protection);
    }
    EXPECT_OK(one.destroy());
    for (uint32_t cpu = 0; cpu < root().cpu_count; ++cpu)
        EXPECT_FAULT(probe_port_read(post_port, cpu), general_protection);
}

SYSTEM_TEST(the_last_ports) {
    runtime::Ports last = NEEDED(all_ports.derive(0xfff8, 8));
    EXPECT_OK(last.map());
    EXPECT(!probe_port_read(0xffff).faulted);
    EXPECT(!probe_port_read(0xfff8).faulted);
    EXPECT_FAULT(probe_port_read(0xfff7), general_protection);
    EXPECT(!probe(read_port_32, 0xfffc).faulted);
    EXPECT_FAULT(probe(read_port_16, 0xffff), general_protection);
    EXPECT_OK(last.destroy());
    EXPECT_FAULT(probe_port_read(0xffff), general_protection);
}

SYSTEM_TEST(string_access_to_ports) {
    EXPECT_FAULT(probe(read_port_string, post_port), general_protection);
    runtime::Ports one = NEEDED(all_ports.derive(post_port, 1));
    EXPECT_OK(one.map());
    EXPECT(!probe(read_port_string, post_port).faulted);
    EXPECT_OK(one.destroy());
}

SYSTEM_TEST(overlapping_port_ranges) {
    runtime::Ports a = NEEDED(all_ports.derive(0x80, 4));
    runtime::Ports b = NEEDED(all_ports.derive(0x82, 4));
    EXPECT_OK(a.map());
    EXPECT_OK(b.map());
    EXPECT_OK(a.destroy());
    EXPECT_FAULT(probe_port_read(0x81), general_protection);
    EXPECT(!probe_port_read(0x82).faulted);
    EXPECT(!probe_port_read(0x85).faulted);
    EXPECT_OK(b.destroy());
    EXPECT_FAULT(probe_port_read(0x82), general_protection);
}

SYSTEM_TEST(ports_of_another_domain) {
    struct Shared {
        std::atomic<unsigned> reads;
        static void run(void* argument) {
            auto& shared = *static_cast<Shared*>(argument);
            for (;;) {
                static_cast<void>(in(post_port));
                ++shared.reads;
            }
        }
    };
    Child child = NEEDED(Child::create());
    auto& shared = child.shared<Shared>();
    runtime::Ports one = NEEDED(all_ports.derive(post_port, 1));
    EXPECT_OK(one.map(child.domain.selector()));
    const uint32_t cpu = root().cpu_count - 1;
    NEEDED(child.start(Shared::run, &shared, low_priority, cpu));
    EXPECT(eventually([&] { return shared.reads.load() > 100; }));
    // The test's own domain has none of it, though it shares the CPU.
    EXPECT_FAULT(probe_port_read(post_port, cpu), general_protection);
    EXPECT_OK(one.destroy());
    runtime::sleep_for(ns_per_ms);
    const unsigned reads = shared.reads;
    runtime::sleep_for(2 * ns_per_ms);
    EXPECT_EQ(shared.reads.load(), reads);
    child.destroy();
}

SYSTEM_TEST(destroying_the_domain_before_its_ports) {
    runtime::Ports one = NEEDED(all_ports.derive(post_port, 1));
    for (int i = 0; i < 3; ++i) {
        runtime::Domain domain = NEEDED(runtime::Domain::create(100, 64));
        EXPECT_OK(one.map(domain.selector()));
        EXPECT_OK(domain.destroy());
    }
    EXPECT_OK(one.destroy());
}

SYSTEM_TEST(rtc_interrupts) {
    runtime::Ports ports = NEEDED(all_ports.derive(rtc_index, 2));
    EXPECT_OK(ports.map());
    Notification n = NEEDED(Notification::create());
    for (uint32_t cpu = 0; cpu < root().cpu_count; ++cpu) {
        auto made = runtime::Interrupt::create(abi::WellKnownSlot::Machine, rtc_line, n.selector(), 4, cpu);
        runtime::Interrupt interrupt = NEEDED(made);
        rtc_write(0x0a, (rtc_read(0x0a) & 0xf0) | 0x06);  // 1024 Hz
        rtc_write(0x0b, rtc_read(0x0b) | 0x40);           // periodic interrupts
        static_cast<void>(rtc_read(0x0c));
        for (int i = 0; i < 5; ++i) {
            EXPECT_EQ(NEEDED(n.wait(4, soon())), 4u);
            static_cast<void>(rtc_read(0x0c));
            EXPECT_OK(interrupt.acknowledge());
        }
        EXPECT_OK(interrupt.destroy());
        static_cast<void>(n.poll());
        // No interrupt object, no signal.
        static_cast<void>(rtc_read(0x0c));
        EXPECT_STATUS(n.wait(4, shortly()), Status::TimedOut);
        rtc_write(0x0b, rtc_read(0x0b) & ~0x40u);
        static_cast<void>(rtc_read(0x0c));
    }
    EXPECT_OK(n.destroy());
    EXPECT_OK(ports.destroy());
}

SYSTEM_TEST(interrupt_whose_notification_is_gone) {
    runtime::Ports ports = NEEDED(all_ports.derive(rtc_index, 2));
    EXPECT_OK(ports.map());
    Notification n = NEEDED(Notification::create());
    runtime::Interrupt interrupt =
        NEEDED(runtime::Interrupt::create(abi::WellKnownSlot::Machine, rtc_line, n.selector(), 1));
    rtc_write(0x0b, rtc_read(0x0b) | 0x40);
    static_cast<void>(rtc_read(0x0c));
    EXPECT_OK(n.destroy());
    for (int i = 0; i < 3; ++i) {
        runtime::sleep_for(ns_per_ms);
        static_cast<void>(rtc_read(0x0c));
    }
    rtc_write(0x0b, rtc_read(0x0b) & ~0x40u);
    static_cast<void>(rtc_read(0x0c));
    // The line is free for the next.
    static_cast<void>(interrupt.destroy());
    n = NEEDED(Notification::create());
    interrupt = NEEDED(runtime::Interrupt::create(abi::WellKnownSlot::Machine, rtc_line, n.selector(), 1));
    EXPECT_OK(interrupt.destroy());
    EXPECT_OK(n.destroy());
    EXPECT_OK(ports.destroy());
}

}  // namespace bulkhead::test
