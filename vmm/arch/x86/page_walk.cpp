// SPDX-License-Identifier: Apache-2.0
#include "vmm/arch/x86/page_walk.hpp"

namespace bulkhead::vmm {
namespace {

using Present = Bit<0>;
using Writable = Bit<1>;
using LargePage = Bit<7>;
constexpr uint64_t accessed = 1u << 5;
constexpr uint64_t dirty = 1u << 6;

/// One level of a page-table format: which address bits index it, and whether an entry may be a large page.
struct Level {
    unsigned shift;
    unsigned index_bits;
    bool may_be_large;
};

constexpr Level long_levels[] = {{48, 9, false}, {39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}};
constexpr Level pae_levels[] = {{21, 9, true}, {12, 9, false}};
constexpr Level legacy_levels[] = {{22, 10, true}, {12, 10, false}};

constexpr uint64_t address_mask = ((uint64_t{1} << 52) - 1) & ~(page_size_bytes - 1);

uint64_t index_at(const Level& level, uint64_t linear) {
    return (linear >> level.shift) & ((uint64_t{1} << level.index_bits) - 1);
}

/// A walk over tables whose entries are of type Entry.
template <typename Entry>
class Walk {
  public:
    Walk(const GuestMemory& memory, const PagingState& paging, uint64_t linear, WalkFor purpose)
        : memory_{memory}, paging_{paging}, linear_{linear}, purpose_{purpose} {}

    Result<Translation, PageWalkError> run(GuestPhysicalAddress table, std::span<const Level> levels) {
        for (const Level& level : levels) {
            const GuestPhysicalAddress slot = table + index_at(level, linear_) * sizeof(Entry);
            const auto fetched = memory_.read_value<Entry>(slot);
            if (!fetched) return PageWalkError::TableOutsideMemory;
            const uint64_t entry = *fetched;
            if (!Present::read(entry)) return PageWalkError::NotPresent;
            // Supervisor writes ignore the bit without CR0.WP; the processor has let this access pass already.
            const bool protects = cr0::WriteProtect::read(paging_.cr0);
            if (purpose_ == WalkFor::Write && protects && !Writable::read(entry)) return PageWalkError::NotWritable;
            const bool large = LargePage::read(entry) && large_allowed(level);
            const bool leaf = large || level.shift == page_shift;
            if (LargePage::read(entry) && !leaf && sizeof(Entry) == 8) return PageWalkError::ReservedBits;
            if (purpose_ == WalkFor::Write) {
                const Entry mark = static_cast<Entry>(leaf ? accessed | dirty : accessed);
                if (!memory_.set_bits<Entry>(slot, mark)) return PageWalkError::TableOutsideMemory;
            }
            if (leaf) return translation(entry, level);
            table = GuestPhysicalAddress{entry & address_mask};
        }
        return PageWalkError::NotPresent;
    }

  private:
    bool large_allowed(const Level& level) const {
        if (!level.may_be_large) return false;
        return sizeof(Entry) == 8 || cr4::PageSizeExtensions::read(paging_.cr4);
    }

    Translation translation(uint64_t entry, const Level& level) const {
        const uint64_t size = uint64_t{1} << level.shift;
        uint64_t frame = entry & address_mask & ~(size - 1);
        // PSE-36: bits 13-20 of a 4 MiB entry are address bits 32-39.
        if (sizeof(Entry) == 4 && size > page_size_bytes) frame |= BitField<13, 8>::read(entry) << 32;
        return Translation{GuestPhysicalAddress{frame | (linear_ & (size - 1))}, size};
    }

    const GuestMemory& memory_;
    const PagingState& paging_;
    uint64_t linear_;
    WalkFor purpose_;
};

bool canonical(uint64_t linear, unsigned bits) {
    const uint64_t top = linear >> (bits - 1);
    return top == 0 || top == (~uint64_t{0} >> (bits - 1));
}

Result<Translation, PageWalkError> walk_long(const GuestMemory& memory, const PagingState& paging, uint64_t linear,
                                             WalkFor purpose) {
    const bool five = cr4::FiveLevelPaging::read(paging.cr4);
    if (!canonical(linear, five ? 57 : 48)) return PageWalkError::NotCanonical;
    const std::span<const Level> levels = std::span{long_levels}.subspan(five ? 0 : 1);
    return Walk<uint64_t>{memory, paging, linear, purpose}.run(GuestPhysicalAddress{paging.cr3 & address_mask}, levels);
}

Result<Translation, PageWalkError> walk_pae(const GuestMemory& memory, const PagingState& paging, uint64_t linear,
                                            WalkFor purpose) {
    const GuestPhysicalAddress table{paging.cr3 & 0xffffffe0};
    const auto pointer = memory.read_value<uint64_t>(table + BitField<30, 2>::read(linear) * sizeof(uint64_t));
    if (!pointer) return PageWalkError::TableOutsideMemory;
    if (!Present::read(*pointer)) return PageWalkError::NotPresent;
    return Walk<uint64_t>{memory, paging, linear, purpose}.run(GuestPhysicalAddress{*pointer & address_mask}, pae_levels);
}

}  // namespace

Result<Translation, PageWalkError> translate(const GuestMemory& memory, const PagingState& paging, uint64_t linear,
                                             WalkFor purpose) {
    if (!cr0::Paging::read(paging.cr0)) return Translation{GuestPhysicalAddress{linear & UINT32_MAX}};
    if (efer::LongModeActive::read(paging.efer)) return walk_long(memory, paging, linear, purpose);
    linear &= UINT32_MAX;
    if (cr4::PhysicalAddressExtension::read(paging.cr4)) return walk_pae(memory, paging, linear, purpose);
    const GuestPhysicalAddress table{paging.cr3 & 0xfffff000};
    return Walk<uint32_t>{memory, paging, linear, purpose}.run(table, legacy_levels);
}

}  // namespace bulkhead::vmm
