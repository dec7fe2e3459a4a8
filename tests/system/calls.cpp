// SPDX-License-Identifier: Apache-2.0
// Every system call, right and wrong: for each call of abi::AllCalls an example that works, and from it everything a
// caller can get wrong about selectors and slots, made from the call's own arguments.
#include <cstring>
#include <string_view>

#include "base/address.hpp"
#include "runtime/log.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

/// One object of each type, and a domain that owns what the examples make.
struct Fixture {
    runtime::Domain domain;
    runtime::Domain guest;
    runtime::Capability handler;
    runtime::Capability thread;  ///< with a scheduling context
    runtime::Capability fresh;   ///< without
    runtime::SchedulingContext context;
    runtime::Portal portal;
    Notification notification;
    Memory memory;
    runtime::Ports ports;
    runtime::Interrupt interrupt;
    runtime::Vcpu vcpu;
    Memory vcpu_state;
    runtime::VirtualInterrupt virtual_interrupt;
    runtime::Doorbell doorbell;
    Selector stale = 0;  ///< of an object that is gone
    Selector free = 0;   ///< an empty slot of this program, for results
    Selector free2 = 0;
    Selector empty = 0;  ///< an empty slot, never filled

    static abi::Result<Fixture> create();
    void destroy() {
        static_cast<void>(domain.destroy());
        forget(stale);
        forget(free);
        forget(free2);
        for (runtime::Capability* capability :
             {static_cast<runtime::Capability*>(&guest), &handler, &thread, &fresh,
              static_cast<runtime::Capability*>(&context), static_cast<runtime::Capability*>(&portal),
              static_cast<runtime::Capability*>(&notification), static_cast<runtime::Capability*>(&memory),
              static_cast<runtime::Capability*>(&ports), static_cast<runtime::Capability*>(&interrupt),
              static_cast<runtime::Capability*>(&vcpu), static_cast<runtime::Capability*>(&vcpu_state),
              static_cast<runtime::Capability*>(&virtual_interrupt), static_cast<runtime::Capability*>(&doorbell)}) {
            capability->forget();
        }
    }
    static void forget(Selector slot) { runtime::Capability{slot}.forget(); }
};

bool has_virtualization() { return runtime::system_information().virtualization != abi::Virtualization::None; }

void idle_forever(void* /*unused*/) { runtime::stop_by_fault(); }

void do_nothing(uint64_t /*badge*/, runtime::Request& /*request*/) {}

