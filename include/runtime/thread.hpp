// SPDX-License-Identifier: Apache-2.0
// Threads of this program. Each has a stack of 64 KiB in a slot of that alignment, an unmapped page at its lower end
// as guard and its `ThreadBlock` at the upper end, so that `this_thread()` needs no segment register: FS and GS bases
// in use would send a thread's calls to the kernel's general path.
#pragma once

#include <cstdint>

#include "abi/calls.hpp"
#include "abi/layout.hpp"
#include "abi/message.hpp"
#include "abi/status.hpp"
#include "runtime/object.hpp"

namespace bulkhead::runtime {

inline constexpr uint64_t stack_slot_bytes = 64 * 1024;

using ThreadFunction = void (*)(void* argument);

/// What the runtime knows of a thread, at the top of its stack.
struct alignas(16) ThreadBlock {
    abi::MessageBuffer* message_buffer;
    const char* name;
    ThreadFunction function;
    void* argument;
    void* stack_memory;    ///< heap memory behind the stack; null for the first thread
    abi::Selector thread;  ///< null for the first thread, which holds no capability for itself
    abi::Selector scheduling_context;
    abi::Selector sleeper;  ///< notification nobody signals, for sleeping
    uint32_t cpu;
};

/// The calling thread's block.
inline ThreadBlock& this_thread() {
    uint64_t stack = 0;
    asm("mov %%rsp, %0" : "=r"(stack));
    return *reinterpret_cast<ThreadBlock*>((stack | (stack_slot_bytes - 1)) + 1 - sizeof(ThreadBlock));
}

inline uint32_t this_cpu() { return this_thread().cpu; }

struct ThreadOptions {
    const char* name = "thread";
    uint32_t cpu = 0;
    bool uses_fpu = false;
    /// Gets its exceptions; null: the portal of `environment().exception_portals` for the CPU.
    abi::Selector exception_portal = abi::null_selector;
};

/// Of a scheduling context. Budget 0: unlimited.
struct Schedule {
    uint8_t priority = 1;
    uint64_t budget_ns = 0;
    uint64_t period_ns = 0;
};

/// A thread made by this program. Copies name the same thread.
class Thread {
  public:
    constexpr Thread() = default;

    /// A thread that runs `function(argument)` once it is started.
    static abi::Result<Thread> create(const ThreadOptions& options, ThreadFunction function, void* argument);
    /// A thread that waits for calls of portals.
    static abi::Result<Thread> create_handler(const ThreadOptions& options);

    /// Gives it a scheduling context of its own: it becomes ready.
    [[nodiscard]] abi::Result<void> start(const Schedule& schedule);
    /// Destroys it and gives back all it had. Not for the calling thread.
    void destroy();

    abi::Selector selector() const { return block_->thread; }
    abi::Selector scheduling_context() const { return block_->scheduling_context; }
    ThreadBlock& block() const { return *block_; }
    explicit operator bool() const { return block_ != nullptr; }

  private:
    explicit constexpr Thread(ThreadBlock* block) : block_{block} {}
    static abi::Result<ThreadBlock*> create_block(const ThreadOptions& options);
    static abi::Result<void> create_object(ThreadBlock& block, const ThreadOptions& options, uint64_t entry,
                                           uint64_t stack, abi::ThreadFlags flags);

    ThreadBlock* block_ = nullptr;
};

/// Ends the calling thread for good: it waits for ever. Its creator may destroy it.
[[noreturn]] void stop_this_thread();

}  // namespace bulkhead::runtime
