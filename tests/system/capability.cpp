// SPDX-License-Identifier: Apache-2.0
// Capabilities and ownership: copies and rights, stale slots, and that destroying a domain ends all it owns.
#include <atomic>

#include "base/address.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

using abi::ObjectType;

ObjectType type_of(Selector selector) {
    const auto inspected = invoke(abi::Inspect{selector});
    return inspected.ok() ? inspected.value().type.value : ObjectType::None;
}

bool gone(Selector selector) { return status_of(invoke(abi::Inspect{selector})) == Status::BadCapability; }

}  // namespace

SYSTEM_TEST(root_slots) {
    EXPECT_EQ(static_cast<unsigned>(type_of(self)), static_cast<unsigned>(ObjectType::Domain));
    EXPECT_EQ(static_cast<unsigned>(type_of(abi::WellKnownSlot::Machine)), static_cast<unsigned>(ObjectType::Machine));
    EXPECT_EQ(static_cast<unsigned>(type_of(abi::WellKnownSlot::Ports)), static_cast<unsigned>(ObjectType::PortRange));
    EXPECT(root().memory_count > 0);
    for (uint32_t i = 0; i < root().memory_count; ++i) {
        const auto inspected = NEEDED(invoke(abi::Inspect{root().memories[i].selector}));
        EXPECT_EQ(static_cast<unsigned>(inspected.type.value), static_cast<unsigned>(ObjectType::MemoryObject));
        EXPECT_EQ(inspected.first.value, root().memories[i].size_bytes);
    }
    for (uint32_t i = 0; i < root().module_count; ++i) {
        const auto inspected = NEEDED(invoke(abi::Inspect{root().modules[i].selector}));
        EXPECT(inspected.first >= root().modules[i].size_bytes);
        EXPECT_EQ(inspected.rights & abi::MemoryRight::Write, 0u);
        EXPECT(root().modules[i].name[0] != 0);
    }
    EXPECT(gone(abi::null_selector));
    EXPECT_STATUS(invoke(abi::Destroy{self}), Status::BadArgument);
}

SYSTEM_TEST(copies_and_rights) {
    Notification n = NEEDED(Notification::create());
    const Selector a = NEEDED(n.restricted(abi::NotificationRight::Signal | abi::NotificationRight::Wait));
    const Selector b = NEEDED(runtime::Capability{a}.restricted(abi::all_rights));
    EXPECT_EQ(NEEDED(invoke(abi::Inspect{b})).rights.value, abi::NotificationRight::Signal | abi::NotificationRight::Wait);
    EXPECT_OK(invoke(abi::Signal{b, 4}));
    EXPECT_EQ(n.poll(), 4u);
    // Removing one leaves the others; destroying the object takes all.
    EXPECT_OK(invoke(abi::RemoveCapability{self, a}));
    EXPECT(gone(a));
    EXPECT_OK(invoke(abi::Signal{b, 4}));
    EXPECT_OK(n.destroy());
    EXPECT(gone(b));
    runtime::Capability{a}.forget();
    runtime::Capability{b}.forget();
}

SYSTEM_TEST(spaces_of_other_domains) {
    runtime::Domain domain = NEEDED(runtime::Domain::create(100, 64));
    Notification n = NEEDED(Notification::create());
    EXPECT_OK(n.copy_to(domain.selector(), 63));
    EXPECT_STATUS(n.copy_to(domain.selector(), 63), Status::SlotOccupied);
    EXPECT_STATUS(n.copy_to(domain.selector(), 64), Status::BadArgument);
    EXPECT_STATUS(n.copy_to(domain.selector(), 0), Status::BadArgument);
    EXPECT_OK(invoke(abi::RemoveCapability{domain.selector(), 63}));
    EXPECT_OK(invoke(abi::RemoveCapability{domain.selector(), 63}));
    EXPECT_OK(n.copy_to(domain.selector(), 63));
    EXPECT(!invoke(abi::RemoveCapability{domain.selector(), 64}).ok());
    const Selector no_grant = NEEDED(domain.restricted(abi::DomainRight::Create | abi::DomainRight::Map));
    EXPECT_STATUS(n.copy_to(no_grant, 5), Status::MissingRight);
    EXPECT_STATUS(invoke(abi::RemoveCapability{no_grant, 63}), Status::MissingRight);
    EXPECT_OK(domain.destroy());
    runtime::Capability{no_grant}.forget();
    EXPECT_OK(n.destroy());
}

SYSTEM_TEST(generations) {
    const Selector slot = NEEDED(runtime::allocate_slots(2));
    EXPECT_OK(invoke(abi::CreateNotification{self, slot}));
    EXPECT_OK(invoke(abi::Destroy{slot}));
    // However many objects come after it, in its place too, the old slot names none of them.
    for (int i = 0; i < 2000; ++i) {
        EXPECT_OK(invoke(abi::CreateNotification{self, slot + 1}));
        EXPECT(gone(slot));
        EXPECT_OK(invoke(abi::Destroy{slot + 1}));
        EXPECT_OK(invoke(abi::RemoveCapability{self, slot + 1}));
        if (has_failed()) break;
    }
    EXPECT_OK(invoke(abi::RemoveCapability{self, slot}));
    runtime::release_slots(slot, 2);
}

