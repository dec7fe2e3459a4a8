// SPDX-License-Identifier: Apache-2.0
// Messages: the tag word in RAX, nine words in registers, and the message buffer for what is longer.
//
// A portal call transfers the tag's label and all nine words RSI, R8, R9, R10, RBX, R12, R13, R14, R15 as they are in
// the registers, both ways: there is no other register whose content could leak. RDI is the portal's selector on the
// way in and the portal's badge when it arrives. Everything but RSP is lost in the caller across a call.
#pragma once

#include "abi/capability.hpp"
#include "abi/register.hpp"
#include "abi/status.hpp"

namespace bulkhead::abi {

/// RAX of a call or reply. A tag whose bits 8..31 are zero takes the fast path.
struct MessageTag {
    using Call = BitField<0, 8, uint8_t>;            ///< in: CallNumber; out: Status
    using HasDeadline = Bit<8>;                      ///< the buffer's `deadline` limits this call
    using BufferWords = BitField<12, 10, uint16_t>;  ///< words in `MessageBuffer::words`, 0..max_buffer_words
    using Items = BitField<24, 4, uint8_t>;          ///< capabilities in `MessageBuffer::items`, 0..max_items
    using Label = BitField<32, 32, uint32_t>;  ///< the protocol's: operation on the way in, its result on the way out
    static constexpr uint64_t slow_mask = 0xffffff00;
};

/// The registers that carry the message words, in order.
inline constexpr Register message_registers[] = {Register::Rsi, Register::R8,  Register::R9,
                                                 Register::R10, Register::Rbx, Register::R12,
                                                 Register::R13, Register::R14, Register::R15};
inline constexpr size_t register_words = sizeof(message_registers) / sizeof(message_registers[0]);
inline constexpr size_t max_items = 8;
inline constexpr size_t max_buffer_words = 496;

/// A capability in a message. Sender: a selector of its own and the rights to pass on (those it lacks are not passed).
/// Receiver: the slot of its window it went to, and the rights it came with.
struct CapabilityItem {
    Selector selector;
    Rights rights;
    uint16_t reserved;
};
static_assert(sizeof(CapabilityItem) == 8);

/// A thread's message buffer: one page, mapped where the thread's creator asked. Only this thread and the kernel, while
/// it transfers a message of this thread, touch it.
struct MessageBuffer {
    uint64_t deadline;              ///< absolute TSC ticks, read when the tag has HasDeadline
    Selector receive_window;        ///< first slot into which received capabilities are put
    uint32_t receive_window_slots;  ///< how many are free for that from there on
    CapabilityItem items[max_items];
    uint64_t reserved[6];
    uint64_t words[max_buffer_words];
};
static_assert(sizeof(MessageBuffer) == 4096);

/// The label of the calls a faulting thread makes to its exception portal is the exception vector, or
/// `foreign_system_call_label`. Words: error code, RIP, CR2, RSP, RFLAGS. The buffer's words hold an `ExceptionFrame`.
inline constexpr uint32_t foreign_system_call_label = 0x100;

struct ExceptionFrame {
    uint64_t r15, r14, r13, r12, rbx, r10, r9, r8, rsi, rdi, rax, rbp, rdx, rcx, r11;
    uint64_t vector, error_code, rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(ExceptionFrame) == 22 * 8);

/// The label of the reply to an exception call says what becomes of the thread.
enum class ExceptionReply : uint32_t {
    Hold = 0,             ///< stays stopped until it is destroyed
    Resume = 1,           ///< goes on where it was
    ResumeWithFrame = 2,  ///< goes on with the registers in the reply's buffer words (an ExceptionFrame)
};

}  // namespace bulkhead::abi
