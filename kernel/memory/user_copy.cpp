// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/user_copy.hpp"

#include "kernel/arch/x86_64/instructions.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/arch/x86_64/user_access.h"

namespace bulkhead::kernel {
namespace {

/// Copies words, then bytes; false if a fault ended it.
bool copy_open(void* destination, const void* source, std::size_t size) {
    std::size_t left = size / 8;
    size %= 8;
    asm volatile(USER_ACCESS_BEGIN
                 "1: rep movsq\n\t"
                 ".pushsection .fixup_table, \"a\"\n\t"
                 ".quad 1b, 2f\n\t"
                 ".popsection\n\t"
                 "mov %[tail], %%rcx\n\t"
                 "3: rep movsb\n\t"
                 ".pushsection .fixup_table, \"a\"\n\t"
                 ".quad 3b, 2f\n\t"
                 ".popsection\n\t"
                 "xor %[tail], %[tail]\n\t"
                 "jmp 4f\n"
                 "2: mov $1, %[tail]\n"
                 "4:\n\t" USER_ACCESS_END
                 : "+D"(destination), "+S"(source), "+c"(left), [tail] "+r"(size)
                 :
                 : "memory", "cc");
    return size == 0;
}

}  // namespace

bool is_user_range(VirtualAddress address, std::size_t size) {
    return size <= user_end && address.value() <= user_end - size;
}

bool copy_from_user(void* destination, VirtualAddress source, std::size_t size) {
    return is_user_range(source, size) && copy_open(destination, reinterpret_cast<const void*>(source.value()), size);
}

bool copy_to_user(VirtualAddress destination, const void* source, std::size_t size) {
    return is_user_range(destination, size) && copy_open(reinterpret_cast<void*>(destination.value()), source, size);
}

}  // namespace bulkhead::kernel