SYSTEM_TEST(derivation_trees) {
    Memory m = NEEDED(take_memory(16 * page_size_bytes));
    Memory parts[4];
    Memory leaves[4];
    for (unsigned i = 0; i < 4; ++i) {
        parts[i] = NEEDED(m.derive(i * 4 * page_size_bytes, 4 * page_size_bytes));
        leaves[i] = NEEDED(parts[i].derive(page_size_bytes, page_size_bytes));
    }
    const Selector dead_leaf = leaves[1].selector();
    EXPECT_OK(parts[1].destroy());
    EXPECT(gone(dead_leaf));
    EXPECT(!gone(leaves[0].selector()));
    EXPECT(!gone(leaves[2].selector()));
    give_memory_back(m);
    for (unsigned i = 0; i < 4; ++i) {
        if (i != 1) EXPECT(gone(parts[i].selector()));
        EXPECT(gone(leaves[i].selector()));
        parts[i].forget();
        leaves[i].forget();
    }
}

SYSTEM_TEST(a_deep_derivation_is_destroyed) {
    constexpr unsigned depth = 300;
    const Selector first = NEEDED(runtime::allocate_slots(depth + 1));
    Notification n = NEEDED(Notification::create());
    EXPECT_OK(n.copy_to(self, first));
    for (unsigned i = 0; i < depth; ++i) {
        EXPECT_OK(invoke(abi::DeriveNotification{first + i, self, first + i + 1, ~uint64_t{0}}));
    }
    EXPECT_OK(invoke(abi::Signal{first + depth, 1}));
    EXPECT_EQ(n.poll(), 1u);
    EXPECT_OK(n.destroy());
    for (unsigned i = 0; i <= depth; ++i) {
        EXPECT(gone(first + i));
        EXPECT_OK(invoke(abi::RemoveCapability{self, first + i}));
    }
    runtime::release_slots(first, depth + 1);
}

SYSTEM_TEST(a_domain_takes_all_it_owns_with_it) {
    const uint64_t before = NEEDED(runtime::Domain{self}.free_quota_pages());
    runtime::Domain domain = NEEDED(runtime::Domain::create(500, 64));
    const Selector owner = domain.selector();
    runtime::Domain inner = NEEDED(runtime::Domain::create(200, 64, 255, owner));
    runtime::Domain innermost = NEEDED(runtime::Domain::create(50, 64, 255, inner.selector()));
    Notification n = NEEDED(Notification::create(owner));
    Notification deep = NEEDED(Notification::create(innermost.selector()));
    Notification mine = NEEDED(Notification::create());
    Notification from_mine = NEEDED(mine.derive(1, owner));  // theirs, from mine
    Notification from_theirs = NEEDED(n.derive(1));          // mine, from theirs
    runtime::Ports ports = NEEDED(runtime::Ports{abi::WellKnownSlot::Ports}.derive(0x80, 1, owner));
    EXPECT_OK(domain.destroy());
    for (const Selector selector : {inner.selector(), innermost.selector(), n.selector(), deep.selector(),
                                    from_mine.selector(), from_theirs.selector(), ports.selector()}) {
        EXPECT(gone(selector));
        runtime::Capability{selector}.forget();
    }
    EXPECT(!gone(mine.selector()));
    EXPECT_OK(mine.destroy());
    const uint64_t after = NEEDED(runtime::Domain{self}.free_quota_pages());
    EXPECT(before - after <= 1);
}

namespace {
struct Counter {
    std::atomic<uint64_t> count;
    static void run(void* argument) {
        for (;;) ++static_cast<Counter*>(argument)->count;
    }
};
}  // namespace

SYSTEM_TEST(running_threads_die_with_their_domain) {
    for (uint32_t cpu = 0; cpu < root().cpu_count; ++cpu) {
        Child child = NEEDED(Child::create());
        // The shared page goes with the child's memory; what is counted must outlive it.
        MappedMemory page = NEEDED(take_mapped_memory(page_size_bytes));
        EXPECT_OK(page.memory.map(page.address, 0, page_size_bytes, runtime::read_write, child.domain.selector()));
        auto* counter = page.as<Counter>();
        NEEDED(child.start(Counter::run, counter, cpu == 0 ? low_priority : test_priority, cpu));
        EXPECT(eventually([&] { return counter->count.load() > 1000; }));
        child.destroy();
        const uint64_t count = counter->count;
        runtime::sleep_for(2 * ns_per_ms);
        EXPECT_EQ(counter->count.load(), count);
        page.destroy();
    }
}

