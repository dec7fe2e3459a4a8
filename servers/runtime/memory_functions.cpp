// SPDX-License-Identifier: Apache-2.0
// The functions compilers and the standard headers call by themselves. Microcoded string instructions: on both
// emulators and on every CPU we run on they beat loops written without vector registers.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memcpy(void* destination, const void* source, size_t count) {
    void* to = destination;
    asm volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(count) : : "memory");
    return destination;
}

void* memmove(void* destination, const void* source, size_t count) {
    const uint64_t distance = reinterpret_cast<uint64_t>(destination) - reinterpret_cast<uint64_t>(source);
    if (distance >= count) return memcpy(destination, source, count);
    auto* to = static_cast<char*>(destination) + count - 1;
    auto* from = static_cast<const char*>(source) + count - 1;
    asm volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory", "cc");
    return destination;
}

void* memset(void* destination, int value, size_t count) {
    void* to = destination;
    asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
    return destination;
}

int memcmp(const void* left, const void* right, size_t count) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    for (size_t i = 0; i < count; ++i) {
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

void* memchr(const void* memory, int value, size_t count) {
    const auto* bytes = static_cast<const unsigned char*>(memory);
    for (size_t i = 0; i < count; ++i) {
        if (bytes[i] == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(bytes + i);
    }
    return nullptr;
}

size_t strlen(const char* text) {
    size_t length = 0;
    // The barrier keeps the compiler from turning this loop into a call of strlen.
    for (; text[length] != '\0'; ++length) asm volatile("" : "+r"(length));
    return length;
}
}
