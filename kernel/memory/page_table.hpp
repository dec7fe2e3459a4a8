// SPDX-License-Identifier: Apache-2.0
// One algorithm for every radix page table: host, nested, extended. What an entry looks like is the Format's business
// (hw/x86/page_table_entry.hpp), how a table is read and written is the Memory's, where table pages come from and go to
// is the Source's, and flushing TLBs is the caller's. So the whole of it runs on the host under test.
//
// Concurrency: one CPU changes a tree at a time (its owner's lock); CPUs and devices may walk it meanwhile. A walker
// sees, for every address, either the old or the new translation: new tables are complete before the one write that
// links them, and a table that leaves the tree is retired, not freed, because walkers may hold it until the flush.
//
// Operations do a bounded amount of work and say how far they came; the caller goes on from there.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

#include "base/address.hpp"
#include "base/result.hpp"
#include "hw/x86/page_table_entry.hpp"

namespace bulkhead::kernel {

/// Access to table entries by physical address. `write` is seen by walkers as one store, after those before it.
template <typename T>
concept PageTableMemory = requires(T memory, PhysicalAddress entry, uint64_t value) {
    { memory.read(entry) } -> std::same_as<uint64_t>;
    memory.write(entry, value);
};

/// Where table pages come from, cleared and paid for (or not: then the operation ends there), and where those go that
/// the tree no longer needs: `retire` keeps them until the TLB flush, `release` takes one no walker has seen.
template <typename T>
concept PageTableSource = requires(T source, PhysicalAddress page) {
    { source.allocate() } -> std::same_as<std::optional<PhysicalAddress>>;
    source.release(page);
    source.retire(page);
};

/// How far an operation came.
struct PageTableProgress {
    uint64_t bytes = 0;         // done, from the start of the range
    bool exhausted = false;     // stopped because the source gave no page
    bool flush_needed = false;  // a translation that was there has changed
};

/// What an address is translated to: the page, its size, and what may be done with it.
struct Translation {
    PhysicalAddress address;
    uint64_t page_bytes;
    x86::PageAccess access;
};

template <typename Format, PageTableMemory Memory>
class PageTable {
  public:
    /// Entries that one call may write or skip before it returns.
    static constexpr unsigned default_budget = 256;

    /// With `keep_top_tables`, entries of the root never go once they are there: other roots have copies of them.
    PageTable(PhysicalAddress root, Format format, Memory memory, bool keep_top_tables = false)
        : root_{root}, format_{format}, memory_{memory}, keep_top_tables_{keep_top_tables} {}

    PhysicalAddress root() const { return root_; }

    /// Maps [virtual, +size) to [physical, +size), all multiples of 4 KiB, replacing what is there, by the largest
    /// pages that fit. Existing small mappings are not merged.
    template <PageTableSource Source>
    [[nodiscard]] PageTableProgress map(uint64_t virtual_address, PhysicalAddress physical, uint64_t size,
                                        x86::PageAccess access, Source& source, unsigned budget = default_budget) {
        PageTableProgress progress;
        while (progress.bytes < size && budget > 0) {
            const Mapping rest{virtual_address + progress.bytes, physical + progress.bytes, size - progress.bytes,
                               access};
            const std::optional<Slot> slot = find_slot(rest, source, progress.flush_needed);
            if (!slot) {
                progress.exhausted = true;
                break;
            }
            progress.bytes += fill(*slot, rest, budget, progress.flush_needed);
        }
        return progress;
    }

    /// Removes what is mapped in [virtual, +size). A large page on the border is split, which may need table pages.
    template <PageTableSource Source>
    [[nodiscard]] PageTableProgress unmap(uint64_t virtual_address, uint64_t size, Source& source,
                                          unsigned budget = default_budget) {
        Removal removal{virtual_address, virtual_address + size, budget, {}};
        remove_in(root_, Format::levels - 1, removal, source);
        removal.progress.bytes = removal.position - virtual_address;
        return removal.progress;
    }

