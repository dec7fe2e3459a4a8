// SPDX-License-Identifier: Apache-2.0
// Wrong manifests: the message, its place and what it says is allowed, word by word.
#include <gtest/gtest.h>

#include "tools/manifest/compile.hpp"

namespace bulkhead::manifest {
namespace {

std::string diagnose(std::string_view text, const CompileOptions& options = {}) {
    const CompileResult result = compile(text, "m.toml", options);
    EXPECT_EQ(result.bytes.empty(), !result.ok());
    std::string all;
    for (const Diagnostic& diagnostic : result.diagnostics) all += diagnostic.text() + "\n";
    return all;
}

void expect_contains(const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << "in: " << text;
}

TEST(Diagnostics, NoToml) { expect_contains(diagnose("[domain.a\n"), "m.toml:1:"); }

TEST(Diagnostics, NothingAtAll) {
    EXPECT_EQ(diagnose(""),
              "m.toml: the manifest has neither domains nor virtual machines; allowed: [domain.NAME], "
              "[vm.NAME]\n");
}

TEST(Diagnostics, UnknownKeys) {
    EXPECT_EQ(diagnose("[domain.a]\nprogram = \"p\"\nmemroy = \"1M\"\n"),
              "m.toml:3:1: domain 'a': unknown key 'memroy'; allowed: program, arguments, memory, state, quota, "
              "heartbeat, cpus, priority, budget, period, restart, provides, uses, may, devices\n");
    expect_contains(diagnose("[domian.a]\nprogram = \"p\"\n"),
                    "the manifest: unknown key 'domian'; allowed: name, machine, domain, vm, chaos");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\ndevices = [{ name = \"d\", port = \"3f8\" }]\n"),
                    "unknown key 'port'");
    expect_contains(diagnose("[machine]\ncpu = 2\n[domain.a]\nprogram = \"p\"\n"),
                    "m.toml:2:1: [machine]: unknown key 'cpu'; allowed: memory, cpus");
}

TEST(Diagnostics, MissingKeys) {
    EXPECT_EQ(diagnose("[domain.a]\nmemory = \"1M\"\n"),
              "m.toml:1:1: domain 'a': 'program' is missing; allowed: the name of a program of this system, such as "
              "\"uart\"\n");
    const std::string vm = diagnose("[vm.a]\nvcpus = 1\n");
    expect_contains(vm, "virtual machine 'a': 'memory' is missing");
    expect_contains(vm, "virtual machine 'a': 'kernel' is missing");
}

TEST(Diagnostics, WrongValues) {
    EXPECT_EQ(diagnose("[domain.a]\nprogram = \"p\"\nmemory = \"lots\"\n"),
              "m.toml:3:10: domain 'a': wrong value for 'memory'; allowed: a size such as \"64K\", \"16M\", \"1G\", a "
              "multiple of 4K, at least 64K\n");
    EXPECT_EQ(diagnose("[domain.a]\nprogram = \"p\"\npriority = 250\n"),
              "m.toml:3:12: domain 'a': wrong value for 'priority'; allowed: a number from 1 to 249\n");
    EXPECT_EQ(diagnose("[domain.a]\nprogram = \"p\"\nrestart = \"sometimes\"\n"),
              "m.toml:3:11: domain 'a': wrong value for 'restart'; allowed: never, on-failure, always\n");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\nmay = [\"fly\"]\n"),
                    "unknown right 'fly'; allowed: halt, read-log");
    expect_contains(diagnose("[domain.a]\nprogram = 5\n"), "m.toml:2:11: domain 'a': wrong value for 'program'");
    expect_contains(diagnose("[domain.\"a b\"]\nprogram = \"p\"\n"), "wrong name 'a b'");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\ncpus = [0, 0]\n"), "m.toml:3:8: CPU 0 is listed twice");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\nbudget = \"5ms\"\n"), "budget without period");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\nbudget = \"5ms\"\nperiod = \"1ms\"\n"),
                    "greater than its period");
    expect_contains(diagnose("[vm.a]\nmemory = \"64M\"\nkernel = \"k\"\nvcpus = 5\n"), "a number from 1 to 4");
    expect_contains(diagnose("[vm.a]\nmemory = \"64M\"\nkernel = \"k\"\nvcpus = 2\ncpus = [0]\n"),
                    "does not name one CPU per vCPU");
    expect_contains(diagnose("[vm.a]\nmemory = \"64M\"\nkernel = \"k\"\non-power-off = \"explode\"\n"),
                    "stop, restart, halt-system");
    // A machine nobody builds is not quietly another one.
    EXPECT_EQ(diagnose("[vm.a]\nmemory = \"64M\"\nkernel = \"k\"\nconsole = false\nprofile = \"pc\"\n"),
              "m.toml:5:11: virtual machine 'a': wrong value for 'profile'; allowed: micro\n");
}

