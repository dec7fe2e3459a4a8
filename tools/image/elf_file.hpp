// SPDX-License-Identifier: Apache-2.0
// The little the host tools need of ELF files: one section's bytes, and a copy without symbols.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::tool {

/// The content of the named section of a 64-bit ELF file, or nothing if it has none. Throws Error on a file that
/// is no 64-bit ELF or whose tables lie outside it.
[[nodiscard]] std::optional<std::string> elf_section(const std::filesystem::path& file, std::string_view name);

/// Splits a section of NUL-terminated strings; empty ones (padding) are dropped.
[[nodiscard]] std::vector<std::string> split_strings(std::string_view section);

/// Writes a copy without symbols and debug information.
void strip_elf(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace bulkhead::tool
