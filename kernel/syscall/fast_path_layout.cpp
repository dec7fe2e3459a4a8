// SPDX-License-Identifier: Apache-2.0
// Checks that what the hand-laid paths touch lies where asm_offsets.h says, and gives each CPU the words they compare.
#include <cstddef>

#include "abi/layout.hpp"
#include "kernel/arch/x86_64/asm_offsets.h"
#include "kernel/arch/x86_64/cpu.hpp"
#include "kernel/capability/object_table.hpp"
#include "kernel/object/portal.hpp"
#include "kernel/object/thread.hpp"

namespace bulkhead::kernel {

struct FastPathLayout {
    using State = ExecutionContext::State;
    using Word = abi::CapabilityWord;

    static_assert(abi::stub_page_address == STUB_PAGE);
    static_assert(offsetof(Cpu, running) == CPU_RUNNING && offsetof(Cpu, running_on) == CPU_RUNNING_ON);
    static_assert(offsetof(Cpu, loaded_root) == CPU_LOADED_ROOT);
    static_assert(offsetof(Cpu, idle_handler) == CPU_IDLE_HANDLER && offsetof(Cpu, plain_caller) == CPU_PLAIN_CALLER);
    static_assert(offsetof(ExecutionContext, frame_) == CONTEXT_FRAME);
    static_assert(offsetof(ExecutionContext, slow_flags_) == CONTEXT_FLAGS && CONTEXT_FLAGS % 8 == 0);
    static_assert(offsetof(ExecutionContext, state_) == CONTEXT_STATE && sizeof(State) == 1);
    static_assert(offsetof(ExecutionContext, cpu_) == CONTEXT_FLAGS + 6);
    static_assert(offsetof(ExecutionContext, space_root_) == CONTEXT_ROOT);
    static_assert(offsetof(ExecutionContext, slots_) == CONTEXT_SLOTS);
    static_assert(offsetof(ExecutionContext, slot_count_) == CONTEXT_SLOT_COUNT);
    static_assert(offsetof(ExecutionContext, caller_) == CONTEXT_CALLER);
    static_assert(offsetof(ExecutionContext, callee_) == CONTEXT_CALLEE);
    static_assert(offsetof(ExecutionContext, donated_) == CONTEXT_DONATED);
    static_assert(ExecutionContext::SlowFlag::Vcpu == FLAG_VCPU);
    static_assert(offsetof(Thread, stack_) == THREAD_STACK);
    static_assert(offsetof(Portal, handler_) == PORTAL_HANDLER);
    static_assert(offsetof(Portal, entry_) == PORTAL_ENTRY);
    static_assert(offsetof(Portal, badge_) == PORTAL_BADGE);
    static_assert(static_cast<int>(State::Ready) == STATE_READY && static_cast<int>(State::Idle) == STATE_IDLE &&
                  static_cast<int>(State::InCall) == STATE_IN_CALL);

    static_assert(Word::Index::mask == CAPABILITY_INDEX_MASK);
    static_assert(Word::Generation::low == CAPABILITY_GENERATION_SHIFT);
    static_assert(Word::RightsField::low == CAPABILITY_RIGHTS_SHIFT);
    static_assert((Word::RightsField::make(abi::PortalRight::Call) | Word::Type::make(abi::ObjectType::Portal)) >>
                      CAPABILITY_RIGHTS_SHIFT == CAPABILITY_CALLABLE);
    static_assert((Word::RightsField::make(abi::PortalRight::Call) | Word::Type::mask) >> CAPABILITY_RIGHTS_SHIFT ==
                  CAPABILITY_CALLABLE_MASK);
    static_assert(ObjectTable::Generation::low == ENTRY_GENERATION_SHIFT);
    static_assert(Word::Generation::width == ObjectTable::Generation::width);

    static constexpr uint64_t pattern(State state, uint64_t cpu) { return static_cast<uint64_t>(state) << 32 | cpu << 48; }
};

void initialise_fast_paths(Cpu& cpu) {
    cpu.idle_handler = FastPathLayout::pattern(ExecutionContext::State::Idle, cpu.id);
    cpu.plain_caller = FastPathLayout::pattern(ExecutionContext::State::InCall, cpu.id);
}

}  // namespace bulkhead::kernel
