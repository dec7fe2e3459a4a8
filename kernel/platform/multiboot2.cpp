// SPDX-License-Identifier: Apache-2.0
#include "kernel/platform/multiboot2.hpp"

namespace bulkhead::kernel {
namespace {

using x86::MultibootMemoryType, x86::MultibootTagType;

std::string_view without_spaces(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    return text;
}

void parse_module(Bytes tag, MultibootInformation& result) {
    const auto header = read_at<x86::MultibootModule>(tag, 0);
    if (!header || header->end <= header->start || !is_aligned(header->start, page_size_bytes)) return;
    std::string_view text = without_spaces(text_in(tail(tag, sizeof(*header))));
    const std::string_view name{text.data(), std::min(text.find(' '), text.size())};
    text.remove_prefix(name.size());
    BootModule module{.physical = Range::between(header->start, header->end)};
    copy_text(module.name, name);
    copy_text(module.arguments, without_spaces(text));
    if (!result.modules.push_back(module)) ++result.dropped_modules;
}

template <typename Visitor>
void for_each_memory_entry(Bytes tag, Visitor visit) {
    const auto header = read_at<x86::MultibootMemoryMap>(tag, 0);
    if (!header || header->entry_size < sizeof(x86::MultibootMemoryEntry)) return;
    for (std::size_t offset = sizeof(*header);; offset += header->entry_size) {
        const auto entry = read_at<x86::MultibootMemoryEntry>(tag, offset);
        if (!entry) return;
        if (const auto range = Range::create(entry->start, entry->size); range && !range->empty())
            visit(*range, entry->type);
    }
}

/// What one entry calls available and another one reserved is reserved.
void parse_memory_map(Bytes tag, MultibootInformation& result) {
    for_each_memory_entry(tag, [&](const Range& range, MultibootMemoryType type) {
        if (type == MultibootMemoryType::Available) result.available.add(range);
        if (type == MultibootMemoryType::AcpiReclaimable || type == MultibootMemoryType::AcpiNonVolatile)
            result.firmware.add(range);
    });
    for_each_memory_entry(tag, [&](const Range& range, MultibootMemoryType type) {
        if (type != MultibootMemoryType::Available) result.available.subtract(range);
    });
}

void parse_tag(MultibootTagType type, Bytes tag, MultibootInformation& result) {
    const Bytes content = tail(tag, sizeof(x86::MultibootTag));
    if (type == MultibootTagType::CommandLine) result.command_line = text_in(content);
    if (type == MultibootTagType::Module) parse_module(tag, result);
    if (type == MultibootTagType::MemoryMap) parse_memory_map(tag, result);
    const bool old_root = type == MultibootTagType::AcpiOldRoot && result.root_pointer.empty();
    if (old_root || type == MultibootTagType::AcpiNewRoot) result.root_pointer = content;
}

}  // namespace

void parse_multiboot(Bytes bytes, MultibootInformation& result) {
    std::size_t offset = sizeof(x86::MultibootHeader);
    while (const auto tag = read_at<x86::MultibootTag>(bytes, offset)) {
        if (tag->type == MultibootTagType::End || tag->size < sizeof(x86::MultibootTag)) return;
        const Bytes rest = tail(bytes, offset);
        if (tag->size > rest.size()) return;
        parse_tag(tag->type, rest.first(tag->size), result);
        offset += align_up(tag->size, 8);
    }
}

}  // namespace bulkhead::kernel
