// SPDX-License-Identifier: Apache-2.0
// Memory objects: mapping into a domain and into a guest, unmapping, deriving, and destroying what was derived from.
// The memory is a window on the machine's largest, most of which nothing uses; nothing here touches its content but
// the exclusive derivations, which the kernel clears.
#include "base/address.hpp"
#include "bench/micro/benchmark.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::bench {
namespace {

using runtime::Memory;
using runtime::read_write;
using runtime::self;

constexpr uint64_t kibibyte = 1024;
constexpr uint64_t mebibyte = 1024 * kibibyte;
constexpr uint64_t gibibyte = 1024 * mebibyte;
constexpr uint64_t sizes[] = {4 * kibibyte, 64 * kibibyte, 2 * mebibyte, 64 * mebibyte, gibibyte};
constexpr uint64_t exclusive_sizes[] = {4 * kibibyte, 64 * kibibyte, 2 * mebibyte, 16 * mebibyte};
constexpr uint64_t derivations[] = {1, 10, 100, 1000};
constexpr uint64_t host_place = 0x30'0000'0000;
constexpr uint64_t guest_place = 0x1'0000'0000;

/// A window of `size` bytes, aligned to it in physical memory so that the largest pages serve, and as high as possible:
/// what is taken for use is taken from below, and a window may not overlap that.
abi::Result<Memory> take_window(uint64_t size) {
    const runtime::Environment& environment = runtime::environment();
    for (const abi::RootMemory& memory : test::root().memories) {
        if (memory.selector != environment.heap_source) continue;
        const uint64_t end = align_down(memory.physical_address + environment.heap_source_offset, size);
        if (end < memory.physical_address + size) return abi::Status::OutOfMemory;
        return Memory{memory.selector}.share(end - size - memory.physical_address, size);
    }
    return abi::Status::OutOfMemory;
}

enum class Timed { Map, Unmap };

/// Maps and unmaps each iteration; times one of the two.
template <Timed timed>
void map_and_unmap(Run& run, abi::Selector domain, uint64_t place) {
    const uint64_t size = run.argument();
    auto window = take_window(size);
    if (!window.ok()) return run.skip("the machine has no memory of that size in one piece");
    const Memory memory = window.value();
    for (uint64_t i = 0; i < run.iterations() && !run.failed(); ++i) {
        const auto map = [&] { return memory.map(place, 0, size, read_write, domain); };
        const auto mapped = timed == Timed::Map ? run.timed(map) : map();
        if (!mapped.ok()) return run.fail("map", mapped.error());
        const auto unmap = [&] { return runtime::unmap(place, domain); };
        const auto unmapped = timed == Timed::Unmap ? run.timed(unmap) : unmap();
        if (!unmapped.ok()) return run.fail("unmap", unmapped.error());
    }
    static_cast<void>(window.value().destroy());
}

template <Timed timed>
void in_host_space(Run& run) {
    map_and_unmap<timed>(run, self, host_place);
}

template <Timed timed>
void in_guest_space(Run& run) {
    if (runtime::system_information().virtualization == abi::Virtualization::None) {
        return run.skip("no virtualization on this processor");
    }
    runtime::Domain guest = BENCH_NEEDED(runtime::Domain::create_guest(600));
    map_and_unmap<timed>(run, guest.selector(), guest_place);
    static_cast<void>(guest.destroy());
}

void in_device_space(Run& run) { run.skip("device spaces are not built yet (no IOMMU)"); }

void derive_exclusive(Run& run) {
    const uint64_t size = run.argument();
    Memory parent = BENCH_NEEDED(test::take_memory(size));
    const abi::Selector slot = BENCH_NEEDED(runtime::allocate_slots());
    for (uint64_t i = 0; i < run.iterations(); ++i) {
        const auto derived = run.timed([&] {
            return runtime::invoke(abi::DeriveMemory{parent.selector(), self, slot, abi::all_rights, 0, 0, size});
        });
        if (!derived.ok()) return run.fail("derive", derived.error());
        static_cast<void>(Memory{slot}.destroy());
        static_cast<void>(runtime::invoke(abi::RemoveCapability{self, slot}));
    }
    runtime::release_slots(slot);
    test::give_memory_back(parent);
}

/// `count` pages derived from one memory, each mapped here: what the last of them costs, or the end of all.
class Derivations {
  public:
    static constexpr unsigned capacity = 1000;

    abi::Result<void> derive(const Memory& parent, uint64_t count) {
        for (uint64_t i = 0; i < count; ++i) {
            Memory page = TRY(parent.derive(i * 4096, 4096));
            TRY(page.map(host_place + i * 4096, 0, 4096, read_write));
            pages_[count_++] = page;
        }
        return {};
    }
    /// Frees the slots of what is gone.
    void forget() {
        while (count_ > 0) pages_[--count_].forget();
    }

  private:
    Memory pages_[capacity];
    uint64_t count_ = 0;
};
Derivations family;

void derive_beside_others(Run& run) {
    Memory parent = BENCH_NEEDED(test::take_memory((run.argument() + 1) * 4096));
    BENCH_OK(family.derive(parent, run.argument()));
    for (uint64_t i = 0; i < run.iterations(); ++i) {
        auto last = run.timed([&] { return parent.derive(run.argument() * 4096, 4096); });
        if (!last.ok()) return run.fail("derive", last.error());
        static_cast<void>(last.value().destroy());
    }
    test::give_memory_back(parent);
    family.forget();
}

void destroy_with_derivations(Run& run) {
    const uint64_t size = run.argument() * 4096;
    Memory source = BENCH_NEEDED(test::take_memory(size));
    for (uint64_t i = 0; i < run.iterations(); ++i) {
        Memory parent = BENCH_NEEDED(source.derive(0, size));
        BENCH_OK(family.derive(parent, run.argument()));
        const auto destroyed = run.timed([&] { return runtime::invoke(abi::Destroy{parent.selector()}); });
        if (!destroyed.ok()) return run.fail("destroy", destroyed.error());
        parent.forget();
        family.forget();
    }
    test::give_memory_back(source);
}

constexpr Benchmark table[] = {
    {"map/host", "bytes", sizes, 10, 2 * mebibyte, "maps memory into a native domain", in_host_space<Timed::Map>},
    {"unmap/host", "bytes", sizes, 10, 2 * mebibyte, "unmaps it, TLB flush included", in_host_space<Timed::Unmap>},
    {"map/guest", "bytes", sizes, 10, 2 * mebibyte, "maps memory into a guest domain", in_guest_space<Timed::Map>},
    {"unmap/guest", "bytes", sizes, 10, 2 * mebibyte, "unmaps it, flush included", in_guest_space<Timed::Unmap>},
    {"map/device", "bytes", no_sweep, 10, guard_none, "maps memory into a device space", in_device_space},
    {"derive/exclusive", "bytes", exclusive_sizes, 3, 64 * kibibyte,
     "derives memory for one owner, clearing it (REP STOS counts each word)", derive_exclusive},
    {"derive/beside", "derivations", derivations, 10, 100, "derives a page where so many pages are derived already",
     derive_beside_others},
    {"destroy/derivations", "derivations", derivations, 2, 100,
     "destroys memory from which so many pages are derived, each mapped once", destroy_with_derivations},
};

}  // namespace

const std::span<const Benchmark> memory_benchmarks{table};

}  // namespace bulkhead::bench
