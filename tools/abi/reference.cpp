// SPDX-License-Identifier: Apache-2.0
#include "tools/abi/reference.hpp"

#include <map>
#include <sstream>
#include <vector>

#include "abi/calls.hpp"
#include "abi/layout.hpp"
#include "abi/message.hpp"
#include "abi/status.hpp"
#include "abi/vcpu.hpp"

namespace bulkhead {

namespace {

/// Name and comment of each struct of calls.hpp, by call number's name.
struct Documentation {
    std::map<std::string, std::string> text;
    std::vector<std::string> numbers;  ///< enumerators of CallNumber, in order
};

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Documentation read_documentation(std::istream& source) {
    Documentation result;
    std::string comment;
    bool in_numbers = false;
    for (std::string raw; std::getline(source, raw);) {
        const std::string line = trimmed(raw);
        if (line.starts_with("enum class CallNumber")) {
            in_numbers = true;
        } else if (in_numbers) {
            if (line.starts_with("}")) in_numbers = false;
            const std::string name = line.substr(0, line.find_first_of(" ,="));
            if (!name.empty() && name != "}" && name != "};" && name != "Count" && !name.starts_with("/"))
                result.numbers.push_back(name);
        } else if (line.starts_with("/// ")) {
            comment += (comment.empty() ? "" : " ") + line.substr(4);
        } else if (raw.starts_with("struct ")) {
            const std::string name = raw.substr(7, raw.find_first_of(" :{", 7) - 7);
            result.text[name] = comment;
            comment.clear();
        } else {
            comment.clear();
        }
    }
    return result;
}

const char* name_of(abi::Register index) {
    constexpr const char* names[] = {"R15", "R14", "R13", "R12", "RBX", "R10", "R9", "R8", "RSI", "RDI", "RAX"};
    return names[static_cast<size_t>(index)];
}

template <typename Entry>
void print_field(std::ostream& out, const char* direction, const Entry& entry) {
    out << "| " << direction << " | " << name_of(entry.index) << " | ";
    if (entry.width == 64) {
        out << "all";
    } else if (entry.width == 1) {
        out << unsigned{entry.shift};
    } else {
        out << unsigned{entry.shift} << ".." << entry.shift + entry.width - 1;
    }
    out << " | " << entry.text << " |\n";
}

template <typename Call>
void print_call(std::ostream& out, const Documentation& documentation) {
    const auto number = static_cast<size_t>(Call::number);
    const std::string& name = documentation.numbers.at(number);
    out << "### " << name << " (" << number << ")\n\n" << documentation.text.at(name) << "\n";
    constexpr bool has_fields =
        std::tuple_size_v<decltype(Call::fields())> + std::tuple_size_v<decltype(Call::Output::fields())> != 0;
    if (has_fields) {
        out << "\n| | register | bits | |\n|---|---|---|---|\n";
        std::apply([&](const auto&... entry) { (print_field(out, "in", entry), ...); }, Call::fields());
        std::apply([&](const auto&... entry) { (print_field(out, "out", entry), ...); }, Call::Output::fields());
    }
    out << "\n";
}

template <typename Enumeration, typename Name>
void print_enumeration(std::ostream& out, const char* title, Name name) {
    out << "## " << title << "\n\n| value | |\n|---|---|\n";
    for (unsigned value = 0; value < static_cast<unsigned>(Enumeration::Count); ++value) {
        out << "| " << value << " | " << name(static_cast<Enumeration>(value)) << " |\n";
    }
    out << "\n";
}

struct NamedRight {
    const char* type;
    const char* right;
    abi::Rights bit;
};
constexpr NamedRight rights[] = {
    {"all types", "Destroy", abi::Right::Destroy},
    {"all types", "Derive", abi::Right::Derive},
    {"domain", "Create", abi::DomainRight::Create},
    {"domain", "Map", abi::DomainRight::Map},
    {"domain", "Grant", abi::DomainRight::Grant},
    {"thread", "Control", abi::ThreadRight::Control},
    {"vCPU", "Control", abi::VcpuRight::Control},
    {"vCPU", "Post", abi::VcpuRight::Post},
    {"scheduling context", "Control", abi::SchedulingContextRight::Control},
    {"portal", "Call", abi::PortalRight::Call},
    {"notification", "Signal", abi::NotificationRight::Signal},
    {"notification", "Wait", abi::NotificationRight::Wait},
    {"memory object", "Read", abi::MemoryRight::Read},
    {"memory object", "Write", abi::MemoryRight::Write},
    {"memory object", "Execute", abi::MemoryRight::Execute},
    {"memory object", "DeviceDma", abi::MemoryRight::DeviceDma},
    {"virtual interrupt", "Post", abi::VirtualInterruptRight::Post},
    {"virtual interrupt", "Control", abi::VirtualInterruptRight::Control},
    {"interrupt", "Acknowledge", abi::InterruptRight::Acknowledge},
    {"port range", "Access", abi::PortRangeRight::Access},
    {"machine", "Halt", abi::MachineRight::Halt},
    {"machine", "Log", abi::MachineRight::Log},
    {"machine", "Interrupts", abi::MachineRight::Interrupts},
};

}  // namespace

std::string abi_reference(std::istream& calls_header) {
    const Documentation documentation = read_documentation(calls_header);
    std::ostringstream out;
    out << "# ABI reference\n\n"
           "Generated from `include/abi` by `tools/abi`; a test fails when it is out of date. Messages, vCPU exits and "
           "the\n"
           "start of programs are described in `include/abi/message.hpp`, `vcpu.hpp` and `layout.hpp`.\n\n"
           "A program enters the kernel by calling the stub page at `0x"
        << std::hex << abi::stub_page_address << std::dec
        << "` with the call's number in RAX bits 0..7. The\n"
           "status comes back in RAX bits 0..7; RCX, RDX and R11 are lost, registers that carry no result are kept.\n\n"
           "## System calls\n\n"
           "### Call (0), Reply (1)\n\nMessage passing; see `include/abi/message.hpp`.\n\n";
    [&]<typename... Calls>(std::tuple<Calls...>*) {
        (print_call<Calls>(out, documentation), ...);
    }(static_cast<abi::AllCalls*>(nullptr));
    print_enumeration<abi::Status>(out, "Status codes", [](abi::Status value) { return abi::name(value); });
    print_enumeration<abi::ObjectType>(out, "Object types", [](abi::ObjectType value) { return abi::name(value); });
    out << "## Rights\n\n| object | right | bit |\n|---|---|---|\n";
    for (const NamedRight& right : rights) {
        out << "| " << right.type << " | " << right.right << " | " << __builtin_ctz(right.bit) << " |\n";
    }
    out << "\n";
    print_enumeration<abi::ExitReason>(out, "Exit reasons of vCPUs",
                                       [](abi::ExitReason value) { return abi::name(value); });
    out << "## Limits\n\n| | |\n|---|---|\n"
        << "| words of a message in registers | " << abi::register_words << " |\n"
        << "| words of a message in the buffer | " << abi::max_buffer_words << " |\n"
        << "| capabilities in a message | " << abi::max_items << " |\n"
        << "| CPUs | " << abi::maximum_cpus << " |\n"
        << "| priorities | " << abi::priorities << " |\n";
    return out.str();
}

}  // namespace bulkhead
