// SPDX-License-Identifier: Apache-2.0
// Long calls (mapping, unmapping, clearing, destroying) and a more urgent thread that wants to run, or to change the
// same things, in the middle of them. Runs where the time-stamp counter counts instructions, so the bound is exact.
#include <atomic>

#include "base/address.hpp"
#include "runtime/log.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

using runtime::read_write;
using runtime::Thread;

constexpr uint64_t page = page_size_bytes;
constexpr uint64_t size = 8 * 1024 * 1024;
/// Where no page but a small one fits, so that each page is an entry of its own.
constexpr uint64_t place = 0x20'0000'0000 + page;
/// A step is at most 256 table entries or 64 KiB of clearing.
constexpr uint64_t longest_delay = 25'000;

/// An urgent thread that wakes again and again, does something, and measures how late it came.
class Urgent {
  public:
    using Action = void (*)(void* argument);

    abi::Result<void> start(Action action = nullptr, void* argument = nullptr, uint32_t cpu = 0) {
        action_ = action;
        argument_ = argument;
        clock_ = TRY(Notification::create());
        thread_ = TRY(start_thread(run, this, high_priority, cpu));
        return {};
    }
    /// How often it came since the last call of this.
    unsigned wakes() { return wakes_.exchange(0); }
    uint64_t worst() const { return worst_; }
    void stop() {
        stop_ = true;
        EXPECT(eventually([&] { return stopped_.load(); }));
        thread_.destroy();
        static_cast<void>(clock_.destroy());
    }
    /// Checks and prints the delays seen so far.
    void check(const char* what) {
        const unsigned wakes = wakes_;
        const uint64_t worst = worst_;
        char line[120];
        runtime::write_kernel_log(runtime::format_into(line, "figure {}: woken {} times, at most {} instructions late (limit {})\n",
                                                       what, wakes, worst, longest_delay));
        EXPECT(wakes >= 3);
        EXPECT(worst <= longest_delay);
        restart();  // writing the log was no short call
    }
    /// Forgets what it measured.
    void restart() { worst_ = wakes_ = 0; }

  private:
    static void run(void* argument) {
        auto& self = *static_cast<Urgent*>(argument);
        while (!self.stop_) {
            const uint64_t deadline = runtime::now_ticks() + interval;
            static_cast<void>(self.clock_.wait(1, deadline));
            const uint64_t late = runtime::now_ticks() - deadline;
            if (late > self.worst_) self.worst_ = late;
            ++self.wakes_;
            if (self.action_ != nullptr) self.action_(self.argument_);
        }
        self.stopped_ = true;
        runtime::stop_this_thread();
    }

    static constexpr uint64_t interval = 15'000;
    Notification clock_;
    Thread thread_;
    Action action_ = nullptr;
    void* argument_ = nullptr;
    std::atomic<bool> stop_{false};
    std::atomic<bool> stopped_{false};
    std::atomic<uint64_t> worst_{0};
    std::atomic<unsigned> wakes_{0};
};

uint64_t free_pages(Selector domain) {
    const auto inspected = invoke(abi::Inspect{domain});
    return inspected.ok() ? inspected.value().first.value : 0;
}

/// A thread less urgent than the test that makes one call.
template <typename Call>
struct Caller {
    Call call;
    std::atomic<bool> done{false};
    std::atomic<bool> begun{false};
    Status status = Status::Ok;

    static void run(void* argument) {
        auto& caller = *static_cast<Caller*>(argument);
        caller.begun = true;
        caller.status = status_of(invoke(caller.call));
        caller.done = true;
        runtime::stop_this_thread();
    }
    abi::Result<Thread> start(uint32_t cpu = 0) { return start_thread(run, this, low_priority, cpu); }
    /// Lets it run a little, into its call. On another CPU it may be before it still, or through already.
    void let_begin(uint32_t cpu) {
        const uint64_t deadline = soon();
        while (!begun && runtime::now_ticks() < deadline) {
            if (cpu == 0) runtime::sleep_until(runtime::now_ticks() + 20'000);
        }
        if (cpu == 0) EXPECT(begun && !done);
    }
};

void make_and_destroy_a_notification(void*) {
    Notification notification = NEEDED(Notification::create());
    EXPECT_OK(notification.signal(5));
    EXPECT_EQ(notification.poll(), 5u);
    EXPECT_OK(notification.destroy());
}

}  // namespace

