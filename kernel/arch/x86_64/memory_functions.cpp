// SPDX-License-Identifier: Apache-2.0
// The four functions compilers call by themselves, and the two that std::string_view does. Microcoded string
// instructions: on both emulators and on every CPU we run on they beat loops written without vector registers.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memcpy(void* destination, const void* source, size_t count) {
    void* to = destination;
    size_t words = count / 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(words) : : "memory");
    size_t rest = count % 8;
    asm volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(rest) : : "memory");
    return destination;
}

void* memmove(void* destination, const void* source, size_t count) {
    const uint64_t distance = reinterpret_cast<uint64_t>(destination) - reinterpret_cast<uint64_t>(source);
    if (distance >= count) return memcpy(destination, source, count);
    auto* to = static_cast<std::byte*>(destination) + count - 1;
    auto* from = static_cast<const std::byte*>(source) + count - 1;
    asm volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory", "cc");
    return destination;
}

void* memset(void* destination, int value, size_t count) {
    void* to = destination;
    const uint64_t pattern = static_cast<uint8_t>(value) * 0x0101'0101'0101'0101u;
    size_t words = count / 8;
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    size_t rest = count % 8;
    asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
    return destination;
}

size_t strlen(const char* text) {
    size_t length = 0;
    while (text[length] != '\0') ++length;
    return length;
}

void* memchr(const void* memory, int value, size_t count) {
    const auto* bytes = static_cast<const unsigned char*>(memory);
    for (size_t i = 0; i < count; ++i) {
        if (bytes[i] == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(bytes + i);
    }
    return nullptr;
}

int memcmp(const void* left, const void* right, size_t count) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    for (size_t i = 0; i < count; ++i) {
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}
}
