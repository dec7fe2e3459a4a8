// SPDX-License-Identifier: Apache-2.0
#include "tools/image/cpio.hpp"

#include <fmt/format.h>

#include <utility>

namespace bulkhead::tool {

namespace {

constexpr std::uint32_t kDirectory = 0040000;
constexpr std::uint32_t kRegularFile = 0100000;

void pad(std::string& bytes) { bytes.resize((bytes.size() + 3) / 4 * 4, '\0'); }

}  // namespace

void CpioArchive::add_directory(std::string_view path, std::uint32_t permissions) {
    add(path, kDirectory | permissions, {});
}

void CpioArchive::add_file(std::string_view path, std::string_view content, std::uint32_t permissions) {
    add(path, kRegularFile | permissions, content);
}

void CpioArchive::add(std::string_view path, std::uint32_t mode, std::string_view content) {
    const std::uint32_t inode = next_inode_++;
    // magic, inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name size, checksum
    bytes_ += fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}", inode,
                          mode, 0, 0, 1, 0, content.size(), 0, 0, 0, 0, path.size() + 1, 0);
    bytes_ += path;
    bytes_ += '\0';
    pad(bytes_);
    bytes_ += content;
    pad(bytes_);
}

std::string CpioArchive::finish() && {
    add("TRAILER!!!", 0, {});
    return std::move(bytes_);
}

std::string join_archives(std::string first, std::string_view second) {
    pad(first);
    first += second;
    return first;
}

}  // namespace bulkhead::tool
