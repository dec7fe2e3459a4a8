// SPDX-License-Identifier: Apache-2.0
// Arguments that are out of their range, call by call, beside the ones that are just right.
#include <string_view>

#include "base/address.hpp"
#include "runtime/log.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

constexpr uint32_t example_line = 7;
constexpr Selector machine_slot = abi::WellKnownSlot::Machine;

bool has_virtualization() { return runtime::system_information().virtualization != abi::Virtualization::None; }

}  // namespace

SYSTEM_TEST(domain_arguments) {
    const Selector slot = NEEDED(runtime::allocate_slots());
    const auto create = [&](Selector owner, abi::DomainKind kind, uint8_t priority, uint32_t slots, uint64_t quota) {
        return raw_status(abi::CreateDomain{owner, slot, kind, priority, slots, quota});
    };
    EXPECT_EQ(create(self, static_cast<abi::DomainKind>(2), 1, 64, 40), Status::BadArgument);
    EXPECT_EQ(create(self, static_cast<abi::DomainKind>(255), 1, 64, 40), Status::BadArgument);
    EXPECT_EQ(create(self, abi::DomainKind::Native, 1, 63, 40), Status::BadArgument);
    EXPECT_EQ(create(self, abi::DomainKind::Native, 1, 0, 40), Status::BadArgument);
    EXPECT_EQ(create(self, abi::DomainKind::Native, 1, 65537, 400), Status::BadArgument);
    EXPECT_EQ(create(self, abi::DomainKind::Native, 1, ~0u, 400), Status::BadArgument);
    runtime::Domain weak = NEEDED(runtime::Domain::create(200, 64, 100));
    EXPECT_EQ(create(weak.selector(), abi::DomainKind::Native, 101, 64, 40), Status::BadArgument);
    EXPECT_EQ(create(weak.selector(), abi::DomainKind::Native, 100, 64, 40), Status::Ok);
    const auto inspected = NEEDED(invoke(abi::Inspect{slot}));
    EXPECT_EQ(static_cast<unsigned>(inspected.type.value), static_cast<unsigned>(abi::ObjectType::Domain));
    EXPECT_EQ(inspected.second.value, 64u);
    EXPECT_EQ(inspected.rights & abi::DomainRight::Create, abi::DomainRight::Create);
    EXPECT_OK(weak.destroy());
    EXPECT_STATUS(invoke(abi::Inspect{slot}), Status::BadCapability);
    runtime::Capability{slot}.forget();
    if (!has_virtualization()) EXPECT_STATUS(runtime::Domain::create_guest(100), Status::NotSupported);
}