SYSTEM_TEST(long_calls_are_preempted) {
    Memory source = NEEDED(take_memory(size));
    Urgent urgent;
    EXPECT_OK(urgent.start());
    urgent.restart();
    Memory memory = NEEDED(source.derive(0, size));
    urgent.check("clearing");
    EXPECT_OK(memory.map(place, 0, size, read_write));
    urgent.check("mapping");
    EXPECT_OK(runtime::unmap(place));
    urgent.check("unmapping");
    EXPECT_OK(memory.map(place, 0, size, read_write));
    urgent.restart();
    EXPECT_OK(memory.destroy());
    urgent.check("destroying a mapped object");
    urgent.stop();
    give_memory_back(source);
}

SYSTEM_TEST(destroying_a_domain_is_preempted) {
    Memory memory = NEEDED(take_memory(size));
    const Selector slot = NEEDED(runtime::allocate_slots());
    for (const bool helps : {false, true}) {
        runtime::Domain domain = NEEDED(runtime::Domain::create(500, 64));
        const uint64_t before = free_pages(self);
        for (unsigned i = 0; i < 4; ++i)
            EXPECT_OK(memory.map(place + i * 2 * size, 0, size, read_write, domain.selector()));
        for (unsigned i = 0; i < 1500; ++i) {
            EXPECT_OK(invoke(abi::CreateNotification{domain.selector(), slot}));
            EXPECT_OK(invoke(abi::RemoveCapability{self, slot}));
        }
        Urgent urgent;
        EXPECT_OK(urgent.start(helps ? make_and_destroy_a_notification : nullptr));
        urgent.restart();
        EXPECT_OK(domain.destroy());
        if (helps) {
            EXPECT(urgent.wakes() >= 1);
        } else {
            urgent.check("destroying a domain");
        }
        urgent.stop();
        EXPECT(free_pages(self) > before);
    }
    runtime::release_slots(slot);
    give_memory_back(memory);
}

SYSTEM_TEST(waiting_for_the_lock_is_preempted) {
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    // A thread that wants the lock all the time, and an urgent one beside it.
    struct Wanting {
        std::atomic<bool> stop{false};
        std::atomic<unsigned> rounds{0};
        static void run(void* argument) {
            auto& wanting = *static_cast<Wanting*>(argument);
            for (; !wanting.stop; ++wanting.rounds) make_and_destroy_a_notification(nullptr);
            runtime::stop_this_thread();
        }
    };
    Wanting wanting;
    Memory source = NEEDED(take_memory(size));
    Thread thread = NEEDED(start_thread(Wanting::run, &wanting, low_priority, 1));
    Urgent urgent;
    EXPECT_OK(urgent.start(nullptr, nullptr, 1));
    EXPECT(eventually([&] { return wanting.rounds > 0; }));
    for (unsigned i = 0; i < 2; ++i) {
        urgent.restart();
        const uint64_t start = runtime::now_ticks();
        Memory memory = NEEDED(source.derive(0, size));
        const uint64_t took = runtime::now_ticks() - start;
        const uint64_t worst = urgent.worst();
        // QEMU, which has AMD-V, gives its CPUs turns that are longer than the call: there is nothing to see there.
        const bool cpus_run_together =
            runtime::system_information().virtualization != abi::Virtualization::Svm;
        EXPECT(!cpus_run_together || (urgent.wakes() >= 4 && worst < took / 4));
        EXPECT_OK(memory.destroy());
    }
    wanting.stop = true;
    urgent.stop();
    const unsigned rounds = wanting.rounds;
    runtime::sleep_for(ns_per_ms);
    EXPECT(wanting.rounds <= rounds + 1);
    thread.destroy();
    give_memory_back(source);
}

