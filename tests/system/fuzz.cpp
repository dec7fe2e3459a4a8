// SPDX-License-Identifier: Apache-2.0
// Random system calls with random arguments, made by threads of a domain that holds capabilities of all kinds. The
// kernel must stay up, the test's own domain must not notice, and all must come back when the domain is destroyed.
#include <atomic>

#include "base/address.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

/// xorshift64*.
class Random {
  public:
    explicit Random(uint64_t seed) : state_{seed * 0x9e37'79b9'7f4a'7c15u + 1} {}
    uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545'f491'4f6c'dd1du;
    }
    uint64_t below(uint64_t bound) { return next() % bound; }

  private:
    uint64_t state_;
};

constexpr Selector used_slots = 32;

/// A value of the kinds that arguments are made of.
uint64_t random_argument(Random& random) {
    switch (random.below(12)) {
        case 0:
            return random.next();
        case 1:
            return 0;
        case 2:
            return ~uint64_t{0} >> random.below(64);
        case 3:
            return uint64_t{1} << random.below(64);
        case 4:
            return random.below(1u << 20) * page_size_bytes;
        case 5:
            return 0x20'0000'0000 + random.below(64) * page_size_bytes;
        case 6:
            return abi::user_address_limit - random.below(3) * page_size_bytes;
        case 7:
            return random.below(0x1000);
        case 8:
            return runtime::now_ticks() + random.below(1u << 20);
        case 9:
            return random.below(used_slots) | random.below(used_slots) << 32;
        default:
            return random.below(used_slots);
    }
}

struct FuzzState {
    uint64_t seed;
    uint64_t iterations;
    std::atomic<uint64_t> made;
    std::atomic<bool> done;
};

void fuzz(void* argument) {
    auto& state = *static_cast<FuzzState*>(argument);
    Random random{state.seed};
    for (uint64_t i = 0; i < state.iterations; ++i) {
        abi::Registers registers;
        for (uint64_t& word : registers.words) word = random_argument(random);
        // The first selector is mostly one that is there.
        if (random.below(4) != 0)
            registers[abi::Register::Rdi] = random.below(used_slots) | random.below(used_slots) << 32;
        if (random.below(4) != 0)
            registers[abi::Register::Rsi] = random.below(2 * used_slots) | random.below(used_slots) << 32;
        uint64_t number = random.below(static_cast<uint64_t>(abi::CallNumber::Count) + 2);
        const auto is = [&](abi::CallNumber wanted) { return number == static_cast<uint64_t>(wanted); };
        // What would only end the fun is rare.
        if (is(abi::number_of<abi::Destroy>) && random.below(8) != 0) number = 2;
        if (is(abi::number_of<abi::RemoveCapability>) && random.below(8) != 0) number = 2;
        if (is(abi::number_of<abi::UnmapMemory>)) registers[abi::Register::Rsi] |= 0x20'0000'0000;
        if (is(abi::number_of<abi::Wait>))
            registers[abi::Register::R8] = random.below(2) * (runtime::now_ticks() + random.below(1 << 16));
        if (is(abi::CallNumber::Call) && random.below(2) != 0) {
            runtime::message_buffer().deadline = runtime::now_ticks() + random.below(1 << 18);
            number |= 0x100;
        }
        registers[abi::Register::Rax] = number | (random.below(3) == 0 ? random.next() & ~uint64_t{0xff} : 0);
        raw_call(registers);
        ++state.made;
    }
    state.done = true;
    for (;;) static_cast<void>(invoke(abi::Yield{}));
}

void answer(uint64_t /*badge*/, runtime::Request& request) { request.reply(request.label()); }

