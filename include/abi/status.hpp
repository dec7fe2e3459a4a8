// SPDX-License-Identifier: Apache-2.0
// Status codes of system calls. The kernel answers every wrong argument with one of these; it never panics on input.
#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace bulkhead::abi {

enum class Status : uint8_t {
    Ok = 0,
    BadCall,        ///< no such system call
    BadCapability,  ///< selector out of range, empty slot, or the object is gone
    WrongType,      ///< the capability names an object of another type
    MissingRight,   ///< the capability lacks the right this call needs
    BadArgument,    ///< an argument is out of its documented range
    SlotOccupied,   ///< the destination slot is not empty
    OutOfMemory,    ///< the owner's quota, or the kernel's pool behind it, is exhausted
    Overlap,        ///< the address range is mapped already, or the resource is in use
    NotMapped,      ///< nothing is mapped there
    Busy,           ///< the object is in a state in which this cannot be done now
    TimedOut,       ///< the deadline passed first
    Aborted,        ///< the callee, or the object waited for, was destroyed meanwhile
    WrongCpu,       ///< the portal's handler is bound to another CPU
    Cycle,          ///< the call chain would wait for itself, or is longer than the bound
    BadBuffer,      ///< the message does not fit, or an item could not be transferred
    NotSupported,   ///< this machine lacks what is needed
    Count
};

template <typename T>
using Result = bulkhead::Result<T, Status>;

}  // namespace bulkhead::abi
