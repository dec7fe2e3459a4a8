// SPDX-License-Identifier: Apache-2.0
// Life of a virtual CPU: made, bound, run, parked, woken, destroyed. Exits are in vcpu_exit.cpp, replies in
// vcpu_reply.cpp.
#include "kernel/arch/x86_64/user_context.hpp"
#include "kernel/arch/x86_64/vcpu_backend.hpp"
#include "kernel/memory/kernel_space.hpp"
#include "kernel/object/domain.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/platform/timer.hpp"
#include "kernel/schedule/cross_cpu.hpp"
#include "kernel/schedule/scheduler.hpp"

namespace bulkhead::kernel {

using abi::PostKind, abi::Status;

constexpr unsigned state_memory_order = 1;
static_assert(abi::vcpu_state_memory_bytes == page_size_bytes << state_memory_order);

Vcpu::Vcpu(Domain& guest, uint32_t cpu)
    : ExecutionContext{object_type, guest, cpu, SlowFlag::Vcpu}, space_{&guest.space()}, timer_{timer_expired, this} {
    exit_[abi::Register::Rsi] = sequence_;
}

/// The state page goes into the hardware as one of a monitor's would.
abi::Result<void> Vcpu::initialise(uint32_t cpu) {
    bool ready = false;
    cross_cpu::run_on(cpu, [&] { ready = initialize_virtualization(); });
    if (!ready) return Status::NotSupported;
    ObjectHeap& heap = domain().heap();
    state_memory_ = TRY(heap.allocate_pages(state_memory_order));
    fpu_ = TRY(FpuState::create(domain()));
    hardware_.control_block = TRY(heap.allocate_pages(0));
    hardware_.control_block_address = physical_of(hardware_.control_block);
    hardware_.virtual_apic_page = physical_of(state_memory_) + abi::virtual_apic_page_offset;
    hardware_.frame.kernel_stack_top = Cpu::at(cpu).kernel_stack_top;
    hardware_.guest_space = space_->root();
    hardware_.host_space = kernel_root();
    set_init_state(page());
    cross_cpu::run_on(cpu, [this] {
        vcpu_backend().create(*this);
        vcpu_backend().load(*this);
        const bool good = load_groups(abi::all_vcpu_state_groups);
        ASSERT(good);
    });
    exit_[abi::Register::R13] = hardware_.rip;
    return {};
}

Range Vcpu::state_memory() const {
    return *Range::create(physical_of(state_memory_).value(), abi::vcpu_state_memory_bytes);
}

void Vcpu::bind(uint64_t portal_word, const Portal& portal) {
    // Read once: the page is the monitor's to change at any time.
    const volatile abi::VcpuConfiguration& configuration = page().configuration;
    for (size_t reason = 0; reason < static_cast<size_t>(abi::ExitReason::Count); ++reason)
        groups_[reason] = configuration.groups[reason] & abi::all_vcpu_state_groups;
    absorb_ = configuration.absorb;
    portal_word_ = portal_word;
    hardware_.host_space = portal.handler().domain().space().root();
    vcpu_backend().set_host_space(*this, hardware_.host_space);
    if (phase_ != Phase::InExit) return;
    // The exit at hand goes to the new portal: whoever works on it replies to nobody.
    leave_call();
    make_ready();
}

abi::Result<void> Vcpu::pull(uint32_t groups) {
    if (phase_ != Phase::InExit || state() != State::InCall) return Status::Busy;
    vcpu_backend().load(*this);
    save_groups(groups & abi::all_vcpu_state_groups);
    vcpu_backend().leave();
    return {};
}

void Vcpu::post(uint8_t vector, PostKind kind) {
    if (kind == PostKind::Nmi) return notify(Event::Nmi);
    request(vector, kind == PostKind::FixedLevel);
    notify(Event::Interrupt);
}

/// Who sees the request afterwards sees its kind, too.
void Vcpu::request(uint8_t vector, bool level) {
    if (apic().set_level(vector, level)) events_.fetch_or(Event::Levels);
    apic().request(vector);
}

void Vcpu::notify(uint32_t event) {
    const uint32_t before = events_.fetch_or(event);
    const Activity activity = activity_.load();
    if (activity == Activity::Parked) Scheduler::wake_from_anywhere(*this);
    // Whoever set the bit first has kicked it out.
    if (activity == Activity::InGuest && (before & event) == 0 && cpu() != Cpu::current().id) cross_cpu::kick(cpu());
}

void Vcpu::woken() {
    if (phase_ != Phase::InExit && state() == State::Waiting && parking_is_over()) make_ready();
}

/// Whether something came that ends the parking. Forgets the note of an interrupt first, then looks for one.
bool Vcpu::parking_is_over() {
    const uint32_t events = events_.fetch_and(~Event::Interrupt);
    if ((events & Event::Recall) != 0) return true;
    if (phase_ == Phase::ParkedUntilRecall) return false;
    if ((events & Event::Nmi) != 0) return true;
    return interrupts_enabled_ && apic().deliverable().has_value();
}

void Vcpu::resume() {
    if (phase_ == Phase::InExit) {
        set_state(State::Ready);
        send_exit();
    }
    if (phase_ != Phase::Running) {
        activity_.exchange(Activity::Parked);
        if (!parking_is_over()) block(State::Waiting);
        events_.fetch_or(Event::Interrupt);  // judged anew on the way into the guest
        phase_ = Phase::Running;
    }
    follow_spaces();
    fpu_->prepare_for_guest();
    activity_.exchange(Activity::InGuest);
    go_on();
}

/// What may have changed while other code ran on this CPU: translations of the guest, the monitor's existence. Both
/// are followed by a broadcast that makes guests exit, so testing here is soon enough (graveyard.cpp).
void Vcpu::follow_spaces() {
    VcpuBackend backend = vcpu_backend();
    backend.load(*this);
    if (const uint64_t now = space_->flush_generation(); now != flush_generation_) [[unlikely]] {
        flush_generation_ = now;
        backend.flush_guest_translations(*this);
    }
    if (ObjectTable::find(portal_word_) == nullptr && hardware_.host_space != kernel_root()) [[unlikely]] {
        hardware_.host_space = kernel_root();
        backend.set_host_space(*this, hardware_.host_space);
    }
}

void Vcpu::go_on() {
    while (events_.load(std::memory_order_relaxed) != 0) [[unlikely]] take_events();
    vcpu_backend().enter(*this);
}

/// From the hand-laid path of a reply.
extern "C" [[noreturn]] void enter_with_events(Vcpu& vcpu) { vcpu.go_on(); }

void Vcpu::take_events() {
    VcpuBackend backend = vcpu_backend();
    const uint32_t events = events_.exchange(0);
    if ((events & Event::Recall) != 0) {
        events_.fetch_or(events & ~Event::Recall);
        backend.note_position(*this);
        on_other(abi::ExitReason::Recall);
    }
    if ((events & Event::Nmi) != 0) backend.deliver_nmi(*this);
    if ((events & Event::Levels) != 0) hardware_.apic_changed = true;
    if ((events & Event::Interrupt) != 0) backend.deliver_interrupts(*this);
}

void Vcpu::on_interrupt() { Scheduler::current().leave_kernel(); }

void Vcpu::starts_waiting() {
    if (waits_since_ == 0) waits_since_ = read_tsc();
    page().preempted = 1;
}

void Vcpu::stops_waiting(uint64_t now) {
    if (waits_since_ == 0) return;
    stolen_ticks_ += now - waits_since_;
    waits_since_ = 0;
    constexpr uint64_t ns_per_second = 1'000'000'000;
    page().stolen_ns = stolen_ticks_ / tsc_hz() * ns_per_second + stolen_ticks_ % tsc_hz() * ns_per_second / tsc_hz();
    page().preempted = 0;
}

void Vcpu::retire() {
    while (VirtualInterrupt* interrupt = virtual_interrupts_.front()) interrupt->lose_target();
    Scheduler::current().timers().cancel(timer_);
    if (hardware_.control_block != nullptr) vcpu_backend().destroy(*this);
    leave_chains();
}

void Vcpu::release() {
    if (fpu_ != nullptr) fpu_->destroy(domain());
    domain().heap().free_pages(hardware_.control_block, 0);
    domain().heap().free_pages(state_memory_, state_memory_order);
}

}  // namespace bulkhead::kernel
