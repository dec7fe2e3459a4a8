// SPDX-License-Identifier: Apache-2.0
#include "tools/bulkhead/bench_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>

#include "tools/bulkhead/bench_vmcb.hpp"
#include "tools/bulkhead/bench_vmcs.hpp"
#include "tools/machine/process.hpp"

namespace bulkhead::tool {

namespace {

constexpr std::string_view kContext = "(unk. ctxt): ";
constexpr std::string_view kBreakpoint = "xchg bx, bx";
constexpr std::uint64_t kKernelStart = 0xffff'8000'0000'0000;
constexpr std::uint64_t kStubPage = 0x3ff000;
constexpr std::uint64_t kProgramStart = 0x400000;
constexpr std::uint64_t kPage = 4096;
constexpr std::string_view kCleanBit = " (clean bit)";
constexpr unsigned kSmallest = 4;  ///< inlined functions with fewer instructions are not named

std::optional<std::uint64_t> parse_hexadecimal(std::string_view text) {
    std::string digits;
    for (const char c : text) {
        if (c != '_') digits += c;
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    return text;
}

/// `rax: 00000000_00000001`
void read_register(std::string_view line, std::map<std::string, std::uint64_t>& registers) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon > 3 || line.empty() || line[0] != 'r') return;
    const auto value = parse_hexadecimal(trimmed(line.substr(colon + 1)));
    if (value) registers[std::string(trimmed(line.substr(0, colon)))] = *value;
}

/// `(0).[TICK] [0xPHYSICAL] CS:ADDRESS (unk. ctxt): TEXT ; BYTES`
std::optional<TracedInstruction> read_instruction(std::string_view line) {
    const auto context = line.find(kContext);
    if (!line.starts_with("(0).[") || context == std::string_view::npos) return std::nullopt;
    const auto before = trimmed(line.substr(0, context));
    const auto colon = before.rfind(':');
    const auto address = colon == std::string_view::npos ? std::nullopt : parse_hexadecimal(before.substr(colon + 1));
    if (!address) return std::nullopt;
    auto text = line.substr(context + kContext.size());
    return TracedInstruction{*address, std::string(trimmed(text.substr(0, text.find(';')))), {}, {}};
}

/// `[CPU0 RD]: LIN 0xADDRESS PHY 0xADDRESS (len=8, WB): ...`; page walks and the processor's own accesses have no LIN.
std::optional<MemoryAccess> read_access(std::string_view line) {
    constexpr std::string_view start = "[CPU0 ";
    constexpr std::string_view linear = "]: LIN ";
    constexpr std::string_view physical = " PHY 0x";
    if (!line.starts_with(start) || line.substr(std::min(start.size() + 2, line.size())).substr(0, linear.size()) != linear) return std::nullopt;
    const auto place = line.find(physical);
    if (place == std::string_view::npos) return std::nullopt;
    const auto digits = line.substr(place + physical.size());
    const auto address = parse_hexadecimal(digits.substr(0, digits.find(' ')));
    if (!address) return std::nullopt;
    const auto kind = line.substr(start.size(), 2);
    return MemoryAccess{*address, kind != "WR", kind != "RD"};
}

bool is_kernel(std::uint64_t address) { return address >= kKernelStart; }
bool is_program(std::uint64_t address) { return address >= kStubPage && !is_kernel(address); }

std::uint64_t value_of(const TracedInstruction& instruction, const std::string& name) {
    const auto found = instruction.registers.find(name);
    return found == instruction.registers.end() ? ~std::uint64_t{0} : found->second;
}

/// The operands of an instruction, in Intel's order.
std::vector<std::string> operands(std::string_view text) {
    const auto space = text.find(' ');
    std::vector<std::string> result;
    if (space == std::string_view::npos) return result;
    auto rest = text.substr(space);
    while (!rest.empty()) {
        const auto comma = std::min(rest.find(','), rest.size());
        result.emplace_back(trimmed(rest.substr(0, comma)));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return result;
}

std::string vmcs_access(const char* verb, const TracedInstruction& instruction, const std::string& field_register) {
    const auto field = value_of(instruction, field_register);
    return fmt::format("{} {}{}", verb, vmcs_field_name(field), is_shadowed_by_kvm(field) ? "" : " (not shadowed)");
}

/// Where instructions are counted to: the function that was compiled, and those that were inlined into it.
struct Place {
    std::string outer;
    std::string inner;
};

/// The places of many addresses, by one call of addr2line: for each, its address, then the functions from the
/// innermost on.
std::map<std::uint64_t, Place> places_in(const std::filesystem::path& image, const std::set<std::uint64_t>& addresses) {
    std::vector<std::string> command{"addr2line", "--exe=" + image.string(), "-a", "-f", "-i", "-C", "-p"};
    for (const auto address : addresses) command.push_back(fmt::format("{:#x}", address));
    std::map<std::uint64_t, Place> places;
    if (addresses.empty()) return places;
    const auto output = run_command(command, 60);
    Place* place = nullptr;
    std::string_view rest = output.text;
    while (!rest.empty()) {
        const auto end = std::min(rest.find('\n'), rest.size());
        auto line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        constexpr std::string_view inlined = " (inlined by) ";
        const auto name_of = [](std::string_view text) { return std::string(text.substr(0, text.find(" at "))); };
        if (line.starts_with(inlined)) {
            if (place != nullptr) place->outer = name_of(line.substr(inlined.size()));
            continue;
        }
        const auto colon = line.find(": ");
        if (!line.starts_with("0x") || colon == std::string_view::npos) continue;
        const auto address = parse_hexadecimal(line.substr(2, colon - 2));
        if (!address) continue;
        place = &places[*address];
        place->inner = place->outer = name_of(line.substr(colon + 2));
    }
    return places;
}

/// Names of functions are long with their types; the name says enough.
std::string short_name(std::string name) {
    for (const std::string_view noise : {"(anonymous namespace)::", "bulkhead::", "void "}) {
        for (auto found = name.find(noise); found != std::string::npos; found = name.find(noise)) name.erase(found, noise.size());
    }
    return name.substr(0, std::min(name.find('('), std::size_t{70}));
}

Place place_of(std::uint64_t address, const std::map<std::uint64_t, Place>& places) {
    if (address < kStubPage) return {"guest", "guest"};
    if (address < kProgramStart) return {"stub page", "stub page"};
    const auto found = places.find(address);
    if (found == places.end() || found->second.outer.starts_with("??")) return {"?", "?"};
    return {short_name(found->second.outer), short_name(found->second.inner)};
}

/// The columns of a stored line, in order.
constexpr unsigned TraceTotals::*kColumns[] = {
    &TraceTotals::instructions, &TraceTotals::kernel,     &TraceTotals::user,      &TraceTotals::guest,
    &TraceTotals::vmreads,      &TraceTotals::vmwrites,   &TraceTotals::not_shadowed, &TraceTotals::msr_writes,
    &TraceTotals::msr_reads,    &TraceTotals::cr3_writes, &TraceTotals::flushes,   &TraceTotals::vmcb_reads,
    &TraceTotals::vmcb_writes,  &TraceTotals::vmcb_clean};

using Counts = std::map<std::string, unsigned>;

std::vector<std::pair<std::string, unsigned>> largest_first(const Counts& counts) {
    std::vector<std::pair<std::string, unsigned>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return sorted;
}

}  // namespace

std::vector<TracedInstruction> parse_trace(std::string_view text) {
    std::vector<TracedInstruction> trace;
    std::map<std::string, std::uint64_t> registers;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        read_register(line, registers);
        if (const auto access = read_access(line); access && !trace.empty()) trace.back().accesses.push_back(*access);
        auto instruction = read_instruction(line);
        if (!instruction) continue;
        if (instruction->text == kBreakpoint) break;
        instruction->registers = std::exchange(registers, {});
        trace.push_back(*std::move(instruction));
    }
    return trace;
}

