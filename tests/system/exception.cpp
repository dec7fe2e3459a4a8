// SPDX-License-Identifier: Apache-2.0
// Exceptions as calls to the exception portal: what it is told, the three answers, and paging by a user-level pager.
#include <atomic>
#include <cstring>

#include "base/address.hpp"
#include "tests/system/framework/probe.hpp"
#include "tests/system/framework/world.hpp"

namespace bulkhead::test {
namespace {

using runtime::message_buffer;
using runtime::message_handler;
using runtime::Request;

constexpr uint64_t place = 0x20'0000'0000;

PROBE_FUNCTION(divide_by_zero, "xor %ecx, %ecx\n\tmov $1, %eax\n\txor %edx, %edx\n\tdiv %ecx")
PROBE_FUNCTION(execute_ud2, "ud2")
PROBE_FUNCTION(execute_int3, "int3")
PROBE_FUNCTION(execute_int_80, "int $0x80")
PROBE_FUNCTION(execute_int_32, "int $32")
PROBE_FUNCTION(execute_int_254, "int $254")
PROBE_FUNCTION(execute_int_2, "int $2")
PROBE_FUNCTION(execute_int_8, "int $8")
PROBE_FUNCTION(execute_hlt, "hlt")
PROBE_FUNCTION(execute_cli, "cli")
PROBE_FUNCTION(execute_rdmsr, "xor %ecx, %ecx\n\trdmsr")
PROBE_FUNCTION(execute_wrmsr, "xor %ecx, %ecx\n\txor %eax, %eax\n\txor %edx, %edx\n\twrmsr")
PROBE_FUNCTION(read_cr0, "mov %cr0, %rax")
PROBE_FUNCTION(write_cr3, "mov %rax, %cr3")
PROBE_FUNCTION(read_dr7, "mov %dr7, %rax")
PROBE_FUNCTION(load_gdt, "lgdt (%rsp)")
PROBE_FUNCTION(load_idt, "lidt (%rsp)")
PROBE_FUNCTION(load_tr, "xor %eax, %eax\n\tltr %ax")
PROBE_FUNCTION(execute_invlpg, "invlpg (%rsp)")
PROBE_FUNCTION(execute_wbinvd, "wbinvd")
PROBE_FUNCTION(execute_vmcall, ".byte 0x0f, 0x01, 0xc1")
PROBE_FUNCTION(execute_vmmcall, ".byte 0x0f, 0x01, 0xd9")
PROBE_FUNCTION(execute_vmrun, ".byte 0x0f, 0x01, 0xd8")
PROBE_FUNCTION(execute_vmxoff, ".byte 0x0f, 0x01, 0xc4")
PROBE_FUNCTION(execute_swapgs, "swapgs")
PROBE_FUNCTION(execute_sysret, "sysretq")
PROBE_FUNCTION(execute_sysexit, "sysexitq")
PROBE_FUNCTION(execute_iret_to_kernel, "push $0x10\n\tpush %rsp\n\tpushf\n\tpush $0x08\n\tpush %rbx\n\tiretq")
PROBE_FUNCTION(load_kernel_segment, "mov $0x10, %eax\n\tmov %eax, %ss")
PROBE_FUNCTION(load_bad_segment, "mov $0xfff8, %eax\n\tmov %eax, %ds")
PROBE_FUNCTION(use_fpu, "fninit")
PROBE_FUNCTION(use_sse, "xorps %xmm0, %xmm0")
PROBE_FUNCTION(single_step, "pushf\n\torq $0x100, (%rsp)\n\tpopf\n\tnop\n\tnop")
PROBE_FUNCTION(far_call_to_kernel, "push $0x08\n\tpush %rbx\n\tlretq")
PROBE_FUNCTION(noncanonical_push, "mov $0x8000000000000000, %rsp\n\tpush %rax")
PROBE_FUNCTION(noncanonical_jump, "mov $0x8000000000000000, %rcx\n\tjmp *%rcx")

}  // namespace

SYSTEM_TEST(faults_and_their_vectors) {
    EXPECT_FAULT(probe(divide_by_zero, 0), divide_error);
    EXPECT_FAULT(probe(execute_ud2, 0), invalid_opcode);
    EXPECT_FAULT(probe(execute_int3, 0), breakpoint);
    const Outcome step = probe(single_step, 0);
    EXPECT_FAULT(step, debug_exception);
}

SYSTEM_TEST(privileged_instructions_fault) {
    for (const auto function :
         {execute_hlt, execute_cli, execute_rdmsr, execute_wrmsr, read_cr0, write_cr3, read_dr7, load_gdt, load_idt,
          load_tr, execute_invlpg, execute_wbinvd, execute_swapgs, execute_sysret, execute_sysexit}) {
        const Outcome outcome = probe(function, 0);
        EXPECT(outcome == general_protection || outcome == invalid_opcode);
    }
    for (const auto function : {execute_vmcall, execute_vmmcall, execute_vmrun, execute_vmxoff}) {
        const Outcome outcome = probe(function, 0);
        EXPECT(outcome == general_protection || outcome == invalid_opcode);
    }
}

SYSTEM_TEST(software_interrupts_fault) {
    for (const auto function : {execute_int_80, execute_int_32, execute_int_254, execute_int_2, execute_int_8}) {
        EXPECT_FAULT(probe(function, 0), general_protection);
    }
}

SYSTEM_TEST(segments_and_far_transfers_fault) {
    EXPECT_FAULT(probe(load_kernel_segment, 0), general_protection);
    EXPECT_FAULT(probe(load_bad_segment, 0), general_protection);
    // QEMU reads the stack of these as the kernel would, so that with SMAP they are page faults there.
    EXPECT(probe(far_call_to_kernel, 0).faulted);
    EXPECT(probe(execute_iret_to_kernel, 0).faulted);
}

SYSTEM_TEST(threads_without_fpu_fault_on_it) {
    EXPECT_FAULT(probe(use_fpu, 0), device_not_available);
    EXPECT_FAULT(probe(use_sse, 0), device_not_available);
}

SYSTEM_TEST(what_the_exception_portal_is_told) {
    const Outcome outcome = probe_write(place + 0x123);
    EXPECT_FAULT(outcome, page_fault);
    EXPECT_EQ(outcome.address, place + 0x123);
    EXPECT_EQ(outcome.frame.vector, 14u);
    EXPECT_EQ(outcome.frame.error_code, outcome.error_code);
    EXPECT_EQ(outcome.frame.rdi, place + 0x123);
    EXPECT_EQ(outcome.frame.cs & 3, 3u);
    EXPECT_EQ(outcome.frame.ss & 3, 3u);
    EXPECT_EQ(outcome.frame.rflags & 0x200, 0x200u);
    EXPECT(outcome.frame.rip >= abi::program_base_address);
}

namespace {

/// An exception handler under test: what it answers, and what it saw.
struct Watcher {
    abi::ExceptionReply answer = abi::ExceptionReply::Hold;
    uint16_t reply_words = 0;
    std::atomic<unsigned> calls{0};
    std::atomic<uint32_t> label{0};
    bool (*change)(abi::ExceptionFrame& frame) = nullptr;

