// SPDX-License-Identifier: Apache-2.0
// Instructions that leave the guest, as far as user space may use them, and a system call that does not, to compare.
#include <cpuid.h>
#include <fcntl.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <iterator>

#include "bench/guest/measure.hpp"
#include "bench/guest/subjects.hpp"

namespace bulkhead::guest {
namespace {

constexpr uint16_t kScratchPort = 0x3ff;     ///< COM1's scratch register: nothing but a byte that is kept
constexpr off_t kConfigurationSpace = 0xe0000000;  ///< PCI 0:0.0, vendor and device: writes change nothing
constexpr off_t kMiscEnable = 0x1a0;         ///< an MSR that leaves the guest, on Intel and AMD alike
constexpr off_t kFsBase = 0xc0000100;        ///< one that does not
constexpr const char* kMsrDevice = "/dev/cpu/0/msr";

std::string error_text(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

void system_call(benchmark::State& state) {
    measure(state, [] { ::syscall(SYS_getppid); });
}

void cpuid(benchmark::State& state) {
    measure(state, [] {
        uint32_t a = 0, b = 0, c = 0, d = 0;
        __cpuid(0, a, b, c, d);
        asm volatile("" ::"r"(a));
    });
}

bool is_amd() {
    uint32_t a = 0, b = 0, c = 0, d = 0;
    __cpuid(0, a, b, c, d);
    return b == signature_AMD_ebx;
}

sigjmp_buf after_signal;

void return_from_signal(int number) { siglongjmp(after_signal, number); }

/// Measures an instruction that the guest's kernel or its processor may refuse to user space: then it is skipped.
template <typename Operation>
void measure_unless_refused(benchmark::State& state, Operation operation) {
    constexpr int signals[] = {SIGILL, SIGSEGV, SIGBUS};
    struct sigaction before[std::size(signals)] {};
    struct sigaction action {};
    action.sa_handler = return_from_signal;
    for (size_t i = 0; i < std::size(signals); ++i) ::sigaction(signals[i], &action, &before[i]);
    const int refused = sigsetjmp(after_signal, 1);
    if (refused == 0) measure(state, operation);
    else skip(state, refused == SIGILL ? "user space gets #UD here" : "user space gets #GP here");
    for (size_t i = 0; i < std::size(signals); ++i) ::sigaction(signals[i], &before[i], nullptr);
}

constexpr long kNoHypercall = 1000;  ///< of KVM's hypercalls none is this

void vmcall() {
    long result = kNoHypercall;
    asm volatile("vmcall" : "+a"(result)::"memory");
}
void vmmcall() {
    long result = kNoHypercall;
    asm volatile("vmmcall" : "+a"(result)::"memory");
}

/// User space may not call the hypervisor, but it gets there and is told so; a processor may refuse before that.
void hypercall(benchmark::State& state) {
    if (is_amd()) measure_unless_refused(state, vmmcall);
    else measure_unless_refused(state, vmcall);
}

void port_write(benchmark::State& state) {
    if (::ioperm(kScratchPort, 1, 1) != 0) return skip(state, error_text("ioperm"));
    measure_unless_refused(state, [] { ::outb(0x5a, kScratchPort); });
}

void port_read(benchmark::State& state) {
    if (::ioperm(kScratchPort, 1, 1) != 0) return skip(state, error_text("ioperm"));
    measure_unless_refused(state, [] { asm volatile("" ::"r"(::inb(kScratchPort))); });
}

/// A page of a device, or nothing and the reason in errno. It stays mapped.
volatile uint32_t* device_page() {
    static void* page = nullptr;
    if (page != nullptr) return static_cast<volatile uint32_t*>(page);
    const int file = ::open("/dev/mem", O_RDWR | O_SYNC);
    if (file < 0) return nullptr;
    void* mapped = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, kConfigurationSpace);
    const int reason = errno;
    ::close(file);
    errno = reason;
    if (mapped == MAP_FAILED) return nullptr;
    page = mapped;
    return static_cast<volatile uint32_t*>(page);
}

void mmio_write(benchmark::State& state) {
    auto* page = device_page();
    if (page == nullptr) return skip(state, error_text("/dev/mem"));
    measure_unless_refused(state, [page] { *page = 0; });
}

void mmio_read(benchmark::State& state) {
    auto* page = device_page();
    if (page == nullptr) return skip(state, error_text("/dev/mem"));
    measure_unless_refused(state, [page] { asm volatile("" ::"r"(*page)); });
}

/// What the driver's system call takes is in the figure; `msr_read_without_exit` is nothing else.
template <bool writes>
void msr(benchmark::State& state, off_t index) {
    const int file = ::open(kMsrDevice, O_RDWR);
    if (file < 0) return skip(state, error_text(kMsrDevice));
    uint64_t value = 0;
    bool good = ::pread(file, &value, sizeof value, index) == sizeof value;
    if (writes) good = good && ::pwrite(file, &value, sizeof value, index) == sizeof value;
    if (!good) {
        skip(state, error_text("the MSR"));
    } else if (writes) {
        measure(state, [&] { good = ::pwrite(file, &value, sizeof value, index) == sizeof value && good; });
    } else {
        measure(state, [&] { good = ::pread(file, &value, sizeof value, index) == sizeof value && good; });
    }
    ::close(file);
}

}  // namespace

void register_exits() {
    benchmark::RegisterBenchmark("system_call", system_call)->UseManualTime();
    benchmark::RegisterBenchmark("cpuid", cpuid)->UseManualTime();
    benchmark::RegisterBenchmark("hypercall", hypercall)->UseManualTime();
    benchmark::RegisterBenchmark("port_write", port_write)->UseManualTime();
    benchmark::RegisterBenchmark("port_read", port_read)->UseManualTime();
    benchmark::RegisterBenchmark("mmio_write", mmio_write)->UseManualTime();
    benchmark::RegisterBenchmark("mmio_read", mmio_read)->UseManualTime();
    benchmark::RegisterBenchmark("msr_read_without_exit", msr<false>, kFsBase)->UseManualTime();
    benchmark::RegisterBenchmark("msr_read", msr<false>, kMiscEnable)->UseManualTime();
    benchmark::RegisterBenchmark("msr_write", msr<true>, kMiscEnable)->UseManualTime();
}

}  // namespace bulkhead::guest
