// SPDX-License-Identifier: Apache-2.0
// Archives in the `newc` cpio format, which Linux unpacks as (a part of) its initramfs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bulkhead::tool {

/// Collects directories and files, in memory; parents must be added before what they hold.
class CpioArchive {
  public:
    void add_directory(std::string_view path, std::uint32_t permissions = 0755);
    void add_file(std::string_view path, std::string_view content, std::uint32_t permissions = 0644);

    /// Adds the trailer and returns the archive. Linux accepts it behind another one (compressed or not) that
    /// ends on a multiple of 4 bytes.
    [[nodiscard]] std::string finish() &&;

  private:
    void add(std::string_view path, std::uint32_t mode, std::string_view content);

    std::string bytes_;
    std::uint32_t next_inode_ = 1;
};

/// `first` padded to a multiple of 4 bytes, then `second`: two initramfs archives in one.
[[nodiscard]] std::string join_archives(std::string first, std::string_view second);

}  // namespace bulkhead::tool
