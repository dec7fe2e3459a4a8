// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/multiboot2.hpp"

namespace bulkhead::kernel {
namespace {

using x86::MultibootMemoryType, x86::MultibootTagType;

/// The text behind the first `header_bytes` of a tag, up to a NUL or the end.
std::string_view text_behind(Bytes tag, std::size_t header_bytes) {
    const Bytes bytes = tag.subspan(header_bytes);
    const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    return text.substr(0, text.find('\0'));
}

std::string_view without_spaces(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    return text;
}

/// The first word of a module's text is its name, the rest its arguments.
void parse_module(Bytes tag, MultibootInformation& result) {
    const auto header = read_at<x86::MultibootModule>(tag, 0);
    if (!header || header->end <= header->start || !is_aligned(header->start, page_size_bytes)) return;
    std::string_view text = without_spaces(text_behind(tag, sizeof(*header)));
    const std::string_view name = text.substr(0, text.find(' '));
    text.remove_prefix(name.size());
    BootModule module{.physical = Range::between(header->start, header->end)};
    module.entry.size_bytes = module.physical.size();
    copy_text(module.entry.name, name);
    copy_text(module.entry.arguments, without_spaces(text));
    if (!result.modules.push_back(module)) ++result.dropped_modules;
}

/// What one entry calls available and another one reserved is reserved.
void parse_memory_map(Bytes tag, MultibootInformation& result) {
    const auto header = read_at<x86::MultibootMemoryMap>(tag, 0);
    if (!header || header->entry_size < sizeof(x86::MultibootMemoryEntry)) return;
    for (const bool available : {true, false}) {
        for (std::size_t offset = sizeof(*header);; offset += header->entry_size) {
            const auto entry = read_at<x86::MultibootMemoryEntry>(tag, offset);
            if (!entry) break;
            const auto range = Range::create(entry->start, entry->size);
            if (!range || available != (entry->type == MultibootMemoryType::Available)) continue;
            available ? result.available.add(*range) : result.available.subtract(*range);
        }
    }
}

void parse_tag(MultibootTagType type, Bytes tag, MultibootInformation& result) {
    constexpr std::size_t header_bytes = sizeof(x86::MultibootTag);
    if (type == MultibootTagType::CommandLine) copy_text(result.command_line, text_behind(tag, header_bytes));
    if (type == MultibootTagType::Module) parse_module(tag, result);
    if (type == MultibootTagType::MemoryMap) parse_memory_map(tag, result);
    const bool old_root = type == MultibootTagType::AcpiOldRoot && result.root_pointer.empty();
    if (old_root || type == MultibootTagType::AcpiNewRoot) result.root_pointer = tag.subspan(header_bytes);
}

}  // namespace

void parse_multiboot(Bytes bytes, MultibootInformation& result) {
    std::size_t offset = sizeof(x86::MultibootHeader);
    while (const auto tag = read_at<x86::MultibootTag>(bytes, offset)) {
        if (tag->type == MultibootTagType::End) return;
        if (tag->size < sizeof(x86::MultibootTag) || tag->size > bytes.size() - offset) return;
        parse_tag(tag->type, bytes.subspan(offset, tag->size), result);
        offset += align_up(tag->size, 8);
    }
}

}  // namespace bulkhead::kernel
