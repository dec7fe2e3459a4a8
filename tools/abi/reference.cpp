// SPDX-License-Identifier: Apache-2.0
#include "tools/abi/reference.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <typeinfo>
#include <vector>

#include "abi/calls.hpp"
#include "abi/layout.hpp"
#include "abi/message.hpp"
#include "abi/names.hpp"
#include "abi/status.hpp"
#include "abi/vcpu.hpp"

namespace bulkhead {

namespace {

/// What calls.hpp says about a struct: the comment above it, and those behind its members, in order.
struct Documentation {
    std::string text;
    std::vector<std::string> arguments;
    std::vector<std::string> results;
};

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// By name.
std::map<std::string, Documentation> read_documentation(std::istream& source) {
    std::map<std::string, Documentation> result;
    std::string comment;
    Documentation* current = nullptr;
    bool in_results = false;
    for (std::string raw; std::getline(source, raw);) {
        const std::string line = trimmed(raw);
        const auto member_comment = line.find("///< ");
        if (raw.starts_with("struct ")) {
            current = &result[raw.substr(7, raw.find_first_of(" :{", 7) - 7)];
            current->text = comment;
        } else if (line.starts_with("struct Output {")) {
            in_results = true;
        } else if (line.starts_with("}")) {
            if (!in_results) current = nullptr;
            in_results = false;
        } else if (current != nullptr && member_comment != std::string::npos) {
            std::vector<std::string>& list = in_results ? current->results : current->arguments;
            const std::string text = line.substr(member_comment + 5);
            if (member_comment == 0 && !list.empty()) {
                list.back() += " " + text;
            } else {
                list.push_back(text);
            }
        }
        if (line.starts_with("/// ")) {
            comment += (comment.empty() ? "" : " ") + line.substr(4);
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
    {"doorbell", "Bind", abi::DoorbellRight::Bind},
    {"interrupt", "Acknowledge", abi::InterruptRight::Acknowledge},
    {"port range", "Access", abi::PortRangeRight::Access},
    {"machine", "Halt", abi::MachineRight::Halt},
    {"machine", "Log", abi::MachineRight::Log},
    {"machine", "Interrupts", abi::MachineRight::Interrupts},
};

/// Of an argument that names an object: its type and the rights the caller needs, for behind the comment.
template <typename Argument>
std::string what_it_names() {
    if constexpr (requires { requires Argument::use != abi::SelectorUse::Slot; }) {
        if (Argument::type == abi::ObjectType::None) return {};
        const std::string type = abi::name(Argument::type);
        std::string needed;
        for (const NamedRight& right : rights) {
            if ((right.bit & Argument::rights) != 0 && (right.type == type || right.type == std::string("all types")))
                needed += (needed.empty() ? "" : ", ") + std::string(right.right);
        }
        return " (" + type + ": " + needed + ")";
    }
    return {};
}

/// The rows of a table: one for each argument, or result, with its comment.
template <typename Struct>
void print_arguments(std::ostream& out, const char* direction, const std::vector<std::string>& comments) {
    Struct call{};
    size_t number = 0;
    abi::for_each_argument(call, [&](const auto& argument) {
        out << "| " << direction << " | " << name_of(argument.index) << " | ";
        if (argument.width == 64) {
            out << "all";
        } else if (argument.width == 1) {
            out << argument.low;
        } else {
            out << argument.low << ".." << argument.low + argument.width - 1;
        }
        out << " | " << comments.at(number++) << what_it_names<std::remove_cvref_t<decltype(argument)>>() << " |\n";
    });
}

/// "Destroy" of the type bulkhead::abi::Destroy.
template <typename Call>
std::string name_of_call() {
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> text{
        ::abi::__cxa_demangle(typeid(Call).name(), nullptr, nullptr, &status), std::free};
    const std::string name = text.get();
    return name.substr(name.rfind(':') + 1);
}

template <typename Call>
void print_call(std::ostream& out, const std::map<std::string, Documentation>& documentation) {
    const std::string name = name_of_call<Call>();
    const Documentation& about = documentation.at(name);
    out << "### " << name << " (" << static_cast<unsigned>(abi::number_of<Call>) << ")\n\n" << about.text << "\n";
    if (!about.arguments.empty()) {
        out << "\n| | register | bits | |\n|---|---|---|---|\n";
        print_arguments<Call>(out, "in", about.arguments);
        if constexpr (!std::is_void_v<abi::Output<Call>>) print_arguments<abi::Output<Call>>(out, "out", about.results);
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

}  // namespace

std::string abi_reference(std::istream& calls_header) {
    const auto documentation = read_documentation(calls_header);
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