std::string special_kind(const TracedInstruction& instruction) {
    if (!is_kernel(instruction.address)) return {};
    const auto& text = instruction.text;
    const auto verb = text.substr(0, text.find(' '));
    const auto words = operands(text);
    if (verb == "vmread" && words.size() == 2) return vmcs_access("VMREAD", instruction, words[1]);
    if (verb == "vmwrite" && words.size() == 2) return vmcs_access("VMWRITE", instruction, words[0]);
    if (verb == "wrmsr" || verb == "rdmsr") {
        return fmt::format("{} {:#x}", verb == "wrmsr" ? "WRMSR" : "RDMSR", value_of(instruction, "rcx") & 0xffff'ffff);
    }
    if (verb == "mov" && words.size() == 2 && words[0].starts_with("cr")) return "MOV to CR" + words[0].substr(2);
    for (const auto* name : {"vmptrld", "vmclear", "vmlaunch", "vmresume", "vmrun", "vmload", "vmsave", "stgi", "clgi", "invlpga", "invept", "invvpid",
                             "invlpg", "invpcid", "xsetbv", "wbinvd", "ltr", "lidt", "lgdt", "lldt", "in", "out", "iretq", "cpuid"}) {
        if (verb != name) continue;
        std::string upper = verb;
        std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
        return upper;
    }
    return {};
}

std::map<std::string, unsigned> vmcb_accesses(const std::vector<TracedInstruction>& trace) {
    std::set<std::uint64_t> vmcbs;
    for (const auto& instruction : trace) {
        if (is_kernel(instruction.address) && instruction.text == "vmrun") vmcbs.insert(value_of(instruction, "rax"));
    }
    Counts counts;
    for (const auto& instruction : trace) {
        for (const auto& access : instruction.accesses) {
            const auto offset = access.physical % kPage;
            if (!vmcbs.contains(access.physical - offset)) continue;
            const auto name = vmcb_field_name(offset);
            if (access.reads) ++counts["VMCB read " + name];
            if (access.writes) ++counts["VMCB write " + name + (has_vmcb_clean_bit(offset) ? std::string(kCleanBit) : "")];
        }
    }
    return counts;
}

std::map<std::string, unsigned> special_counts(const std::vector<TracedInstruction>& trace) {
    Counts counts = vmcb_accesses(trace);
    for (const auto& instruction : trace) {
        const auto kind = special_kind(instruction);
        if (!kind.empty()) ++counts[kind];
    }
    return counts;
}

TraceTotals total(const std::vector<TracedInstruction>& trace) {
    TraceTotals totals;
    for (const auto& instruction : trace) {
        ++totals.instructions;
        if (is_kernel(instruction.address)) ++totals.kernel;
        else if (is_program(instruction.address)) ++totals.user;
        else ++totals.guest;
        const auto kind = special_kind(instruction);
        const auto is = [&](std::string_view prefix) { return kind.starts_with(prefix) ? 1U : 0U; };
        totals.vmreads += is("VMREAD");
        totals.vmwrites += is("VMWRITE");
        totals.not_shadowed += kind.ends_with("(not shadowed)") ? 1U : 0U;
        totals.msr_writes += is("WRMSR");
        totals.msr_reads += is("RDMSR");
        totals.cr3_writes += is("MOV to CR3");
        totals.flushes += is("INV");
    }
    for (const auto& [kind, count] : vmcb_accesses(trace)) {
        (kind.starts_with("VMCB read") ? totals.vmcb_reads : totals.vmcb_writes) += count;
        totals.vmcb_clean += kind.ends_with(kCleanBit) ? count : 0;
    }
    return totals;
}

std::string format_traced_runs(const std::vector<TracedRun>& runs) {
    std::string text;
    for (const auto& run : runs) {
        text += run.name;
        for (const auto column : kColumns) text += fmt::format("\t{}", run.totals.*column);
        text += "\n";
    }
    return text;
}

std::vector<TracedRun> parse_traced_runs(std::string_view text) {
    std::vector<TracedRun> runs;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        auto tab = std::min(line.find('\t'), line.size());
        TracedRun run{std::string(line.substr(0, tab)), {}};
        bool whole = !run.name.empty();
        for (const auto column : kColumns) {
            line.remove_prefix(std::min(tab + 1, line.size()));
            tab = std::min(line.find('\t'), line.size());
            const auto [rest, error] = std::from_chars(line.data(), line.data() + tab, run.totals.*column);
            whole = whole && error == std::errc{} && rest == line.data() + tab;
        }
        if (whole) runs.push_back(std::move(run));
    }
    return runs;
}