SYSTEM_TEST(a_thread_destroys_itself) {
    struct Suicide {
        std::atomic<bool> started{false};
        std::atomic<bool> survived{false};
        Selector slot = 0;
        static void run(void* argument) {
            auto& self_ = *static_cast<Suicide*>(argument);
            while (self_.slot == 0) runtime::sleep_for(100 * ns_per_us);
            self_.started = true;
            static_cast<void>(invoke(abi::Destroy{self_.slot}));
            self_.survived = true;
        }
    };
    static Suicide suicide;
    runtime::Thread thread = NEEDED(start_thread(Suicide::run, &suicide, high_priority));
    suicide.slot = thread.selector();
    EXPECT(eventually([] { return suicide.started.load(); }));
    EXPECT(eventually([&] { return gone(thread.selector()); }));
    EXPECT(!suicide.survived);
    thread.destroy();
}

SYSTEM_TEST(a_domain_destroys_itself) {
    Child child = NEEDED(Child::create());
    struct Shared {
        std::atomic<bool> started;
        std::atomic<bool> survived;
        static void run(void* argument) {
            auto& shared = *static_cast<Shared*>(argument);
            shared.started = true;
            static_cast<void>(invoke(abi::Destroy{self}));
            shared.survived = true;
        }
    };
    auto& shared = child.shared<Shared>();
    NEEDED(child.start(Shared::run, &shared, test_priority));
    EXPECT(eventually([&] { return gone(child.domain.selector()); }));
    EXPECT(shared.started);
    EXPECT(!shared.survived);
    child.domain.forget();
    child.destroy();
}

SYSTEM_TEST(many_domains_come_and_go) {
    const uint64_t before = NEEDED(runtime::Domain{self}.free_quota_pages());
    for (int i = 0; i < 50; ++i) {
        Child child = NEEDED(Child::create());
        auto& counter = child.shared<Counter>();
        NEEDED(child.start(Counter::run, &counter, low_priority, static_cast<uint32_t>(i) % root().cpu_count));
        if (i % 5 == 0) EXPECT(eventually([&] { return counter.count.load() > 0; }));
        child.destroy();
        if (has_failed()) return;
    }
    const uint64_t after = NEEDED(runtime::Domain{self}.free_quota_pages());
    EXPECT(before <= after + 4);
}

SYSTEM_TEST(threads_die_while_they_wait_for_the_kernel) {
    // A child on another CPU makes and destroys all the time, so it often waits for the lock that its own destruction
    // holds.
    struct Maker {
        static void run(void* argument) {
            auto& started = *static_cast<std::atomic<bool>*>(argument);
            for (;;) {
                started = true;
                static_cast<void>(invoke(abi::CreateNotification{self, 200}));
                static_cast<void>(invoke(abi::Destroy{200}));
            }
        }
    };
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    for (int i = 0; i < 30; ++i) {
        Child child = NEEDED(Child::create());
        auto& started = child.shared<std::atomic<bool>>();
        NEEDED(child.start(Maker::run, &started, test_priority, root().cpu_count - 1));
        EXPECT(eventually([&] { return started.load(); }));
        child.destroy();
        if (has_failed()) return;
    }
}

SYSTEM_TEST(quotas_are_split_and_returned) {
    runtime::Domain parent = NEEDED(runtime::Domain::create(300, 64));
    const uint64_t full = NEEDED(parent.free_quota_pages());
    runtime::Domain child = NEEDED(runtime::Domain::create(100, 64, 255, parent.selector()));
    EXPECT(NEEDED(parent.free_quota_pages()) <= full - 100);
    EXPECT_STATUS(runtime::Domain::create(300, 64, 255, parent.selector()), Status::OutOfMemory);
    EXPECT_OK(child.destroy());
    EXPECT(full - NEEDED(parent.free_quota_pages()) <= 1);
    EXPECT_OK(parent.destroy());
}

SYSTEM_TEST(native_objects_have_no_place_in_guests) {
    if (runtime::system_information().virtualization == abi::Virtualization::None) SKIP("no virtualization");
    runtime::Domain guest = NEEDED(runtime::Domain::create_guest(100));
    const Selector slot = NEEDED(runtime::allocate_slots());
    EXPECT(!invoke(abi::CreateThread{guest.selector(), slot, 0, 0x400000, 0x500000, 0x600000, 0, 0, 0}).ok());
    EXPECT(!invoke(abi::CreateDomain{guest.selector(), slot, abi::DomainKind::Native, 255, 64, 30}).ok());
    EXPECT(!invoke(abi::CopyCapability{self, guest.selector(), 1, abi::all_rights}).ok());
    EXPECT(!invoke(abi::RemoveCapability{guest.selector(), 1}).ok());
    EXPECT(!invoke(abi::MapPorts{guest.selector(), abi::WellKnownSlot::Ports}).ok());
    EXPECT(!invoke(abi::CreateVcpu{self, slot, slot + 1, 0}).ok());
    EXPECT(gone(slot));
    EXPECT_OK(guest.destroy());
    runtime::release_slots(slot);
}

}  // namespace bulkhead::test