    std::optional<Translation> lookup(uint64_t virtual_address) {
        PhysicalAddress table = root_;
        for (unsigned level = Format::levels - 1;; --level) {
            const uint64_t entry = memory_.read(entry_address(table, virtual_address, level));
            if (!Format::present(entry)) return std::nullopt;
            if (Format::leaf(entry, level)) {
                const uint64_t bytes = Format::bytes_at(level);
                const uint64_t offset = virtual_address & (bytes - 1);
                return Translation{Format::page_address(entry, level) + offset, bytes, Format::access(entry)};
            }
            table = Format::table_address(entry);
        }
    }

  private:
    struct Mapping {
        uint64_t start;
        PhysicalAddress physical;
        uint64_t size;
        x86::PageAccess access;
    };
    /// A table and the level of its entries, where pages of a mapping can be written.
    struct Slot {
        PhysicalAddress table;
        unsigned level;
    };
    struct Removal {
        uint64_t position;
        uint64_t end;
        unsigned budget;
        PageTableProgress progress;

        bool stopped() const { return position == end || budget == 0 || progress.exhausted; }
    };

    static unsigned index_of(uint64_t address, unsigned level) {
        return (address >> (page_shift + Format::index_bits * level)) & (Format::entries - 1);
    }
    static PhysicalAddress entry_at(PhysicalAddress table, unsigned index) { return table + index * sizeof(uint64_t); }
    static PhysicalAddress entry_address(PhysicalAddress table, uint64_t address, unsigned level) {
        return entry_at(table, index_of(address, level));
    }
    /// The level of the largest page that the start of a mapping can use.
    unsigned best_level(const Mapping& mapping) const {
        unsigned level = 0;
        while (level < format_.largest_page_level) {
            const uint64_t bytes = Format::bytes_at(level + 1);
            if (mapping.size < bytes || !is_aligned(mapping.start | mapping.physical.value(), bytes)) break;
            ++level;
        }
        return level;
    }

    /// Walks down to where the first page of the mapping goes, making the tables on the way that are missing.
    template <PageTableSource Source>
    std::optional<Slot> find_slot(const Mapping& mapping, Source& source, bool& flush_needed) {
        const unsigned target = best_level(mapping);
        PhysicalAddress table = root_;
        unsigned level = Format::levels - 1;
        for (; level > 0; --level) {
            const PhysicalAddress at = entry_address(table, mapping.start, level);
            const uint64_t entry = memory_.read(at);
            const bool is_table = Format::present(entry) && !Format::leaf(entry, level);
            if (!is_table) {
                if (level == target) break;
                flush_needed |= Format::present(entry);
                return grow(at, entry, level, target, mapping.start, source);
            }
            table = Format::table_address(entry);
        }
        return Slot{table, level};
    }

    /// Puts tables below `at` (an entry of `level`, empty or a large page) down to `target`. The chain is complete
    /// before one write links it; when the source gives out, nothing has changed.
    template <PageTableSource Source>
    std::optional<Slot> grow(PhysicalAddress at, uint64_t entry, unsigned level, unsigned target, uint64_t address,
                             Source& source) {
        PhysicalAddress chain[Format::levels];
        const unsigned count = level - target;
        for (unsigned i = 0; i < count; ++i) {
            const std::optional<PhysicalAddress> page = source.allocate();
            if (!page) {
                while (i > 0) source.release(chain[--i]);
                return std::nullopt;
            }
            chain[i] = *page;
        }
        const bool split = Format::present(entry);
        for (unsigned i = 0; i < count; ++i) {
            const unsigned below = level - 1 - i;  // level of the entries in chain[i]
            if (split) fill_with_pieces(chain[i], entry, level, address, below);
            if (i + 1 < count) memory_.write(entry_address(chain[i], address, below), Format::make_table(chain[i + 1]));
        }
        memory_.write(at, Format::make_table(chain[0]));
        return Slot{chain[count - 1], target};
    }

