// SPDX-License-Identifier: Apache-2.0
// Memory objects: derivation and its exclusiveness, mappings of all sizes, sharing, and that after a destroy nothing
// reaches the memory any more, on no CPU.
#include <atomic>

#include "base/address.hpp"
#include "runtime/address_space.hpp"
#include "tests/system/framework/probe.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

using runtime::read_execute;
using runtime::read_only;
using runtime::read_write;

constexpr uint64_t page = page_size_bytes;
constexpr uint64_t large = 2 * 1024 * 1024;
constexpr uint64_t place = 0x20'0000'0000;  ///< addresses these tests map at

volatile uint64_t& word_at(uint64_t address) { return *reinterpret_cast<volatile uint64_t*>(address); }

}  // namespace

SYSTEM_TEST(derive_arguments) {
    Memory m = NEEDED(take_memory(8 * page));
    EXPECT_STATUS(m.derive(0, 0), Status::BadArgument);
    EXPECT_STATUS(m.derive(1, page), Status::BadArgument);
    EXPECT_STATUS(m.derive(0, page + 1), Status::BadArgument);
    EXPECT_STATUS(m.derive(8 * page, page), Status::BadArgument);
    EXPECT_STATUS(m.derive(7 * page, 2 * page), Status::BadArgument);
    EXPECT_STATUS(m.derive(0, 9 * page), Status::BadArgument);
    EXPECT_STATUS(m.derive(~uint64_t{0} - page + 1, page), Status::BadArgument);
    EXPECT_STATUS(m.derive(~uint64_t{0} - page + 1, 2 * page), Status::BadArgument);
    EXPECT_STATUS(m.derive(page, ~uint64_t{0} - page + 1), Status::BadArgument);
    Memory d = NEEDED(m.derive(7 * page, page));
    EXPECT_EQ(NEEDED(d.size_bytes()), page);
    give_memory_back(m);
    EXPECT_STATUS(d.inspect(), Status::BadCapability);
    d.forget();
}

SYSTEM_TEST(exclusive_parts_do_not_overlap) {
    Memory m = NEEDED(take_memory(8 * page));
    Memory a = NEEDED(m.derive(2 * page, 2 * page));
    EXPECT_STATUS(m.derive(2 * page, 2 * page), Status::Overlap);
    EXPECT_STATUS(m.derive(0, 3 * page), Status::Overlap);
    EXPECT_STATUS(m.derive(3 * page, page), Status::Overlap);
    EXPECT_STATUS(m.derive(0, 8 * page), Status::Overlap);
    Memory b = NEEDED(m.derive(0, 2 * page));
    Memory c = NEEDED(m.derive(4 * page, 4 * page));
    EXPECT_OK(a.destroy());
    a = NEEDED(m.derive(2 * page, 2 * page));
    give_memory_back(m);
    for (Memory* part : {&a, &b, &c}) {
        EXPECT_STATUS(part->inspect(), Status::BadCapability);
        part->forget();
    }
}

SYSTEM_TEST(windows_may_overlap_and_keep_the_content) {
    MappedMemory m = NEEDED(take_mapped_memory(4 * page));
    word_at(m.address + page) = 0x1234;
    Memory w = NEEDED(m.memory.share(page, 2 * page));
    Memory w2 = NEEDED(m.memory.share(page, page));
    EXPECT_OK(w.map(place, 0, 2 * page, read_write));
    EXPECT_OK(w2.map(place + 16 * page, 0, page, read_only));
    EXPECT_EQ(word_at(place), 0x1234u);
    word_at(place) = 0x5678;
    EXPECT_EQ(word_at(m.address + page), 0x5678u);
    EXPECT_EQ(word_at(place + 16 * page), 0x5678u);
    EXPECT_STATUS(m.memory.derive(page, page), Status::Overlap);
    EXPECT_OK(w.destroy());
    EXPECT_FAULT(probe_read(place), page_fault);
    EXPECT_EQ(word_at(place + 16 * page), 0x5678u);
    EXPECT_OK(w2.destroy());
    m.destroy();
}

SYSTEM_TEST(memory_is_cleared_before_it_is_derived_again) {
    Memory m = NEEDED(take_memory(2 * large));
    for (int round = 0; round < 2; ++round) {
        Memory d = NEEDED(m.derive(0, large));
        EXPECT_OK(d.map(place, 0, large, read_write));
        bool clear = true;
        for (uint64_t offset = 0; offset < large; offset += 8) clear = clear && word_at(place + offset) == 0;
        EXPECT(clear);
        for (uint64_t offset = 0; offset < large; offset += 8) word_at(place + offset) = offset + 1;
        EXPECT_OK(d.destroy());
    }
    give_memory_back(m);
}

