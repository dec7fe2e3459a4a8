// SPDX-License-Identifier: Apache-2.0
#include "bench/macro/boot_log.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "bench/macro/launch_log.hpp"

namespace bulkhead::bench {

namespace {

void add_count(ExitCounts& counts, const std::string& name, std::uint64_t count) {
    for (auto& [known, sum] : counts) {
        if (known != name) continue;
        sum += count;
        return;
    }
    counts.emplace_back(name, count);
}

/// "cpuid 770, msr write 999 (953)": the name is all before the first word that is a number.
void read_exits(std::string_view list, ExitCounts& into) {
    std::istringstream entries{std::string(list)};
    for (std::string entry; std::getline(entries, entry, ',');) {
        const auto digit = entry.find_first_of("0123456789");
        const auto begin = entry.find_first_not_of(' ');
        if (digit == std::string::npos || begin == std::string::npos || digit <= begin + 1) continue;
        std::uint64_t count = 0;
        std::from_chars(entry.data() + digit, entry.data() + entry.size(), count);
        add_count(into, entry.substr(begin, digit - begin - 1), count);
    }
}

/// The word that ends before `place`, or the two words of "vm NAME".
std::string name_before(std::string_view line, std::size_t place) {
    const auto bracket = line.rfind("] ", place);
    const std::size_t begin = bracket == std::string_view::npos ? 0 : bracket + 2;
    return std::string(line.substr(begin, place - begin));
}

void read_memory(std::string_view line, BootLog& log) {
    constexpr std::string_view kMark = ": memory: ";
    const auto place = line.find(kMark);
    if (place == std::string_view::npos) return;
    const auto text = line.substr(place + kMark.size());
    MemoryUse use{.name = name_before(line, place)};
    if (text.find("KiB of RAM") != std::string_view::npos) {
        use.guest_ram_kib = number_after(line, kMark).value_or(0);
        use.own_kib = number_after(line, "of RAM,").value_or(0);
        use.kernel_pages = number_after(line, "device state,").value_or(0);
    } else {
        use.own_kib = number_after(line, kMark).value_or(0);
        use.kernel_pages = number_after(line, "its own,").value_or(0);
    }
    if (const auto last = text.rfind(" of "); last != std::string_view::npos) {
        use.quota_pages = number_after(text.substr(last), " of ").value_or(0);
    }
    log.memory.push_back(std::move(use));
}

void read_line(std::string_view line, BootLog& log) {
    const auto set = [&](std::optional<std::uint64_t>& value, std::string_view word) {
        if (!value) value = number_after(line, word);
    };
    set(log.kernel_ticks, "bulkhead: starting at tick");
    set(log.machine_ticks, ": making it, tick");
    set(log.monitor_ticks, "] started at tick");
    set(log.guest_ticks, "the guest at tick");
    if (const auto khz = number_after(line, "bulkhead: TSC")) log.tsc_khz = *khz;
    if (line.find("MiB for the kernel") != std::string_view::npos) log.kernel_pool_mib = number_after(line, "bulkhead:").value_or(0);
    if (line.find("pages of kernel memory") != std::string_view::npos) log.init_pages = number_after(line, "modules,").value_or(0);
    constexpr std::string_view kExits = "exits (absorbed):";
    if (const auto place = line.find(kExits); place != std::string_view::npos) read_exits(line.substr(place + kExits.size()), log.exits);
    read_memory(line, log);
}

}  // namespace

BootLog parse_boot_log(std::string_view text) {
    BootLog log;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        read_line(text.substr(0, end), log);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return log;
}

}  // namespace bulkhead::bench