TEST(Diagnostics, DuplicateNames) {
    // Tables of one name are TOML's own error.
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\n[domain.a]\nprogram = \"p\"\n"), "m.toml:3:");
    EXPECT_EQ(
        diagnose("[domain.a]\nprogram = \"p\"\nprovides = [\"s\"]\n[domain.b]\nprogram = \"p\"\nprovides = [\"s\"]\n"),
        "m.toml:6:13: service 's' is provided by domain 'a' already; allowed: one provider per service\n");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\ndevices = [{ name = \"heap\", interrupt = 4 }]\n"),
                    "domain 'a' has two capabilities named 'heap'");
}

TEST(Diagnostics, Connections) {
    EXPECT_EQ(
        diagnose("[domain.a]\nprogram = \"p\"\nprovides = [\"s\"]\n[domain.b]\nprogram = \"p\"\nuses = [\"t\"]\n"),
        "m.toml:6:9: domain 'b' uses service 't', which nobody provides; allowed: s\n");
    EXPECT_EQ(
        diagnose("[domain.a]\nprogram = \"p\"\nprovides = [\"s\"]\n[domain.b]\nprogram = \"p\"\ncpus = [0, 1]\nuses = "
                 "[\"s\"]\n"),
        "m.toml:7:9: domain 'b' runs on CPU 1, where service 's' of domain 'a' has no handler; allowed: callers on "
        "CPUs of the callee only: calls stay on one CPU; give 'a' more 'cpus', or cpus = \"all\"\n");
    expect_contains(diagnose("[vm.a]\nmemory = \"64M\"\nkernel = \"k\"\n"),
                    "domain 'vmm:a' uses service 'console', which nobody provides");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\nprovides = [\"s\"]\nuses = [\"s\"]\n"),
                    "uses its own service");
}

TEST(Diagnostics, Devices) {
    EXPECT_EQ(diagnose("[domain.a]\nprogram = \"p\"\ndevices = [{ name = \"x\", ports = \"3f8-3ff\" }]\n"
                       "[domain.b]\nprogram = \"p\"\ndevices = [{ name = \"y\", ports = \"3ff\" }]\n"),
              "m.toml:6:12: domain 'b': device 'y' overlaps device 'x' of domain 'a' (line 3); allowed: each port, "
              "interrupt line and piece of device memory for one domain\n");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\ndevices = [{ name = \"x\" }]\n"),
                    "a device is exactly one of these");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\ndevices = [{ name = \"x\", ports = \"3ff-3f8\" }]\n"),
                    "a range in hexadecimal");
    expect_contains(diagnose("[domain.a]\nprogram = \"p\"\ndevices = [{ name = \"x\", memory = \"fed40010\" }]\n"),
                    "on a 4K boundary");
    expect_contains(
        diagnose("[domain.a]\nprogram = \"p\"\ndevices = [{ name = \"x\", interrupt = 4, size = \"4K\" }]\n"),
        "only device memory has a size");
}

TEST(Diagnostics, Overcommit) {
    expect_contains(
        diagnose("[machine]\nmemory = \"512M\"\n[vm.a]\nmemory = \"256M\"\nkernel = \"k\"\nconsole = false\n"
                 "[vm.b]\nmemory = \"256M\"\nkernel = \"k\"\nconsole = false\n"),
        "m.toml:2:10: too much memory is given away: ");
    EXPECT_EQ(diagnose("[machine]\ncpus = 2\n[domain.a]\nprogram = \"p\"\ncpus = [2]\n"),
              "m.toml:5:8: domain 'a' is placed on CPU 2, but the machine has 2 CPUs; allowed: 0 to 1\n");
    CompileOptions options;
    options.machine_memory_bytes = 128 << 20;
    expect_contains(diagnose("[vm.a]\nmemory = \"256M\"\nkernel = \"k\"\nconsole = false\n", options),
                    "too much memory");
}

TEST(Diagnostics, Chaos) {
    EXPECT_EQ(diagnose("[domain.a]\nprogram = \"p\"\n[[chaos]]\nkill = \"b\"\n"),
              "m.toml:4:8: [[chaos]]: there is no domain 'b'; allowed: init, a\n");
}

TEST(Diagnostics, TheRootTasksNameIsTaken) {
    EXPECT_EQ(diagnose("[domain.init]\nprogram = \"p\"\n"),
              "m.toml:1:9: domain 'init': this is the root task's name; allowed: any other name\n");
}

TEST(Diagnostics, AllMistakesAtOnce) {
    const std::string text = diagnose("[domain.a]\nprogram = 1\nmemory = 1\npriority = 0\n");
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

}  // namespace
}  // namespace bulkhead::manifest
