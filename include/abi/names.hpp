// SPDX-License-Identifier: Apache-2.0
// Names of statuses, object types and exit reasons, for logs of programs and for the reference.
#pragma once

#include "abi/capability.hpp"
#include "abi/status.hpp"
#include "abi/vcpu.hpp"

namespace bulkhead::abi {

constexpr const char* name(Status status) {
    constexpr const char* names[] = {
        "ok",           "bad call",      "bad capability", "wrong type",    "missing right",
        "bad argument", "slot occupied", "out of memory",  "overlap",       "not mapped",
        "busy",         "timed out",     "aborted",        "wrong CPU",     "cycle",
        "bad buffer",   "not supported"};
    static_assert(sizeof(names) / sizeof(names[0]) == static_cast<unsigned>(Status::Count));
    return status < Status::Count ? names[static_cast<unsigned>(status)] : "unknown status";
}

constexpr const char* name(ObjectType type) {
    constexpr const char* names[] = {"none",
                                     "domain",
                                     "thread",
                                     "vCPU",
                                     "scheduling context",
                                     "portal",
                                     "notification",
                                     "memory object",
                                     "virtual interrupt",
                                     "doorbell",
                                     "interrupt",
                                     "port range",
                                     "device space",
                                     "machine"};
    static_assert(sizeof(names) / sizeof(names[0]) == static_cast<unsigned>(ObjectType::Count));
    return type < ObjectType::Count ? names[static_cast<unsigned>(type)] : "unknown object";
}

constexpr const char* name(ExitReason reason) {
    constexpr const char* names[] = {"startup",    "cpuid",        "msr read",      "msr write",    "port read",
                                     "port write", "hypercall",    "hlt",           "nested fault", "end of interrupt",
                                     "recall",     "triple fault", "invalid state", "exception",    "control register",
                                     "xsetbv",     "instruction",  "unknown"};
    static_assert(sizeof(names) / sizeof(names[0]) == static_cast<unsigned>(ExitReason::Count));
    return reason < ExitReason::Count ? names[static_cast<unsigned>(reason)] : "?";
}

}  // namespace bulkhead::abi