abi::Result<runtime::Capability> bare_thread(Selector owner, uint64_t buffer, abi::ThreadFlags flags) {
    return runtime::Capability{TRY(runtime::make_in_new_slot(
        abi::CreateThread{owner, 0, 0, reinterpret_cast<uint64_t>(&idle_forever), 0x1000'0000, buffer, 0, 0, flags}))};
}

constexpr uint64_t example_address = 0x20'0000'0000;
constexpr uint32_t example_line = 7;

abi::Result<Fixture> Fixture::create() {
    Fixture f;
    f.domain = TRY(runtime::Domain::create(600, 128));
    const Selector owner = f.domain.selector();
    f.handler = TRY(bare_thread(owner, 0x10'0000'0000, static_cast<abi::ThreadFlags>(abi::ThreadFlag::Handler)));
    f.thread = TRY(bare_thread(owner, 0x10'0001'0000, 0));
    f.fresh = TRY(bare_thread(owner, 0x10'0002'0000, 0));
    f.context = TRY(runtime::SchedulingContext::create(f.thread.selector(), 1, 0, 0, owner));
    f.portal = TRY(runtime::Portal::create(f.handler.selector(), runtime::message_handler<do_nothing>, 1, owner));
    f.notification = TRY(Notification::create(owner));
    const Memory source = TRY(take_memory(4 * page_size_bytes));
    f.memory = TRY(source.derive(0, 4 * page_size_bytes, abi::all_rights, false, owner));
    f.ports = TRY(runtime::Ports{abi::WellKnownSlot::Ports}.derive(0x2f8, 8, owner));
    f.interrupt =
        TRY(runtime::Interrupt::create(abi::WellKnownSlot::Machine, example_line + 1, f.notification.selector(), 1, 0,
                                       abi::InterruptTrigger::Default, owner));
    if (has_virtualization()) {
        f.guest = TRY(runtime::Domain::create_guest(200, 255, owner));
        const auto made = TRY(runtime::create_vcpu(f.guest.selector(), 0));
        f.vcpu = made.vcpu;
        f.vcpu_state = made.state;
        f.virtual_interrupt = TRY(runtime::VirtualInterrupt::create(f.guest.selector(), f.vcpu.selector(), 32));
        f.doorbell = TRY(runtime::Doorbell::create(f.guest.selector(), 0x100, 2));
    }
    Notification gone = TRY(Notification::create());
    f.stale = gone.selector();
    TRY(runtime::invoke(abi::Destroy{f.stale}));
    f.free = TRY(runtime::allocate_slots());
    f.free2 = TRY(runtime::allocate_slots());
    f.empty = TRY(runtime::allocate_slots());
    return f;
}

/// An example of each call that works with the fixture. `possible` is false where it cannot be tried.
template <typename Call>
struct Example {
    static constexpr bool possible = false;
};

#define EXAMPLE(Type, ...)                                                                          \
    template <>                                                                                     \
    struct Example<abi::Type> {                                                                     \
        static constexpr bool possible = true;                                                      \
        static abi::Type make([[maybe_unused]] const Fixture& f) { return abi::Type{__VA_ARGS__}; } \
    };

constexpr Selector machine_slot = abi::WellKnownSlot::Machine;
EXAMPLE(Null)
EXAMPLE(Yield)
EXAMPLE(FinishCall)
EXAMPLE(Destroy, f.notification.selector())
EXAMPLE(CopyCapability, f.notification.selector(), self, f.free, abi::all_rights)
EXAMPLE(RemoveCapability, self, f.free)
EXAMPLE(Inspect, f.memory.selector())
EXAMPLE(CreateDomain, f.domain.selector(), f.free, abi::DomainKind::Native, 255, 64, 40)
EXAMPLE(CreateThread, f.domain.selector(), f.free, 0, 0x400000, 0x1000'0000, 0x10'0003'0000, 0, 0, 0)
EXAMPLE(SetThreadBases, f.fresh.selector(), 0x1000, 0x2000)
EXAMPLE(CreateSchedulingContext, f.domain.selector(), f.free, f.fresh.selector(), 1, 0, 0)
EXAMPLE(SetSchedulingContext, f.context.selector(), 2, 0, 0)
EXAMPLE(CreatePortal, f.domain.selector(), f.free, f.handler.selector(), 0x400000, 5)
EXAMPLE(DerivePortal, f.portal.selector(), f.domain.selector(), f.free, 7)
EXAMPLE(CreateNotification, f.domain.selector(), f.free)
EXAMPLE(DeriveNotification, f.notification.selector(), f.domain.selector(), f.free, 1)
EXAMPLE(Signal, f.notification.selector(), 3)
EXAMPLE(Wait, f.notification.selector(), 3, 0)
EXAMPLE(DeriveMemory, f.memory.selector(), f.domain.selector(), f.free, abi::all_rights, 0, 0x1000, 0x1000)
EXAMPLE(MapMemory, f.domain.selector(), f.memory.selector(), 0, 0x1000, example_address, runtime::read_write,
        abi::MemoryType::WriteBack)
EXAMPLE(UnmapMemory, f.domain.selector(), example_address)
EXAMPLE(DerivePorts, f.ports.selector(), f.domain.selector(), f.free, 0x2f8, 2)
EXAMPLE(MapPorts, f.domain.selector(), f.ports.selector())
EXAMPLE(CreateInterrupt, machine_slot, f.domain.selector(), f.free, f.notification.selector(), example_line, 0,
        abi::InterruptTrigger::Default, 4)
EXAMPLE(AcknowledgeInterrupt, f.interrupt.selector())
EXAMPLE(CreateVcpu, f.guest.selector(), f.free, f.free2, 0)
EXAMPLE(BindVcpu, f.vcpu.selector(), f.portal.selector())
EXAMPLE(RecallVcpu, f.vcpu.selector())
EXAMPLE(PullVcpuState, f.vcpu.selector(), 1)
EXAMPLE(PostInterrupt, f.vcpu.selector(), 32, abi::PostKind::Fixed)
EXAMPLE(CreateVirtualInterrupt, f.guest.selector(), f.vcpu.selector(), f.free, 40)
EXAMPLE(SetVirtualInterrupt, f.virtual_interrupt.selector(), f.vcpu.selector(), 41, false)
EXAMPLE(PostVirtualInterrupt, f.virtual_interrupt.selector())
EXAMPLE(CreateDoorbell, f.guest.selector(), f.free, 0x102, 4)
EXAMPLE(BindDoorbell, f.doorbell.selector(), f.notification.selector(), 1)
EXAMPLE(ReadLog, machine_slot, 0)
EXAMPLE(WriteLog, machine_slot, 0)
EXAMPLE(SetLogOutput, machine_slot, true, 0, 0)
EXAMPLE(Halt, machine_slot, 0)

template <typename Call>
constexpr bool needs_virtualization =
    std::is_same_v<Call, abi::CreateVcpu> || std::is_same_v<Call, abi::BindVcpu> ||
    std::is_same_v<Call, abi::RecallVcpu> || std::is_same_v<Call, abi::PullVcpuState> ||
    std::is_same_v<Call, abi::PostInterrupt> || std::is_same_v<Call, abi::CreateVirtualInterrupt> ||
    std::is_same_v<Call, abi::SetVirtualInterrupt> || std::is_same_v<Call, abi::PostVirtualInterrupt> ||
    std::is_same_v<Call, abi::CreateDoorbell> || std::is_same_v<Call, abi::BindDoorbell>;

/// Calls that accept an object of any type, and those whose first object needs no right.
template <typename Call>
constexpr bool any_type = std::is_same_v<Call, abi::Destroy> || std::is_same_v<Call, abi::Inspect> ||
                          std::is_same_v<Call, abi::CopyCapability>;

/// Visits the selectors of an example of a call, one after the other, as `visitor(call, selector, index)`: each time
/// of a fresh copy of the example, of which `selector` is a member.
template <typename Call, typename Visitor>
void for_each_selector(const Fixture& f, abi::SelectorUse use, Visitor visitor) {
    const auto visit_number = [&](unsigned number) {
        Call call = Example<Call>::make(f);
        unsigned index = 0;
        abi::for_each_argument(call, [&](auto& argument) {
            if constexpr (requires { argument.use; }) {
                if (index == number && argument.use == use) visitor(call, argument.value, index);
            }
            ++index;
        });
    };
    for (unsigned number = 0; number < std::tuple_size_v<decltype(abi::arguments_of(std::declval<Call&>()))>; ++number)
        visit_number(number);
}

template <typename Visitor>
void for_each_call(Visitor visitor) {
    [&]<typename... Calls>(std::tuple<Calls...>*) {
        (visitor.template operator()<Calls>(), ...);
    }(static_cast<abi::AllCalls*>(nullptr));
}

constexpr Selector leave_out = ~Selector{0} - 1;

void expect(Status is, Status wanted, abi::CallNumber number, unsigned argument, const char* what) {
    if (is == wanted) return;
    char why[200];
    record_failure(__FILE__, __LINE__,
                   runtime::format_into(why, "call {}, argument {}, {}: {}, not {}", static_cast<unsigned>(number),
                                        argument, what, is, wanted));
}

/// The selectors of objects, with a wrong one in place of each in turn: `wrong(good, any type will do)` makes it,
/// `leave_out` leaves it out.
template <typename Wrong>
void with_wrong_object(const Fixture& f, Status wanted, const char* what, Wrong wrong) {
    for_each_call([&]<typename Call>() {
        if constexpr (Example<Call>::possible) {
            if (needs_virtualization<Call> && !has_virtualization()) return;
            for_each_selector<Call>(f, abi::SelectorUse::Object,
                                    [&](const Call& call, Selector& selector, unsigned index) {
                                        selector = wrong(selector, any_type<Call> && index == 0);
                                        if (selector != leave_out)
                                            expect(raw_status(call), wanted, abi::number_of<Call>, index, what);
                                    });
        }
    });
    EXPECT_STATUS(invoke(abi::Inspect{f.free}), Status::BadCapability);
}

}  // namespace

SYSTEM_TEST(null_and_yield) {
    EXPECT_OK(invoke(abi::Null{}));
    EXPECT_OK(invoke(abi::Yield{}));
}

SYSTEM_TEST(calls_keep_registers) {
    abi::Registers registers;
    for (unsigned i = 0; i < static_cast<unsigned>(abi::Register::Count); ++i)
        registers.words[i] = 0x1111'1111'1111'1111u * (i + 1);
    abi::Registers before = registers;
    registers[abi::Register::Rax] = static_cast<uint64_t>(abi::number_of<abi::Null>);
    raw_call(registers);
    EXPECT_EQ(registers[abi::Register::Rax] & 0xff, 0u);
    before[abi::Register::Rax] = registers[abi::Register::Rax];
    for (unsigned i = 0; i < static_cast<unsigned>(abi::Register::Count); ++i)
        EXPECT_EQ(registers.words[i], before.words[i]);
}

SYSTEM_TEST(unknown_calls) {
    for (unsigned number = static_cast<unsigned>(abi::CallNumber::Count); number < 256; ++number) {
        abi::Registers registers;
        registers[abi::Register::Rax] = number;
        raw_call(registers);
        EXPECT_EQ(registers[abi::Register::Rax] & 0xff, static_cast<uint64_t>(Status::BadCall));
    }
}

SYSTEM_TEST(reply_by_a_thread_that_is_no_handler) {
    abi::Registers registers;
    registers[abi::Register::Rax] = static_cast<uint64_t>(abi::CallNumber::Reply);
    raw_call(registers);
    EXPECT_EQ(registers[abi::Register::Rax] & 0xff, static_cast<uint64_t>(Status::BadCall));
}

SYSTEM_TEST(selectors_out_of_range) {
    Fixture f = NEEDED(Fixture::create());
    with_wrong_object(f, Status::BadCapability, "out of range", [](Selector, bool) { return ~Selector{0}; });
    f.destroy();
}

SYSTEM_TEST(empty_slots) {
    Fixture f = NEEDED(Fixture::create());
    with_wrong_object(f, Status::BadCapability, "empty slot", [&](Selector, bool) { return f.empty; });
    with_wrong_object(f, Status::BadCapability, "null selector", [&](Selector, bool) { return abi::null_selector; });
    f.destroy();
}

SYSTEM_TEST(stale_slots) {
    Fixture f = NEEDED(Fixture::create());
    with_wrong_object(f, Status::BadCapability, "destroyed object", [&](Selector, bool) { return f.stale; });
    f.destroy();
}

SYSTEM_TEST(wrong_types) {
    Fixture f = NEEDED(Fixture::create());
    with_wrong_object(f, Status::WrongType, "wrong type", [&](Selector good, bool any) {
        if (any) return leave_out;
        return good == f.context.selector() ? f.memory.selector() : f.context.selector();
    });
    f.destroy();
}

SYSTEM_TEST(missing_rights) {
    Fixture f = NEEDED(Fixture::create());
    const Selector bare = NEEDED(runtime::allocate_slots());
    with_wrong_object(f, Status::MissingRight, "no rights", [&](Selector good, bool any) {
        if (any) return leave_out;
        static_cast<void>(invoke(abi::RemoveCapability{self, bare}));
        EXPECT_OK(invoke(abi::CopyCapability{good, self, bare, 0}));
        return bare;
    });
    // Destroy needs its right although it takes any type; Inspect and copying do not.
    EXPECT_STATUS(invoke(abi::Destroy{bare}), Status::MissingRight);
    EXPECT_OK(invoke(abi::Inspect{bare}));
    EXPECT_OK(invoke(abi::CopyCapability{bare, self, f.free, abi::all_rights}));
    const auto copy = NEEDED(invoke(abi::Inspect{f.free}));
    EXPECT_EQ(copy.rights.value, 0u);
    runtime::Capability{bare}.forget();
    f.destroy();
}

SYSTEM_TEST(occupied_and_bad_slots) {
    Fixture f = NEEDED(Fixture::create());
    for_each_call([&]<typename Call>() {
        if constexpr (Example<Call>::possible && !std::is_same_v<Call, abi::RemoveCapability>) {
            if (needs_virtualization<Call> && !has_virtualization()) return;
            for_each_selector<Call>(f, abi::SelectorUse::Slot, [&](Call& call, Selector& slot, unsigned index) {
                constexpr abi::CallNumber number = abi::number_of<Call>;
                slot = f.notification.selector();
                expect(raw_status(call), Status::SlotOccupied, number, index, "occupied slot");
                slot = f.stale;
                expect(raw_status(call), Status::SlotOccupied, number, index, "slot of a destroyed object");
                slot = abi::null_selector;
                expect(raw_status(call), Status::BadArgument, number, index, "slot 0");
                slot = ~Selector{0};
                expect(raw_status(call), Status::BadArgument, number, index, "slot out of range");
            });
        }
    });
    EXPECT_STATUS(invoke(abi::Inspect{f.free}), Status::BadCapability);
    EXPECT_STATUS(invoke(abi::Inspect{f.free2}), Status::BadCapability);
    f.destroy();
}

/// After all the failures above the same examples work.
SYSTEM_TEST(every_call_right) {
    Fixture f = NEEDED(Fixture::create());
    for_each_call([&]<typename Call>() {
        if constexpr (Example<Call>::possible && !std::is_same_v<Call, abi::Halt> &&
                      !std::is_same_v<Call, abi::Destroy>) {
            if (needs_virtualization<Call> && !has_virtualization()) return;
            Status wanted = Status::Ok;
            if constexpr (std::is_same_v<Call, abi::PullVcpuState>) wanted = Status::Busy;  // it is in no exit
            expect(raw_status(Example<Call>::make(f)), wanted, abi::number_of<Call>, 0, "right use");
            for (const Selector slot : {f.free, f.free2}) static_cast<void>(invoke(abi::RemoveCapability{self, slot}));
        }
    });
    EXPECT_OK(invoke(Example<abi::Destroy>::make(f)));
    f.destroy();
}

SYSTEM_TEST(exhausted_quota) {
    Fixture f = NEEDED(Fixture::create());
    runtime::Domain poor = NEEDED(runtime::Domain::create(24, 64));
    unsigned made = 0;
    Selector first = NEEDED(runtime::allocate_slots(4000));
    Status status = Status::Ok;
    for (; made < 4000 && status == Status::Ok; ++made) {
        status = raw_status(abi::DeriveNotification{f.notification.selector(), poor.selector(), first + made, 1});
    }
    EXPECT_EQ(status, Status::OutOfMemory);
    EXPECT_EQ(NEEDED(poor.free_quota_pages()), 0u);
    EXPECT_STATUS(invoke(abi::CreateDomain{poor.selector(), f.free, abi::DomainKind::Native, 255, 64, 0}),
                  Status::OutOfMemory);
    EXPECT_STATUS(invoke(abi::CreateDomain{poor.selector(), f.free, abi::DomainKind::Native, 255, 64, 1}),
                  Status::OutOfMemory);
    EXPECT_STATUS(invoke(abi::CreateThread{poor.selector(), f.free, 0, 0x400000, 0x1000'0000, 0x10'0003'0000, 0, 0, 0}),
                  Status::OutOfMemory);
    EXPECT_STATUS(invoke(abi::MapMemory{poor.selector(), f.memory.selector(), 0, 0x1000, 0x30'0000'0000,
                                        runtime::read_write, abi::MemoryType::WriteBack}),
                  Status::OutOfMemory);
    // What is given back can be used again.
    REQUIRE(made > 1);
    EXPECT_OK(invoke(abi::Destroy{first}));
    EXPECT_OK(invoke(abi::DeriveNotification{f.notification.selector(), poor.selector(), f.free, 1}));
    // Other domains are not touched by it.
    EXPECT_OK(invoke(abi::CreateNotification{f.domain.selector(), f.free2}));
    EXPECT_OK(poor.destroy());
    for (unsigned i = 0; i < 4000; ++i) static_cast<void>(invoke(abi::RemoveCapability{self, first + i}));
    runtime::release_slots(first, 4000);
    f.destroy();
}

SYSTEM_TEST(a_quota_cannot_be_overdrawn) {
    const uint64_t before = NEEDED(runtime::Domain{self}.free_quota_pages());
    EXPECT_STATUS(runtime::Domain::create(before + 1, 64), Status::OutOfMemory);
    EXPECT_STATUS(runtime::Domain::create(~uint64_t{0}, 64), Status::OutOfMemory);
    EXPECT_STATUS(runtime::Domain::create(~uint64_t{0} >> 12, 64), Status::OutOfMemory);
    EXPECT_EQ(NEEDED(runtime::Domain{self}.free_quota_pages()), before);
}

SYSTEM_TEST(quota_returns) {
    Fixture warm = NEEDED(Fixture::create());
    warm.destroy();
    const uint64_t before = NEEDED(runtime::Domain{self}.free_quota_pages());
    for (int i = 0; i < 8; ++i) {
        Fixture f = NEEDED(Fixture::create());
        f.destroy();
    }
    const uint64_t after = NEEDED(runtime::Domain{self}.free_quota_pages());
    // The memory the fixtures derive their memory from is this program's and stays: a page of records at most.
    EXPECT(before - after <= 1);
}

}  // namespace bulkhead::test
