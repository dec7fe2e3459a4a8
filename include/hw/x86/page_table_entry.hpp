// SPDX-License-Identifier: Apache-2.0
// Entries of the three radix trees a CPU walks: host page tables (Intel SDM vol. 3A, 4.5), nested page tables of AMD-V
// (AMD APM vol. 2, 15.25: the host's format, every access a user access) and extended page tables of VT-x (SDM
// vol. 3C, 29.3). Each format says how the generic algorithm (kernel/memory/page_table.hpp) reads and makes entries.
// Levels count from 0, the tables whose entries are 4 KiB pages.
#pragma once

#include "base/address.hpp"
#include "base/bit_field.hpp"

namespace bulkhead::x86 {

/// What may be done with a page. Whatever is mapped can be read.
struct PageAccess {
    bool write = false;
    bool execute = false;
    bool kernel = false;    ///< not by programs, and alike in all spaces
    bool uncached = false;  ///< not write-back
};

/// What the three have in common: 512 entries per table, an address in bits 51:12, bit 7 for a large page.
struct RadixFormat {
    static constexpr unsigned index_bits = 9;
    static constexpr unsigned entries = 1u << index_bits;
    static constexpr unsigned levels = 4;
    static constexpr uint64_t bytes_at(unsigned level) { return uint64_t{1} << (page_shift + index_bits * level); }

    using Frame = BitField<12, 40>;
    using LargePage = Bit<7>;

    static constexpr bool leaf(uint64_t entry, unsigned level) { return level == 0 || LargePage::read(entry); }
    static constexpr PhysicalAddress table_address(uint64_t entry) {
        return PhysicalAddress{Frame::read(entry) << page_shift};
    }
    static constexpr uint64_t frame_bits(PhysicalAddress address) { return Frame::make(address.value() >> page_shift); }
};

struct HostPageFormat : RadixFormat {
    using Present = Bit<0>;
    using Writable = Bit<1>;
    using User = Bit<2>;
    using WriteThrough = Bit<3>;
    using CacheDisable = Bit<4>;
    using Accessed = Bit<5>;
    using Dirty = Bit<6>;
    using Global = Bit<8>;
    using NoExecute = Bit<63>;

    static constexpr bool present(uint64_t entry) { return Present::read(entry); }
    /// Tables grant everything, the page decides. For nested tables that is a duty: the guest's own walks are user
    /// accesses, and write.
    static constexpr uint64_t make_table(PhysicalAddress table) {
        return frame_bits(table) | Present::mask | Writable::mask | User::mask;
    }
    /// Uncached is PAT entry 3, as it is after reset (SDM vol. 3A, 12.12.4). Accessed and dirty are set beforehand:
    /// nobody looks at them, and the CPU need not write them.
    static constexpr uint64_t make_page(PhysicalAddress page, PageAccess access, unsigned level) {
        return frame_bits(page) | Present::mask | Writable::make(access.write) | User::make(!access.kernel) |
               WriteThrough::make(access.uncached) | CacheDisable::make(access.uncached) | Accessed::mask |
               Dirty::mask | LargePage::make(level != 0) | Global::make(access.kernel) |
               NoExecute::make(!access.execute);
    }
};

struct ExtendedPageFormat : RadixFormat {
    using Read = Bit<0>;
    using Write = Bit<1>;
    using Execute = Bit<2>;
    using MemoryType = BitField<3, 3>;
    using IgnorePat = Bit<6>;
    static constexpr uint64_t type_uncached = 0;
    static constexpr uint64_t type_write_back = 6;

    static constexpr bool present(uint64_t entry) { return Read::read(entry); }
    static constexpr uint64_t make_table(PhysicalAddress table) {
        return frame_bits(table) | Read::mask | Write::mask | Execute::mask;
    }
    /// RAM is write-back whatever the guest's PAT says; for device memory the guest's PAT has no say either.
    static constexpr uint64_t make_page(PhysicalAddress page, PageAccess access, unsigned level) {
        return frame_bits(page) | Read::mask | Write::make(access.write) | Execute::make(access.execute) |
               MemoryType::make(access.uncached ? type_uncached : type_write_back) | IgnorePat::mask |
               LargePage::make(level != 0);
    }
};

static_assert(HostPageFormat::bytes_at(2) == 1u << 30);
static_assert(HostPageFormat::make_page(PhysicalAddress{0x5000}, {.write = true}, 0) == 0x8000'0000'0000'5067);
static_assert(ExtendedPageFormat::make_page(PhysicalAddress{0x20'0000}, {.write = true, .execute = true}, 1) ==
              0x20'00f7);

}  // namespace bulkhead::x86
