// SPDX-License-Identifier: Apache-2.0
// A static ELF64 program as the loader sees it (System V ABI, chapters 4 and 5). The file is hostile until `create` has
// checked it: every segment lies inside the file and inside the window for programs, none overlaps another, none is
// both writable and executable, and execution starts in an executable one. No system calls; tested on the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "base/static_vector.hpp"

namespace bulkhead::init {

enum class ElfError : uint8_t {
    NotElf,    ///< too short, or no ELF64 little-endian executable for x86-64
    BadTable,  ///< the program header table lies outside the file
    TooManySegments,
    OutsideFile,
    OutsideWindow,  ///< outside of the addresses for programs
    Overlap,
    WritableCode,
    BadEntry,  ///< the entry point is not in executable memory
    NoSegment,
};

constexpr const char* name(ElfError error) {
    constexpr const char* names[] = {"it is no static x86-64 ELF program",
                                     "its program header table lies outside the file",
                                     "it has too many segments",
                                     "a segment lies outside the file",
                                     "a segment lies outside the addresses for programs",
                                     "segments overlap",
                                     "a segment is both writable and executable",
                                     "its entry point is not in code",
                                     "it has nothing to load"};
    return names[static_cast<unsigned>(error)];
}

struct ElfSegment {
    uint64_t file_offset;
    uint64_t file_bytes;
    uint64_t address;
    uint64_t memory_bytes;  ///< what is more than file_bytes is zero
    bool writable;
    bool executable;

    uint64_t first_page() const;
    uint64_t pages_end() const;
    /// Whether its pages can be mapped straight from the file: nothing to change, nothing to add, nothing to shift.
    bool can_be_shared() const;
};

class ElfImage {
  public:
    static constexpr size_t max_segments = 8;

    /// `file` must stay where it is as long as the image is used.
    static Result<ElfImage, ElfError> create(std::span<const std::byte> file);

    uint64_t entry() const { return entry_; }
    std::span<const ElfSegment> segments() const { return {segments_.data(), segments_.size()}; }
    std::span<const std::byte> content(const ElfSegment& segment) const {
        return file_.subspan(segment.file_offset, segment.file_bytes);
    }

  private:
    explicit ElfImage(std::span<const std::byte> file) : file_{file} {}
    Result<void, ElfError> add(const ElfSegment& segment);
    bool entry_is_code() const;

    std::span<const std::byte> file_;
    uint64_t entry_ = 0;
    StaticVector<ElfSegment, max_segments> segments_;
};

}  // namespace bulkhead::init