SYSTEM_TEST(thread_arguments) {
    runtime::Domain domain = NEEDED(runtime::Domain::create(300, 64, 50));
    const Selector slot = NEEDED(runtime::allocate_slots());
    abi::CreateThread good{domain.selector(), slot, 0, 0x400000, 0x1000'0000, 0x10'0000'0000, 0, 0, 0};
    const auto with = [&](auto change) {
        abi::CreateThread call = good;
        change(call);
        return raw_status(call);
    };
    EXPECT_EQ(with([](auto& c) { c.cpu = abi::maximum_cpus; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.cpu = root().cpu_count; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.cpu = ~0u; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.message_buffer = 0x10'0000'0001; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.message_buffer = 0; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.message_buffer = abi::user_address_limit; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.message_buffer = 0xffff'8000'0000'0000; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.message_buffer = 0x8000'0000'0000'0000; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.message_buffer = abi::stub_page_address; }), Status::Overlap);
    EXPECT_EQ(with([](auto& c) { c.flags = 0x80; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.entry = 0xffff'8000'0000'0000; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.entry = 0x0000'8000'0000'0000; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.stack = 0x0000'8000'0000'0000; }), Status::BadArgument);
    EXPECT_EQ(with([](auto& c) { c.exception_portal = ~0u; }), Status::BadCapability);
    EXPECT_STATUS(invoke(abi::Inspect{slot}), Status::BadCapability);
    EXPECT_EQ(with([](auto&) {}), Status::Ok);
    const runtime::Capability first{slot};
    const runtime::Capability second{NEEDED(runtime::allocate_slots())};
    EXPECT_EQ(with([&](auto& c) { c.slot = second.selector(); }), Status::Overlap);  // the same message buffer

    EXPECT_STATUS(invoke(abi::SetThreadBases{slot, 0x8000'0000'0000, 0}), Status::BadArgument);
    EXPECT_STATUS(invoke(abi::SetThreadBases{slot, 0, 0xffff'ffff'ffff'0000}), Status::BadArgument);
    EXPECT_OK(invoke(abi::SetThreadBases{slot, 0x7000'0000'0000, 0x1000}));

    const Selector context = NEEDED(runtime::allocate_slots());
    const auto schedule = [&](uint8_t priority, uint64_t budget, uint64_t period) {
        return raw_status(abi::CreateSchedulingContext{domain.selector(), context, slot, priority, budget, period});
    };
    EXPECT_EQ(schedule(51, 0, 0), Status::BadArgument);
    EXPECT_EQ(schedule(1, 1000, 999), Status::BadArgument);
    EXPECT_EQ(schedule(1, ~uint64_t{0}, 1), Status::BadArgument);
    EXPECT_EQ(schedule(1, 100000000, 200000000), Status::Ok);
    EXPECT_STATUS(invoke(abi::SetSchedulingContext{context, 51, 0, 0}), Status::BadArgument);
    EXPECT_STATUS(invoke(abi::SetSchedulingContext{context, 1, 2, 1}), Status::BadArgument);
    EXPECT_OK(invoke(abi::SetSchedulingContext{context, 1, 0, 0}));
    // It has one already.
    EXPECT_STATUS(runtime::SchedulingContext::create(slot, 1, 0, 0, domain.selector()), Status::Busy);
    // Portals go to handlers only; a handler's scheduling context is its fallback.
    EXPECT(raw_status(abi::CreatePortal{domain.selector(), second.selector(), slot, 0x400000, 0}) != Status::Ok);
    good.message_buffer.value += page_size_bytes;
    const Selector handler = NEEDED(runtime::allocate_slots());
    EXPECT_EQ(with([&](auto& c) {
                  c.flags = static_cast<abi::ThreadFlags>(abi::ThreadFlag::Handler);
                  c.slot = handler;
              }),
              Status::Ok);
    EXPECT_OK(runtime::SchedulingContext::create(handler, 1, 0, 0, domain.selector()));
    EXPECT_STATUS(runtime::SchedulingContext::create(handler, 1, 0, 0, domain.selector()), Status::Busy);
    EXPECT_STATUS(invoke(abi::CreatePortal{domain.selector(), second.selector(), handler, 0xffff'8000'0000'0000, 0}),
                  Status::BadArgument);
    EXPECT_STATUS(invoke(abi::CreatePortal{domain.selector(), second.selector(), handler, 0x8000'0000'0000, 0}),
                  Status::BadArgument);
    EXPECT_OK(domain.destroy());
}

SYSTEM_TEST(port_and_interrupt_arguments) {
    const runtime::Ports ports{abi::WellKnownSlot::Ports};
    EXPECT_STATUS(ports.derive(0, 0), Status::BadArgument);
    EXPECT_STATUS(ports.derive(0xffff, 2), Status::BadArgument);
    EXPECT_STATUS(ports.derive(0, 0x10001), Status::BadArgument);
    runtime::Ports few = NEEDED(ports.derive(0x2f8, 8));
    EXPECT_STATUS(few.derive(0x2f7, 1), Status::BadArgument);
    EXPECT_STATUS(few.derive(0x2f8, 9), Status::BadArgument);
    EXPECT_OK(few.derive(0x2ff, 1));
    EXPECT_OK(few.destroy());
    Notification notification = NEEDED(Notification::create());
    const auto line = [&](uint32_t number, uint32_t cpu, abi::InterruptTrigger trigger) {
        return runtime::Interrupt::create(machine_slot, number, notification.selector(), 1, cpu, trigger);
    };
    EXPECT(!line(100000, 0, abi::InterruptTrigger::Default).ok());
    EXPECT_STATUS(line(example_line, 64, abi::InterruptTrigger::Default), Status::BadArgument);
    EXPECT_STATUS(line(example_line, 0, static_cast<abi::InterruptTrigger>(5)), Status::BadArgument);
    runtime::Interrupt interrupt = NEEDED(line(example_line, 0, abi::InterruptTrigger::Default));
    EXPECT_STATUS(line(example_line, 0, abi::InterruptTrigger::Default), Status::Overlap);
    EXPECT_OK(interrupt.destroy());
    interrupt = NEEDED(line(example_line, 0, abi::InterruptTrigger::Default));
    EXPECT_OK(notification.destroy());
}

SYSTEM_TEST(log_arguments) {
    EXPECT_STATUS(invoke(abi::WriteLog{machine_slot, 3969}), Status::BadArgument);
    EXPECT_STATUS(invoke(abi::WriteLog{machine_slot, ~uint64_t{0}}), Status::BadArgument);
    EXPECT_OK(invoke(abi::WriteLog{machine_slot, 0}));
    runtime::write_kernel_log("a line that is read back\n");
    uint64_t position = 0;
    bool found = false;
    for (int i = 0; i < 1000; ++i) {
        const auto part = NEEDED(invoke(abi::ReadLog{machine_slot, position}));
        if (part.size == 0) break;
        REQUIRE(part.size <= 3968 && part.position > position);
        const std::string_view text{runtime::message_bytes(), part.size};
        found = found || text.find("a line that is read back") != std::string_view::npos;
        position = part.position;
    }
    EXPECT(found);
    const auto end = NEEDED(invoke(abi::ReadLog{machine_slot, ~uint64_t{0}}));
    EXPECT_EQ(end.size.value, 0u);
    Notification notification = NEEDED(Notification::create());
    EXPECT_OK(invoke(abi::SetLogOutput{machine_slot, true, notification.selector(), 2}));
    runtime::write_kernel_log("another line\n");
    EXPECT_EQ(NEEDED(notification.wait(2, soon())), 2u);
    EXPECT_OK(invoke(abi::SetLogOutput{machine_slot, true, 0, 0}));
    EXPECT_OK(notification.destroy());
}

}  // namespace bulkhead::test