std::string describe_trace(const Layout& layout, const std::vector<TracedInstruction>& trace) {
    std::set<std::uint64_t> kernel, program;
    for (const auto& instruction : trace) {
        if (is_kernel(instruction.address)) kernel.insert(instruction.address);
        else if (is_program(instruction.address)) program.insert(instruction.address);
    }
    auto places = places_in(layout.kernel(), kernel);
    places.merge(places_in(layout.program("bench-micro"), program));

    const auto totals = total(trace);
    std::string text = fmt::format("{} instructions: {} in the kernel, {} in user programs, {} in the guest\n", totals.instructions,
                                   totals.kernel, totals.user, totals.guest);
    for (const auto& [kind, count] : special_counts(trace)) text += fmt::format("{:6}  {}\n", count, kind);
    Counts outer;
    std::map<std::string, Counts> inner;
    for (const auto& instruction : trace) {
        const auto place = place_of(instruction.address, places);
        ++outer[place.outer];
        ++inner[place.outer][place.inner];
    }
    text += "by function, and by what was inlined into it:\n";
    for (const auto& [function, count] : largest_first(outer)) {
        text += fmt::format("{:6}  {}\n", count, function);
        if (inner[function].size() < 2) continue;
        for (const auto& [name, part] : largest_first(inner[function])) {
            if (part >= kSmallest) text += fmt::format("          {:6}  {}\n", part, name == function ? "itself" : name);
        }
    }
    return text;
}

}  // namespace bulkhead::tool