    static void handle(uint64_t badge, Request& request) {
        auto& watcher = *reinterpret_cast<Watcher*>(badge);
        watcher.label = request.label();
        ++watcher.calls;
        if (watcher.change != nullptr) {
            abi::ExceptionFrame frame;
            std::memcpy(&frame, message_buffer().words, sizeof frame);
            if (watcher.change(frame)) std::memcpy(message_buffer().words, &frame, sizeof frame);
        }
        request.reply(static_cast<uint32_t>(watcher.answer)).reply_buffer_words(watcher.reply_words);
    }
};

struct Faulter {
    std::atomic<bool> started{false};
    std::atomic<bool> passed{false};
    static void run(void* argument) {
        auto& faulter = *static_cast<Faulter*>(argument);
        faulter.started = true;
        asm volatile("ud2" : : : "memory");
        faulter.passed = true;
        runtime::stop_this_thread();
    }
};

void handle_by_fault(uint64_t /*badge*/, Request& /*request*/) { asm volatile("ud2"); }

constexpr uint16_t frame_words = sizeof(abi::ExceptionFrame) / 8;

}  // namespace

SYSTEM_TEST(held_threads_stay_stopped) {
    Watcher watcher;
    Handler handler = NEEDED(Handler::create(message_handler<Watcher::handle>, reinterpret_cast<uint64_t>(&watcher)));
    Faulter faulter;
    runtime::Thread thread = NEEDED(start_thread(Faulter::run, &faulter, high_priority, 0, handler.portal.selector()));
    EXPECT(eventually([&] { return watcher.calls.load() == 1; }));
    runtime::sleep_for(2 * ns_per_ms);
    EXPECT_EQ(watcher.calls.load(), 1u);
    EXPECT(!faulter.passed);
    EXPECT_EQ(watcher.label.load(), 6u);
    thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(resume_tries_again) {
    Watcher watcher;
    watcher.answer = abi::ExceptionReply::Resume;
    Handler handler = NEEDED(Handler::create(message_handler<Watcher::handle>, reinterpret_cast<uint64_t>(&watcher)));
    Faulter faulter;
    runtime::Thread thread = NEEDED(start_thread(Faulter::run, &faulter, low_priority, 0, handler.portal.selector()));
    EXPECT(eventually([&] { return watcher.calls.load() > 10; }));
    watcher.answer = abi::ExceptionReply::Hold;
    EXPECT(!faulter.passed);
    thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(resume_with_a_changed_frame) {
    Watcher watcher;
    watcher.answer = abi::ExceptionReply::ResumeWithFrame;
    watcher.reply_words = frame_words;
    watcher.change = [](abi::ExceptionFrame& frame) {
        frame.rip += 2;
        return true;
    };
    Handler handler = NEEDED(Handler::create(message_handler<Watcher::handle>, reinterpret_cast<uint64_t>(&watcher)));
    Faulter faulter;
    runtime::Thread thread = NEEDED(start_thread(Faulter::run, &faulter, high_priority, 0, handler.portal.selector()));
    EXPECT(eventually([&] { return faulter.passed.load(); }));
    EXPECT_EQ(watcher.calls.load(), 1u);
    thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(hostile_frames_do_no_harm) {
    static unsigned variant;
    constexpr unsigned variants = 20;
    for (variant = 0; variant < variants; ++variant) {
        Watcher watcher;
        watcher.answer = abi::ExceptionReply::ResumeWithFrame;
        watcher.reply_words = frame_words;
        watcher.change = [](abi::ExceptionFrame& frame) {
            switch (variant) {
                case 0:
                    frame.rip = 0xffff'8000'0000'0000;
                    break;
                case 1:
                    frame.rip = 0x8000'0000'0000;
                    break;
                case 2:
                    frame.rip = 0x7fff'ffff'ffff;
                    break;
                case 3:
                    frame.cs = 0x08;
                    break;
                case 4:
                    frame.ss = 0x10;
                    break;
                case 5:
                    frame.cs = 0;
                    break;
                case 6:
                    frame.ss = 0;
                    break;
                case 7:
                    frame.cs = 0x33;
                    break;
                case 8:
                    frame.rflags = 0x3202;
                    break;  // IOPL 3
                case 9:
                    frame.rflags = 0x2;
                    break;  // IF off
                case 10:
                    frame.rflags = 0x20202;
                    break;  // VM
                case 11:
                    frame.rflags = 0x4202;
                    break;  // NT
                case 12:
                    frame.rsp = 0x8000'0000'0000'0000;
                    break;
                case 13:
                    frame.rflags = ~uint64_t{0};
                    break;
                case 14:
                    frame.cs = 0xffff;
                    frame.ss = 0xffff;
                    break;
                case 15:
                case 16:
                case 17:
                case 18: {
                    // Where the kernel returns by SYSEXIT or SYSRET, which fault in ring 0 on such stacks.
                    constexpr uint64_t stacks[] = {0x8000'0000'0000'0000, 0x8000'0000'0000, ~uint64_t{0}, 0};
                    frame.rip = abi::stub_page_address + 8;
                    frame.rflags = 0x202;
                    frame.rsp = stacks[variant - 15];
                    break;
                }
                default:
                    std::memset(&frame, 0xff, sizeof frame);
                    break;
            }
            return true;
        };
        Handler handler =
            NEEDED(Handler::create(message_handler<Watcher::handle>, reinterpret_cast<uint64_t>(&watcher)));
        Faulter faulter;
        runtime::Thread thread =
            NEEDED(start_thread(Faulter::run, &faulter, low_priority, 0, handler.portal.selector()));
        EXPECT(eventually([&] { return watcher.calls.load() > 0; }));
        runtime::sleep_for(ns_per_ms / 2);
        thread.destroy();
        handler.destroy();
    }
    EXPECT_OK(invoke(abi::Null{}));
}

SYSTEM_TEST(a_frame_that_is_too_short_is_none) {
    Watcher watcher;
    watcher.answer = abi::ExceptionReply::ResumeWithFrame;
    watcher.reply_words = frame_words - 1;
    Handler handler = NEEDED(Handler::create(message_handler<Watcher::handle>, reinterpret_cast<uint64_t>(&watcher)));
    Faulter faulter;
    runtime::Thread thread = NEEDED(start_thread(Faulter::run, &faulter, high_priority, 0, handler.portal.selector()));
    EXPECT(eventually([&] { return watcher.calls.load() == 1; }));
    runtime::sleep_for(ns_per_ms);
    EXPECT(!faulter.passed);
    thread.destroy();
    handler.destroy();
}

SYSTEM_TEST(without_exception_portal_the_thread_stops) {
    Faulter faulter;
    runtime::Thread thread = NEEDED(start_thread(Faulter::run, &faulter, high_priority));
    EXPECT(eventually([&] { return faulter.started.load(); }));
    runtime::sleep_for(ns_per_ms);
    EXPECT(!faulter.passed);
    thread.destroy();
}

SYSTEM_TEST(exception_handler_that_dies) {
    Watcher watcher;
    Handler handler = NEEDED(Handler::create(message_handler<Watcher::handle>, reinterpret_cast<uint64_t>(&watcher)));
    const Selector portal = NEEDED(handler.portal.restricted(abi::all_rights));
    struct Late {
        std::atomic<bool> go{false};
        std::atomic<bool> passed{false};
        static void run(void* argument) {
            auto& late = *static_cast<Late*>(argument);
            while (!late.go) runtime::sleep_for(100 * ns_per_us);
            asm volatile("ud2" : : : "memory");
            late.passed = true;
        }
    };
    Late late;
    runtime::Thread thread = NEEDED(start_thread(Late::run, &late, high_priority, 0, portal));
    handler.destroy();
    late.go = true;
    runtime::sleep_for(2 * ns_per_ms);
    EXPECT(!late.passed);
    EXPECT_EQ(watcher.calls.load(), 0u);
    thread.destroy();
    runtime::Capability{portal}.forget();
}

SYSTEM_TEST(a_fault_in_the_exception_handler) {
    Handler handler = NEEDED(Handler::create(message_handler<handle_by_fault>));
    Faulter faulter;
    runtime::Thread thread = NEEDED(start_thread(Faulter::run, &faulter, high_priority, 0, handler.portal.selector()));
    EXPECT(eventually([&] { return faulter.started.load(); }));
    runtime::sleep_for(2 * ns_per_ms);
    EXPECT(!faulter.passed);
    thread.destroy();
    handler.destroy();
}

namespace {

/// A pager: maps the page that is missing, from one memory object, page for page.
struct Pager {
    Memory memory;
    uint64_t bytes = 0;
    Selector domain = self;
    std::atomic<unsigned> faults{0};

    static void handle(uint64_t badge, Request& request) {
        auto& pager = *reinterpret_cast<Pager*>(badge);
        const uint64_t offset = align_down(request.words[2] - place, page_size_bytes);
        ++pager.faults;
        const bool mine = request.label() == page_fault && offset < pager.bytes;
        const bool mapped =
            mine && pager.memory.map(place + offset, offset, page_size_bytes, runtime::read_write, pager.domain).ok();
        request.reply(static_cast<uint32_t>(mapped ? abi::ExceptionReply::Resume : abi::ExceptionReply::Hold));
    }
};

struct Toucher {
    std::atomic<uint64_t> sum{0};
    std::atomic<bool> done{false};
    uint64_t pages = 0;
    static void run(void* argument) {
        auto& toucher = *static_cast<Toucher*>(argument);
        for (uint64_t i = 0; i < toucher.pages; ++i)
            *reinterpret_cast<volatile uint64_t*>(place + i * page_size_bytes) = i;
        for (uint64_t i = 0; i < toucher.pages; ++i) {
            toucher.sum += *reinterpret_cast<volatile uint64_t*>(place + i * page_size_bytes);
        }
        toucher.done = true;
        for (;;) asm volatile("ud2");
    }
};

}  // namespace

SYSTEM_TEST(user_level_paging) {
    constexpr uint64_t pages = 40;
    Pager pager;
    pager.bytes = pages * page_size_bytes;
    pager.memory = NEEDED(take_memory(pager.bytes));
    Handler handler = NEEDED(Handler::create(message_handler<Pager::handle>, reinterpret_cast<uint64_t>(&pager)));
    Toucher toucher;
    toucher.pages = pages;
    runtime::Thread thread = NEEDED(start_thread(Toucher::run, &toucher, high_priority, 0, handler.portal.selector()));
    EXPECT(eventually([&] { return toucher.done.load(); }));
    EXPECT_EQ(toucher.sum.load(), pages * (pages - 1) / 2);
    EXPECT(pager.faults >= pages);
    thread.destroy();
    handler.destroy();
    give_memory_back(pager.memory);
}

SYSTEM_TEST(paging_for_another_domain) {
    constexpr uint64_t pages = 20;
    Child child = NEEDED(Child::create());
    Pager pager;
    pager.bytes = pages * page_size_bytes;
    pager.memory = NEEDED(take_memory(pager.bytes));
    pager.domain = child.domain.selector();
    Handler handler = NEEDED(Handler::create(message_handler<Pager::handle>, reinterpret_cast<uint64_t>(&pager)));
    auto* toucher = new (&child.shared<char>()) Toucher;
    toucher->pages = pages;
    NEEDED(child.start(Toucher::run, toucher, high_priority, 0, handler.portal.selector()));
    EXPECT(eventually([&] { return toucher->done.load(); }));
    EXPECT_EQ(toucher->sum.load(), pages * (pages - 1) / 2);
    child.destroy();
    handler.destroy();
    give_memory_back(pager.memory);
}

SYSTEM_TEST(noncanonical_addresses) {
    EXPECT_FAULT(probe_read(0x8000'0000'0000'0000), general_protection);
    EXPECT_FAULT(probe(noncanonical_jump, 0), general_protection);
    const Outcome push = probe(noncanonical_push, 0);
    EXPECT(push == stack_fault || push == general_protection);  // QEMU does not tell them apart
}

}  // namespace bulkhead::test