SYSTEM_TEST(others_change_things_meanwhile) {
    Memory source = NEEDED(take_memory(size));
    Urgent urgent;
    EXPECT_OK(urgent.start(make_and_destroy_a_notification));
    Memory memory = NEEDED(source.derive(0, size));
    EXPECT_OK(memory.map(place, 0, size, read_write));
    bool right = true;
    for (uint64_t offset = 0; offset < size; offset += page) {
        auto& word = *reinterpret_cast<volatile uint64_t*>(place + offset);
        right = right && word == 0;
        word = offset;
    }
    EXPECT(right);
    EXPECT_OK(runtime::unmap(place));
    EXPECT_STATUS(runtime::unmap(place), Status::NotMapped);
    EXPECT_OK(memory.map(place, 0, size, read_write));
    for (uint64_t offset = 0; offset < size; offset += page)
        right = right && *reinterpret_cast<volatile uint64_t*>(place + offset) == offset;
    EXPECT(right);
    EXPECT_OK(memory.destroy());
    EXPECT(urgent.wakes() >= 4);
    urgent.stop();
    give_memory_back(source);
}

SYSTEM_TEST(the_end_of_a_quota_leaves_nothing_behind) {
    Memory memory = NEEDED(take_memory(size));
    runtime::Domain domain = NEEDED(runtime::Domain::create(11, 64));
    // The first mapping makes a page for records, which stays.
    EXPECT_OK(memory.map(place, 0, page, read_write, domain.selector()));
    EXPECT_OK(runtime::unmap(place, domain.selector()));
    const uint64_t before = free_pages(domain.selector());
    Urgent urgent;
    EXPECT_OK(urgent.start());
    EXPECT_STATUS(memory.map(place, 0, size, read_write, domain.selector()), Status::OutOfMemory);
    urgent.check("mapping beyond the quota");
    EXPECT_EQ(free_pages(domain.selector()), before);
    EXPECT_STATUS(runtime::unmap(place, domain.selector()), Status::NotMapped);
    EXPECT_OK(memory.map(place + size - page, 0, page, read_write, domain.selector()));
    urgent.stop();
    EXPECT_OK(domain.destroy());
    give_memory_back(memory);
}

SYSTEM_TEST(a_thread_destroyed_in_a_long_call) {
    Memory memory = NEEDED(take_memory(size));
    for (uint32_t cpu = 0; cpu < root().cpu_count; ++cpu) {
        Caller<abi::MapMemory> caller{.call = {self, memory.selector(), 0, size, place, read_write, {}}};
        Thread thread = NEEDED(caller.start(cpu));
        caller.let_begin(cpu);
        thread.destroy();
        // The call has come to its end without it.
        if (cpu == 0) *reinterpret_cast<volatile uint64_t*>(place + size - page) = 1;
        const Status status = status_of(runtime::unmap(place));
        EXPECT(status == Status::Ok || (status == Status::NotMapped && cpu != 0));
    }
    give_memory_back(memory);
}

SYSTEM_TEST(what_a_long_call_is_about_is_destroyed) {
    for (uint32_t cpu = 0; cpu < root().cpu_count; ++cpu) {
        Memory source = NEEDED(take_memory(size));
        Memory memory = NEEDED(source.derive(0, size));
        runtime::Domain domain = NEEDED(runtime::Domain::create(400, 64));
        Caller<abi::MapMemory> mapper{.call = {domain.selector(), memory.selector(), 0, size, place, read_write, {}}};
        Thread thread = NEEDED(mapper.start(cpu));
        mapper.let_begin(cpu);
        EXPECT_OK(invoke(abi::Destroy{memory.selector()}));
        EXPECT(eventually([&] { return mapper.done.load(); }));
        EXPECT(mapper.status == Status::Ok || (mapper.status == Status::BadCapability && cpu != 0));
        EXPECT_STATUS(runtime::unmap(place, domain.selector()), Status::NotMapped);
        thread.destroy();

        // Two destroy the same, one of them from the top.
        Caller<abi::Destroy> destroyer{.call = {domain.selector()}};
        memory.forget();
        memory = NEEDED(source.derive(0, size));
        EXPECT_OK(memory.map(place, 0, size, read_write, domain.selector()));
        thread = NEEDED(destroyer.start(cpu));
        destroyer.let_begin(cpu);
        const Status second = status_of(invoke(abi::Destroy{domain.selector()}));
        EXPECT_OK(memory.destroy());
        EXPECT(eventually([&] { return destroyer.done.load(); }));
        EXPECT_EQ(cpu == 0 ? destroyer.status : Status::Ok, Status::Ok);
        EXPECT((second == Status::Ok) != (destroyer.status == Status::Ok));
        domain.forget();
        thread.destroy();
        give_memory_back(source);
    }
}

