// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/kvm_machine.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "bench/peers/ticks.hpp"

namespace bulkhead::peers {

namespace {

constexpr uint64_t kGdt = 0x500;
constexpr uint64_t kStackTop = 0x9000;
constexpr uint64_t kPageTables = 0x10000;
constexpr unsigned kInterruptLine = 5;

int request(int file, unsigned long number, unsigned long argument, const char* what) {
    const int result = ::ioctl(file, number, argument);
    if (result < 0) fail("KVM refuses to %s", what);
    return result;
}

template <typename T>
int request(int file, unsigned long number, T* argument, const char* what) {
    return request(file, number, reinterpret_cast<unsigned long>(argument), what);
}

/// The kernel's headers give structures with a flexible array another size and layout in C++ than in C; the number of a
/// call has that size in it. So both are laid out here: a count, a word, the entries.
template <typename Entry, unsigned Capacity>
struct CountedEntries {
    static constexpr unsigned header_bytes = 8;
    uint32_t count = 0;
    uint32_t other = 0;
    Entry entries[Capacity] = {};
};
constexpr unsigned long kGetSupportedCpuid = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, 8);
constexpr unsigned long kSetCpuid = _IOC(_IOC_WRITE, KVMIO, 0x90, 8);
constexpr unsigned long kSetGsiRouting = _IOC(_IOC_WRITE, KVMIO, 0x6a, 8);

kvm_segment flat_segment(uint16_t selector, uint8_t type, bool code) {
    kvm_segment segment{};
    segment.selector = selector;
    segment.limit = ~0u;
    segment.type = type;
    segment.present = 1;
    segment.s = 1;
    segment.g = 1;
    segment.l = code ? 1 : 0;
    segment.db = code ? 0 : 1;
    return segment;
}

}  // namespace

KvmMachine::KvmMachine(uint64_t ram_bytes) : ram_bytes_{ram_bytes} {
    kvm_ = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm_ < 0) fail("cannot open /dev/kvm");
    vm_ = request(kvm_, KVM_CREATE_VM, 0ul, "make a machine");
    request(vm_, KVM_SET_TSS_ADDR, 0xfffbd000ul, "place its TSS");
    request(vm_, KVM_CREATE_IRQCHIP, 0ul, "make interrupt controllers");
    kvm_pit_config timer{};
    timer.flags = KVM_PIT_SPEAKER_DUMMY;  // port 61h, whose timer bits Linux reads
    request(vm_, KVM_CREATE_PIT2, &timer, "make a timer");
    create_memory();
    create_cpu();
}

void KvmMachine::create_memory() {
    void* memory = ::mmap(nullptr, ram_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) fail("no memory for the guest");
    ram_ = static_cast<std::byte*>(memory);
    kvm_userspace_memory_region region{};
    region.memory_size = ram_bytes_;
    region.userspace_addr = reinterpret_cast<uint64_t>(memory);
    request(vm_, KVM_SET_USER_MEMORY_REGION, &region, "give it memory");
}

void KvmMachine::create_cpu() {
    cpu_ = request(vm_, KVM_CREATE_VCPU, 0ul, "make a CPU");
    const int size = request(kvm_, KVM_GET_VCPU_MMAP_SIZE, 0ul, "tell a CPU's size");
    void* shared = ::mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, cpu_, 0);
    if (shared == MAP_FAILED) fail("cannot map the CPU");
    run_ = static_cast<kvm_run*>(shared);

    // All that KVM supports, as most monitors do.
    CountedEntries<kvm_cpuid_entry2, 256> cpuid{.count = 256};
    static_assert(offsetof(decltype(cpuid), entries) == decltype(cpuid)::header_bytes);
    request(kvm_, kGetSupportedCpuid, &cpuid, "tell what CPUID it supports");
    request(cpu_, kSetCpuid, &cpuid, "take its own CPUID");
}

/// The first GiB in large pages, one to one, and flat segments.
void KvmMachine::write_tables() {
    constexpr uint64_t present_writable = 3;
    constexpr uint64_t large = 0x80;
    *ram_at<uint64_t>(kPageTables) = (kPageTables + 0x1000) | present_writable;
    *ram_at<uint64_t>(kPageTables + 0x1000) = (kPageTables + 0x2000) | present_writable;
    for (uint64_t i = 0; i < 512; ++i) *ram_at<uint64_t>(kPageTables + 0x2000 + i * 8) = i << 21 | large | present_writable;
    *ram_at<uint64_t>(kGdt + 8) = 0x00af'9b00'0000'ffff;
    *ram_at<uint64_t>(kGdt + 16) = 0x00cf'9300'0000'ffff;
}

void KvmMachine::start_at(uint64_t rip, uint64_t rsi) {
    write_tables();
    kvm_sregs system{};
    request(cpu_, KVM_GET_SREGS, &system, "show the CPU's state");
    system.cs = flat_segment(8, 0xb, true);
    system.ss = system.ds = system.es = system.fs = system.gs = flat_segment(16, 0x3, false);
    system.gdt.base = kGdt;
    system.gdt.limit = 23;
    system.cr0 = 0x80000033;
    system.cr3 = kPageTables;
    system.cr4 = 0x20;
    system.efer = 0x500;
    request(cpu_, KVM_SET_SREGS, &system, "take the CPU's state");
    kvm_regs registers{};
    registers.rip = rip;
    registers.rsi = rsi;
    registers.rsp = kStackTop;
    registers.rflags = 2;
    request(cpu_, KVM_SET_REGS, &registers, "take the CPU's registers");
}

kvm_run& KvmMachine::run() {
    while (::ioctl(cpu_, KVM_RUN, 0) < 0) {
        if (errno != EINTR) fail("the guest does not run");
    }
    return *run_;
}

void KvmMachine::connect_doorbell(uint64_t address, bool port, int event) {
    kvm_ioeventfd doorbell{};
    doorbell.addr = address;
    doorbell.len = port ? 1 : 0;  // of memory, any length: only that takes KVM's fast path
    doorbell.fd = event;
    doorbell.flags = port ? 1u << kvm_ioeventfd_flag_nr_pio : 0;
    request(vm_, KVM_IOEVENTFD, &doorbell, "connect a doorbell");
}

void KvmMachine::connect_interrupt(uint8_t vector, int event) {
    CountedEntries<kvm_irq_routing_entry, 1> routing{.count = 1};
    routing.entries[0].gsi = kInterruptLine;
    routing.entries[0].type = KVM_IRQ_ROUTING_MSI;
    routing.entries[0].u.msi.address_lo = 0xfee00000;
    routing.entries[0].u.msi.data = vector;
    request(vm_, kSetGsiRouting, &routing, "route an interrupt");
    kvm_irqfd interrupt{};
    interrupt.fd = static_cast<uint32_t>(event);
    interrupt.gsi = kInterruptLine;
    request(vm_, KVM_IRQFD, &interrupt, "connect an interrupt");
}

void KvmMachine::set_line(unsigned line, bool level) {
    kvm_irq_level change{};
    change.irq = line;
    change.level = level ? 1 : 0;
    request(vm_, KVM_IRQ_LINE, &change, "set an interrupt line");
}

}  // namespace bulkhead::peers