/// One domain with capabilities of all kinds in its first slots and a fuzzing thread on each of some CPUs.
void fuzz_domain(uint64_t seed, uint64_t iterations, unsigned threads) {
    ChildOptions options;
    options.quota_pages = 600;
    options.capability_slots = 128;
    Child child = NEEDED(Child::create(options));
    const Selector owner = child.domain.selector();
    Handler handler = NEEDED(Handler::create(runtime::message_handler<answer>));
    Memory source = NEEDED(take_memory(16 * page_size_bytes));
    Notification n = NEEDED(Notification::create());
    Selector slot = 4;
    const auto give = [&](Selector selector) {
        if (selector != abi::null_selector) static_cast<void>(child.give(selector, slot++));
    };
    const Selector log_only =
        NEEDED(runtime::Capability{abi::WellKnownSlot::Machine}.restricted(abi::MachineRight::Interrupts));
    EXPECT_OK(child.give(log_only, 2));
    Memory memory = NEEDED(source.derive(0, 8 * page_size_bytes, abi::all_rights, 0, owner));
    Notification theirs = NEEDED(Notification::create(owner));
    runtime::Domain inner = NEEDED(runtime::Domain::create(100, 64, 255, owner));
    runtime::Portal portal = NEEDED(child.create_portal(runtime::message_handler<answer>));
    const Selector outside = NEEDED(handler.portal.restricted(abi::PortalRight::Call | abi::Right::Derive));
    const Selector signal_only = NEEDED(n.restricted(abi::NotificationRight::Signal));
    runtime::Ports ports = NEEDED(runtime::Ports{abi::WellKnownSlot::Ports}.derive(0x80, 2, owner));
    for (const Selector selector : {memory.selector(), theirs.selector(), inner.selector(), portal.selector(), outside,
                                    signal_only, ports.selector()}) {
        give(selector);
    }
    if (runtime::system_information().virtualization != abi::Virtualization::None) {
        runtime::Domain guest = NEEDED(runtime::Domain::create_guest(150, 255, owner));
        auto vcpu = NEEDED(runtime::create_vcpu(guest.selector(), 0));
        auto interrupt = NEEDED(runtime::VirtualInterrupt::create(guest.selector(), vcpu.vcpu.selector(), 33));
        auto doorbell = NEEDED(runtime::Doorbell::create(guest.selector(), 0x100, 2));
        for (runtime::Capability capability :
             {runtime::Capability{guest.selector()}, runtime::Capability{vcpu.vcpu.selector()},
              runtime::Capability{vcpu.state.selector()}, runtime::Capability{interrupt.selector()},
              runtime::Capability{doorbell.selector()}}) {
            give(capability.selector());
            capability.forget();
        }
    }
    auto* states = &child.shared<FuzzState>();
    for (unsigned i = 0; i < threads; ++i) {
        states[i].seed = seed * 16 + i;
        states[i].iterations = iterations;
        const uint32_t cpu = i % root().cpu_count;
        const auto thread = NEEDED(child.start(fuzz, &states[i], low_priority, cpu));
        static_cast<void>(child.give(thread.selector(), slot++));
    }
    // It may block or fault for good: when nothing moves any more, that is the end.
    uint64_t last = 0;
    for (;;) {
        runtime::sleep_for(20 * ns_per_ms);
        uint64_t made = 0;
        bool done = true;
        for (unsigned i = 0; i < threads; ++i) {
            made += states[i].made;
            done = done && states[i].done;
        }
        if (done || made == last) break;
        last = made;
    }
    child.destroy();
    handler.destroy();
    EXPECT_OK(n.destroy());
    give_memory_back(source);
    for (const Selector selector : {outside, signal_only, log_only, memory.selector(), theirs.selector(),
                                    inner.selector(), portal.selector(), ports.selector()}) {
        runtime::Capability{selector}.forget();
    }
    EXPECT_OK(invoke(abi::Null{}));
}

}  // namespace

SYSTEM_TEST(random_calls) {
    for (uint64_t seed = 1; seed <= 40 && !has_failed(); ++seed) fuzz_domain(seed, 3000, 1);
}

SYSTEM_TEST(random_calls_on_all_cpus) {
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    for (uint64_t seed = 100; seed < 120 && !has_failed(); ++seed) fuzz_domain(seed, 2000, 2);
}

SYSTEM_TEST(fuzzing_leaks_nothing) {
    fuzz_domain(1000, 500, 1);
    const uint64_t before = NEEDED(runtime::Domain{self}.free_quota_pages());
    for (uint64_t seed = 1001; seed < 1010 && !has_failed(); ++seed) fuzz_domain(seed, 500, 1);
    const uint64_t after = NEEDED(runtime::Domain{self}.free_quota_pages());
    EXPECT(before <= after + 4);
}

/// Every call number with the same value in every register.
SYSTEM_TEST(garbage_sweep) {
    for (unsigned number = 2; number < 256; ++number) {
        if (number == static_cast<unsigned>(abi::number_of<abi::Halt>)) continue;
        for (const uint64_t value :
             {~uint64_t{0}, uint64_t{0x8000'0000'0000'0000}, uint64_t{0x0000'8000'0000'0000},
              uint64_t{0xffff'8000'0000'0000}, uint64_t{0xdead'beef'dead'beef}, uint64_t{0x7f} << 32}) {
            abi::Registers registers;
            for (uint64_t& word : registers.words) word = value;
            registers[abi::Register::Rax] = number | (value & ~uint64_t{0xff});
            raw_call(registers);
        }
    }
    EXPECT_OK(invoke(abi::Null{}));
}

}  // namespace bulkhead::test
