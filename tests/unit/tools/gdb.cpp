// SPDX-License-Identifier: Apache-2.0
// The pretty-printers of tools/debug, in gdb itself: on values of the kernel's own types, and on a kernel that runs.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tools/debug/symbolize.hpp"
#include "tools/image/iso.hpp"
#include "tools/machine/error.hpp"
#include "tools/machine/launch.hpp"
#include "tools/machine/layout.hpp"
#include "tools/machine/process.hpp"

using namespace bulkhead::tool;

namespace {

/// Runs gdb on the kernel with the printers and a Python script; what it printed.
std::string gdb(const std::vector<std::string>& commands, const std::string& script) {
    const Layout layout = find_layout();
    const TemporaryDirectory work;
    write_file(work.path() / "script.py", script);
    std::vector<std::string> words{"gdb", "-nx", "-batch", "-readnow"};
    const auto add = [&words](std::string command) {
        words.push_back("-ex");
        words.push_back(std::move(command));
    };
    add("set pagination off");
    add("source " + (layout.source / "tools" / "debug" / "bulkhead_gdb.py").string());
    for (const auto& command : commands) add(command);
    add("source " + (work.path() / "script.py").string());
    words.push_back(layout.kernel().string());
    return run_command(words, 120).text;
}

void expect_line(const std::string& output, const std::string& line) {
    EXPECT_NE(("\n" + output).find("\n" + line + "\n"), std::string::npos) << "no line '" << line << "' in:\n" << output;
}

/// A machine that has not executed anything yet and waits for gdb on `options.gdb_port`.
Machine start_for_gdb(const TemporaryDirectory& work, MachineOptions& options) {
    const Layout layout = find_layout();
    options.image = work.path() / "boot.iso";
    options.work_directory = work.path();
    options.wait_for_gdb = true;
    options.gdb_port = free_port(0);
    build_iso(BootImage{layout.kernel(), "console=com1", {{"init", layout.program("test-ipc")}}}, options.image, work.path());
    return Machine::start(options);
}

}  // namespace

TEST(Gdb, PrintsTheKernelsTypes) {
    const auto output = gdb({}, R"python(
import struct, __main__
def value(type_name, *words):
    return gdb.Value(struct.pack("<%dQ" % len(words), *words), gdb.lookup_type(type_name))
print("range", value("bulkhead::Range", 0x1000, 0x2000))
print("empty", value("bulkhead::Range", 0x1000, 0))
print("address", value("bulkhead::Address<bulkhead::PhysicalSpace>", 0xfee00000))
vector = gdb.lookup_type("bulkhead::StaticVector<bulkhead::Range, 128>")
content = bytearray(vector.sizeof)
content[0:16] = struct.pack("<QQ", 0x4000, 0x1000)
content[-8:] = struct.pack("<Q", 1)
print("vector", gdb.Value(bytes(content), vector))
print("word", gdb.parse_and_eval("$bulkhead_capability(%d)" % (5 << 56 | 7 << 44 | 9 << 22 | 33)).string())
names = [field.name.split("::")[-1] for field in gdb.lookup_type("bulkhead::abi::ObjectType").fields()]
print("types", names[1:-1] == __main__.OBJECT_TYPES[1:], names[0])
)python");
    expect_line(output, "range [0x1000, 0x3000) 0x2000 bytes");
    expect_line(output, "empty empty at 0x1000");
    expect_line(output, "address Physical:0xfee00000");
    expect_line(output, "vector StaticVector of 1, room for 128 = {[0x4000, 0x5000) 0x1000 bytes}");
    expect_line(output, "word Portal, object 33 generation 9, rights 0x7");
    expect_line(output, "types True None");
}

/// What `./bulkhead run --gdb` offers: stop in a kernel that has just made its root task and look at its objects.
TEST(Gdb, LooksIntoARunningKernel) {
    const TemporaryDirectory work;
    MachineOptions options;
    auto machine = start_for_gdb(work, options);
    const auto output = gdb({fmt::format("target remote 127.0.0.1:{}", options.gdb_port),
                             "hbreak bulkhead::kernel::Scheduler::leave_kernel", "continue"},
                            R"python(
entries = gdb.parse_and_eval("object_table_entries")
kinds = set()
for index in range(1, 200):
    entry = integer((entries + index).dereference())
    if field(entry, ENTRY_FIELDS, "Generation") == 0 or field(entry, ENTRY_FIELDS, "Location") < 1000000:
        continue
    address = field(entry, ENTRY_FIELDS, "Location") << 6 | 0xffff000000000000
    thing = gdb.Value(address).cast(gdb.lookup_type("bulkhead::kernel::Object").pointer())
    if int(thing["type_"]) == OBJECT_TYPES.index("Domain"):
        domain = thing.cast(gdb.lookup_type("bulkhead::kernel::Domain").pointer()).dereference()
        print("owned", domain["owned_"])
        for member in domain.type.fields():
            if str(member.type.strip_typedefs()) == "bulkhead::kernel::CapabilitySpace":
                gdb.set_convenience_variable("space", domain[member])
                printer = gdb.default_visualizer(domain[member])
                print("space", printer.to_string())
                for slot, word in printer.words():
                    where = object_address(word)
                    kinds.add(capability_text(word).split(",")[0] + ("" if where else " stale"))
print("kinds", sorted(kinds))
gdb.execute("kill")
)python");
    machine.stop();
    EXPECT_NE(output.find("\nowned IntrusiveList of "), std::string::npos) << output;
    EXPECT_NE(output.find("\nspace CapabilitySpace of 8192 slots\n"), std::string::npos) << output;
    EXPECT_NE(output.find("'Domain'"), std::string::npos) << output;
    EXPECT_NE(output.find("'Machine'"), std::string::npos) << output;
    EXPECT_NE(output.find("'MemoryObject'"), std::string::npos) << output;
}

/// A jump into nowhere, in the middle of the kernel: the panic screen on the serial line, named by `symbolize`.
TEST(Gdb, APanicNamesWhereTheKernelWas) {
    const TemporaryDirectory work;
    MachineOptions options;
    auto machine = start_for_gdb(work, options);
    const auto output = gdb({fmt::format("target remote 127.0.0.1:{}", options.gdb_port),
                             "hbreak bulkhead::kernel::start_root_task", "continue", "set $rip = 0xfffffffffffff000"},
                            "gdb.execute('detach')\n");
    std::string log;
    while (machine.receive(log, std::chrono::seconds(30)) == Received::Data) {}
    machine.stop();
    const std::string named = symbolize_text(find_layout(), log);
    EXPECT_NE(log.find("KERNEL PANIC on CPU 0: unexpected exception in the kernel"), std::string::npos) << output << log;
    EXPECT_NE(log.find("vector 14 error 0x10 rip 0xfffffffffffff000"), std::string::npos) << log;
    EXPECT_NE(named.find("enter_cpu at kernel/arch/x86_64/boot.S"), std::string::npos) << named;
}