SYSTEM_TEST(rights_are_not_enlarged) {
    Memory m = NEEDED(take_memory(4 * page));
    Memory r = NEEDED(m.derive(0, page, read_only));
    EXPECT_STATUS(r.map(place, 0, page, read_write), Status::MissingRight);
    EXPECT_STATUS(r.map(place, 0, page, read_execute), Status::MissingRight);
    EXPECT_OK(r.map(place, 0, page, read_only));
    EXPECT(!probe_read(place).faulted);
    const Outcome write = probe_write(place);
    EXPECT_FAULT(write, page_fault);
    EXPECT_EQ(write.address, place);
    EXPECT_EQ(write.error_code & 7, 7u);  // present, write, user
    EXPECT_FAULT(probe_execute(place), page_fault);
    Memory rr = NEEDED(r.share(0, page));
    EXPECT_STATUS(rr.map(place + page, 0, page, read_write), Status::MissingRight);
    give_memory_back(m);
    r.forget();
    rr.forget();
}

SYSTEM_TEST(map_arguments) {
    Memory m = NEEDED(take_memory(4 * page));
    EXPECT_STATUS(m.map(place, 0, 0, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(place, 0, page + 1, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(place, 1, page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(place + 1, 0, page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(place, 4 * page, page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(place, 0, 5 * page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(0, 0, page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(abi::user_address_limit, 0, page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(abi::user_address_limit - page, 0, 2 * page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(0xffff'8000'0000'0000, 0, page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(0x0000'8000'0000'0000, 0, page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(~uint64_t{0} - page + 1, 0, page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(~uint64_t{0} - page + 1, 0, 2 * page, read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(place, 0, page, 0), Status::BadArgument);
    EXPECT_STATUS(m.map(place, 0, page, abi::MemoryRight::DeviceDma | read_only), Status::BadArgument);
    EXPECT_STATUS(m.map(place, 0, page, read_only, self, static_cast<abi::MemoryType>(3)), Status::BadArgument);
    EXPECT_STATUS(m.map(abi::stub_page_address, 0, page, read_only), Status::Overlap);
    EXPECT_STATUS(m.map(abi::program_base_address, 0, page, read_only), Status::Overlap);
    EXPECT_OK(m.map(abi::user_address_limit - page, 0, page, read_write));
    word_at(abi::user_address_limit - page) = 1;
    EXPECT_OK(runtime::unmap(abi::user_address_limit - page));
    EXPECT_OK(m.map(place, 0, 2 * page, read_only));
    EXPECT_STATUS(m.map(place, 0, page, read_only), Status::Overlap);
    EXPECT_STATUS(m.map(place + page, 0, page, read_only), Status::Overlap);
    EXPECT_STATUS(m.map(place - page, 0, 2 * page, read_only), Status::Overlap);
    EXPECT_STATUS(runtime::unmap(place + page), Status::NotMapped);
    EXPECT_STATUS(runtime::unmap(place + 1), Status::NotMapped);
    EXPECT_OK(runtime::unmap(place));
    EXPECT_STATUS(runtime::unmap(place), Status::NotMapped);
    EXPECT(!runtime::unmap(abi::stub_page_address).ok());
    EXPECT(!runtime::unmap(abi::root_message_buffer_address).ok());
    EXPECT(!runtime::unmap(0xffff'8000'0000'0000).ok());
    EXPECT_OK(invoke(abi::Null{}));
    give_memory_back(m);
}

SYSTEM_TEST(mapped_unmapped_and_probed) {
    MappedMemory m = NEEDED(take_mapped_memory(page));
    EXPECT(!probe_read(m.address).faulted);
    EXPECT(!probe_write(m.address, 7).faulted);
    EXPECT_EQ(probe_read(m.address).value, 7u);
    EXPECT_OK(runtime::unmap(m.address));
    const Outcome read = probe_read(m.address);
    EXPECT_FAULT(read, page_fault);
    EXPECT_EQ(read.address, m.address);
    EXPECT_EQ(read.error_code & 7, 4u);  // not present, read, user
    m.destroy();
}

SYSTEM_TEST(programs_are_write_xor_execute) {
    // Code, constants and data of this program itself.
    static uint64_t data = 1;
    static const uint64_t constant = 1;
    EXPECT_FAULT(probe_write(reinterpret_cast<uint64_t>(&test_programs_are_write_xor_execute)), page_fault);
    EXPECT_FAULT(probe_write(reinterpret_cast<uint64_t>(&constant)), page_fault);
    EXPECT_FAULT(probe_execute(reinterpret_cast<uint64_t>(&data)), page_fault);
    EXPECT_FAULT(probe_execute(reinterpret_cast<uint64_t>(&constant)), page_fault);
    EXPECT_FAULT(probe_execute(protocol::Place::stack_top - 64), page_fault);
    EXPECT_FAULT(probe_write(abi::stub_page_address), page_fault);
    EXPECT_FAULT(probe_write(abi::root_information_address), page_fault);
    EXPECT_FAULT(probe_execute(abi::root_information_address), page_fault);
    EXPECT_FAULT(probe_read(0), page_fault);
    EXPECT_FAULT(probe_read(0xffff'8000'0000'0000), page_fault);
    EXPECT_FAULT(probe_read(0xffff'ffff'8010'0000), page_fault);
    EXPECT_FAULT(probe_write(0xffff'ffff'8010'0000), page_fault);
    EXPECT_FAULT(probe_execute(0xffff'ffff'8010'0000), page_fault);
    EXPECT_FAULT(probe_read(0x8000'0000'0000), general_protection);
    EXPECT_FAULT(probe_execute(0x8000'0000'0000), general_protection);
}

SYSTEM_TEST(large_mappings) {
    Memory m = NEEDED(take_memory(3 * large));
    const uint64_t before = NEEDED(runtime::Domain{self}.free_quota_pages());
    EXPECT_OK(m.map(place, 0, 3 * large, read_write));
    // Aligned alike, so that large pages can map it: at most a few tables.
    EXPECT(before - NEEDED(runtime::Domain{self}.free_quota_pages()) <= 4);
    for (uint64_t offset = 0; offset < 3 * large; offset += page) word_at(place + offset) = offset;
    EXPECT_OK(runtime::unmap(place));
    // The same, so placed that only small pages can.
    EXPECT_OK(m.map(place + page, 0, 3 * large, read_write));
    bool same = true;
    for (uint64_t offset = 0; offset < 3 * large; offset += page)
        same = same && word_at(place + page + offset) == offset;
    EXPECT(same);
    // A window in the midst of a large page.
    Memory window = NEEDED(m.share(large + 5 * page, page));
    EXPECT_OK(window.map(place + 8 * large, 0, page, read_only));
    EXPECT_EQ(word_at(place + 8 * large), large + 5 * page);
    EXPECT_OK(runtime::unmap(place + page));
    EXPECT_FAULT(probe_read(place + page), page_fault);
    EXPECT_FAULT(probe_read(place + large), page_fault);
    EXPECT_EQ(word_at(place + 8 * large), large + 5 * page);
    give_memory_back(m);
    EXPECT_FAULT(probe_read(place + 8 * large), page_fault);
    window.forget();
    const uint64_t after = NEEDED(runtime::Domain{self}.free_quota_pages());
    EXPECT(after + 8 >= before);
}

SYSTEM_TEST(many_mappings_and_back) {
    constexpr unsigned count = 300;
    Memory m = NEEDED(take_memory(page));
    for (int round = 0; round < 2; ++round) {
        for (unsigned i = 0; i < count; ++i) EXPECT_OK(m.map(place + i * 3 * page, 0, page, read_write));
        word_at(place) = 77u + static_cast<unsigned>(round);
        for (unsigned i = 0; i < count; ++i)
            EXPECT_EQ(word_at(place + i * 3 * page), 77u + static_cast<unsigned>(round));
        if (round == 0) {
            for (unsigned i = 0; i < count; ++i) EXPECT_OK(runtime::unmap(place + i * 3 * page));
        }
    }
    give_memory_back(m);
    for (unsigned i = 0; i < count; i += 50) EXPECT_FAULT(probe_read(place + i * 3 * page), page_fault);
}

SYSTEM_TEST(page_tables_are_paid_by_the_space) {
    runtime::Domain poor = NEEDED(runtime::Domain::create(20, 64));
    Memory m = NEEDED(take_memory(page));
    const uint64_t mine = NEEDED(runtime::Domain{self}.free_quota_pages());
    Status status = Status::Ok;
    unsigned made = 0;
    for (; made < 100 && status == Status::Ok; ++made) {
        status = status_of(m.map(0x10'0000'0000 + made * (uint64_t{1} << 31), 0, page, read_only, poor.selector()));
    }
    EXPECT_EQ(status, Status::OutOfMemory);
    EXPECT(made > 1);
    EXPECT_EQ(NEEDED(runtime::Domain{self}.free_quota_pages()), mine);
    EXPECT_OK(runtime::unmap(0x10'0000'0000, poor.selector()));
    give_memory_back(m);
    EXPECT_OK(poor.destroy());
}

SYSTEM_TEST(destroy_unmaps_in_all_domains) {
    Child child = NEEDED(Child::create());
    MappedMemory m = NEEDED(take_mapped_memory(page));
    Memory window = NEEDED(m.memory.share(0, page));
    struct Shared {
        std::atomic<uint64_t> reads;
        std::atomic<bool> stop;
        static void run(void* argument) {
            auto& shared = *static_cast<Shared*>(argument);
            while (!shared.stop) {
                static_cast<void>(*reinterpret_cast<volatile uint64_t*>(place));
                ++shared.reads;
            }
        }
    };
    auto& shared = child.shared<Shared>();
    EXPECT_OK(window.map(place, 0, page, read_only, child.domain.selector()));
    EXPECT_OK(window.map(place, 0, page, read_only));
    NEEDED(child.start(Shared::run, &shared, test_priority, root().cpu_count - 1));
    EXPECT(eventually([&] { return shared.reads.load() > 100; }));
    EXPECT_OK(window.destroy());
    EXPECT_FAULT(probe_read(place), page_fault);
    // The child has faulted, or does so before it can count on.
    runtime::sleep_for(ns_per_ms);
    const uint64_t reads = shared.reads;
    runtime::sleep_for(5 * ns_per_ms);
    EXPECT_EQ(shared.reads.load(), reads);
    shared.stop = true;
    m.destroy();
    child.destroy();
}

SYSTEM_TEST(only_who_may_write_can_have_it_cleared) {
    Memory m = NEEDED(take_memory(2 * page));
    EXPECT_OK(m.map(place, 0, page, read_write));
    word_at(place) = 7;
    // Not through a window on it, and not without the right to write.
    Memory window = NEEDED(m.derive(0, 2 * page, abi::all_rights, true));
    EXPECT_STATUS(window.derive(0, page), Status::BadArgument);
    const Selector readable = NEEDED(m.restricted(abi::Right::Derive | abi::MemoryRight::Read));
    EXPECT_STATUS(Memory{readable}.derive(page, page), Status::MissingRight);
    EXPECT_EQ(word_at(place), 7u);
    give_memory_back(m);
    window.forget();
    runtime::Capability{readable}.forget();
}

SYSTEM_TEST(owned_by_another_domain) {
    runtime::Domain owner = NEEDED(runtime::Domain::create(100, 64));
    Memory m = NEEDED(take_memory(4 * page));
    Memory part = NEEDED(m.derive(0, page, abi::all_rights, 0, owner.selector()));
    EXPECT_OK(part.map(place, 0, page, read_write));
    word_at(place) = 5;
    EXPECT_OK(owner.destroy());
    EXPECT_STATUS(part.inspect(), Status::BadCapability);
    EXPECT_FAULT(probe_read(place), page_fault);
    // Its range is free again, and clear.
    part.forget();
    part = NEEDED(m.derive(0, page));
    EXPECT_OK(part.map(place, 0, page, read_write));
    EXPECT_EQ(word_at(place), 0u);
    give_memory_back(m);
    part.forget();
}

namespace {
/// Writes to a page over and over, on another CPU, until it faults there.
struct Writer {
    std::atomic<uint64_t> writes{0};
    static void run(void* argument) {
        auto& writer = *static_cast<Writer*>(argument);
        for (;;) {
            word_at(place) = writer.writes;
            ++writer.writes;
        }
    }
};
}  // namespace

SYSTEM_TEST(other_cpus_lose_what_is_unmapped) {
    if (root().cpu_count < 2) SKIP("needs two CPUs");
    for (int round = 0; round < 10; ++round) {
        MappedMemory m = NEEDED(take_mapped_memory(page));
        EXPECT_OK(m.memory.map(place, 0, page, read_write));
        Writer writer;
        runtime::Thread thread = NEEDED(start_thread(Writer::run, &writer, test_priority, root().cpu_count - 1));
        EXPECT(eventually([&] { return writer.writes.load() > 50; }));
        EXPECT_OK(runtime::unmap(place));
        // From here on no write may arrive in the page.
        const uint64_t value = word_at(m.address);
        for (int i = 0; i < 1000; ++i) asm volatile("pause");
        EXPECT_EQ(word_at(m.address), value);
        thread.destroy();
        m.destroy();
    }
}

SYSTEM_TEST(kernel_memory_of_message_buffers_is_not_reachable_after_the_thread) {
    runtime::ThreadOptions options;
    runtime::Thread thread = NEEDED(runtime::Thread::create(
        options, [](void*) {}, nullptr));
    const uint64_t buffer = reinterpret_cast<uint64_t>(thread.block().message_buffer);
    EXPECT(!probe_write(buffer, 1).faulted);
    EXPECT_FAULT(probe_execute(buffer), page_fault);
    thread.destroy();
    // Taken before the probe's own threads can have the addresses.
    constexpr uint64_t taken_bytes = 2 * runtime::stack_slot_bytes;
    const uint64_t taken = NEEDED(runtime::allocate_addresses(taken_bytes, runtime::stack_slot_bytes));
    EXPECT_EQ(taken, buffer);
    EXPECT_FAULT(probe_read(buffer), page_fault);
    runtime::release_addresses(taken, taken_bytes);
}

}  // namespace bulkhead::test
