// SPDX-License-Identifier: Apache-2.0
// The minimal guests as bytes of the program that links `minimal_guests`.
#pragma once

#include <cstdint>
#include <span>

/// Declares a guest's image; `MINIMAL_GUEST(cpuid)` makes `minimal_guest::cpuid()`.
#define MINIMAL_GUEST(name)                                                       \
    extern "C" const uint8_t guest_##name##_start[];                              \
    extern "C" const uint8_t guest_##name##_end[];                                \
    namespace minimal_guest {                                                     \
    inline std::span<const uint8_t> name() { return {guest_##name##_start, guest_##name##_end}; } \
    }