    /// Fills a table of `below` with the pages that together are the part around `address` of one large page.
    void fill_with_pieces(PhysicalAddress table, uint64_t large, unsigned large_level, uint64_t address,
                          unsigned below) {
        const uint64_t table_bytes = Format::bytes_at(below + 1);
        const uint64_t offset = address & (Format::bytes_at(large_level) - 1) & ~(table_bytes - 1);
        const PhysicalAddress start = Format::page_address(large, large_level) + offset;
        for (unsigned i = 0; i < Format::entries; ++i) {
            memory_.write(entry_at(table, i),
                          Format::make_page(start + i * Format::bytes_at(below), Format::access(large), below));
        }
    }

    /// Writes pages into one table until it, the mapping or the budget ends, or another page size is due.
    uint64_t fill(Slot slot, const Mapping& mapping, unsigned& budget, bool& flush_needed) {
        const uint64_t bytes = Format::bytes_at(slot.level);
        uint64_t done = 0;
        unsigned index = index_of(mapping.start, slot.level);
        while (mapping.size - done >= bytes && index < Format::entries && budget > 0) {
            const PhysicalAddress at = entry_at(slot.table, index);
            const uint64_t old = memory_.read(at);
            const bool is_table = Format::present(old) && !Format::leaf(old, slot.level);
            if (is_table) break;
            flush_needed |= Format::present(old);
            memory_.write(at, Format::make_page(mapping.physical + done, mapping.access, slot.level));
            done += bytes;
            ++index;
            --budget;
        }
        return done;
    }

    /// Removes what of the range lies in this table. Returns whether nothing is left in it.
    template <PageTableSource Source>
    bool remove_in(PhysicalAddress table, unsigned level, Removal& removal, Source& source) {
        unsigned index = index_of(removal.position, level);
        while (index < Format::entries && !removal.stopped()) {
            if (!remove_entry(entry_at(table, index), level, removal, source)) break;
            ++index;
        }
        const bool kept = level == Format::levels - 1 || (keep_top_tables_ && level == Format::levels - 2);
        return !kept && all_empty(table);
    }

    /// Removes what of the range lies behind one entry; false if it could not be finished.
    template <PageTableSource Source>
    bool remove_entry(PhysicalAddress at, unsigned level, Removal& removal, Source& source) {
        const uint64_t bytes = Format::bytes_at(level);
        const uint64_t entry_end = align_down(removal.position, bytes) + bytes;
        const uint64_t stop = entry_end - 1 < removal.end - 1 ? entry_end : removal.end;
        uint64_t entry = memory_.read(at);
        --removal.budget;
        if (!Format::present(entry)) {
            removal.position = stop;
            return true;
        }
        const bool whole = is_aligned(removal.position, bytes) && stop == entry_end;
        if (Format::leaf(entry, level) && whole) {
            memory_.write(at, 0);
            removal.progress.flush_needed = true;
            removal.position = stop;
            return true;
        }
        if (Format::leaf(entry, level)) {
            removal.progress.flush_needed = true;
            if (!grow(at, entry, level, level - 1, removal.position, source)) {
                removal.progress.exhausted = true;
                return false;
            }
            entry = memory_.read(at);
        }
        const PhysicalAddress child = Format::table_address(entry);
        if (remove_in(child, level - 1, removal, source)) {
            memory_.write(at, 0);
            removal.progress.flush_needed = true;
            source.retire(child);
        }
        return !removal.progress.exhausted && removal.position == stop;
    }

    bool all_empty(PhysicalAddress table) {
        for (unsigned i = 0; i < Format::entries; ++i) {
            if (memory_.read(entry_at(table, i)) != 0) return false;
        }
        return true;
    }

    PhysicalAddress root_;
    Format format_;
    Memory memory_;
    bool keep_top_tables_;
};

}  // namespace bulkhead::kernel