SYSTEM_TEST(many_destroy_and_map_at_once) {
    struct Worker {
        Memory memory;
        uint64_t place = 0;
        std::atomic<unsigned> rounds{0};
        std::atomic<bool> done{false};
        static void run(void* argument) {
            auto& worker = *static_cast<Worker*>(argument);
            for (; worker.rounds < 6; ++worker.rounds) {
                runtime::Domain domain = NEEDED(runtime::Domain::create(100, 64));
                Memory part = NEEDED(worker.memory.derive(0, size / 8));
                EXPECT_OK(part.map(worker.place, 0, size / 8, read_write, domain.selector()));
                EXPECT_OK(domain.destroy());
                EXPECT_OK(part.destroy());
            }
            worker.done = true;
            runtime::stop_this_thread();
        }
    };
    constexpr unsigned count = 4;
    Worker workers[count];
    Thread threads[count];
    const uint64_t before = free_pages(self);
    for (unsigned i = 0; i < count; ++i) {
        workers[i].memory = NEEDED(take_memory(size / 8));
        workers[i].place = place + i * size;
        threads[i] = NEEDED(start_thread(Worker::run, &workers[i], static_cast<uint8_t>(test_priority - 1 - i / 2),
                                         i % root().cpu_count));
    }
    for (unsigned i = 0; i < count; ++i) {
        EXPECT(eventually([&] { return workers[i].done.load(); }));
        threads[i].destroy();
        give_memory_back(workers[i].memory);
    }
    EXPECT(free_pages(self) + 8 >= before);  // records of objects keep their pages
}

namespace {
/// Runs in a child: destroys the domain it is in.
void destroy_own_domain(void*) { static_cast<void>(invoke(abi::Destroy{self})); }
}  // namespace

SYSTEM_TEST(a_domain_destroys_itself) {
    Memory memory = NEEDED(take_memory(size));
    Urgent urgent;
    EXPECT_OK(urgent.start());
    const uint64_t before = free_pages(self);
    Child child = NEEDED(Child::create());
    EXPECT_OK(memory.map(0x30'0000'0000 + page, 0, size, read_write, child.domain.selector()));
    urgent.restart();
    NEEDED(child.start(destroy_own_domain, nullptr, low_priority));
    EXPECT(eventually([&] { return child.domain.inspect().error() == Status::BadCapability; }));
    urgent.check("destroying oneself");
    urgent.stop();
    child.destroy();
    EXPECT(free_pages(self) + 16 >= before);
    give_memory_back(memory);
}

namespace {
std::atomic<unsigned> destructions;

/// Destroys what word 0 says.
void destroy_something(uint64_t /*badge*/, runtime::Request& request) {
    if (request.words[0] != 0 && invoke(abi::Destroy{static_cast<Selector>(request.words[0])}).ok()) ++destructions;
    request.words[0] = destructions;
    request.reply(0);
}

void call_slot_five(void* argument) {
    static_cast<void>(call(5, 0, reinterpret_cast<uint64_t>(argument)));
}
}  // namespace

SYSTEM_TEST(a_handler_destroys_its_caller) {
    Memory memory = NEEDED(take_memory(size));
    destructions = 0;
    Handler handler = NEEDED(Handler::create(runtime::message_handler<destroy_something>));
    Child child = NEEDED(Child::create());
    EXPECT_OK(memory.map(0x30'0000'0000 + page, 0, size, read_write, child.domain.selector()));
    EXPECT_OK(child.give(handler.portal.selector(), 5));
    NEEDED(child.start(call_slot_five, reinterpret_cast<void*>(uint64_t{child.domain.selector()}), low_priority));
    EXPECT(eventually([&] { return child.domain.inspect().error() == Status::BadCapability; }));
    // The handler is an orphan now; this helps it to its end.
    EXPECT_EQ(call(handler.portal.selector(), 0, 0).words[0], 1u);
    child.destroy();
    handler.destroy();
    give_memory_back(memory);
}

}  // namespace bulkhead::test
