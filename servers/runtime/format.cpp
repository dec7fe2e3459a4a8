// SPDX-License-Identifier: Apache-2.0
#include "runtime/format.hpp"

namespace bulkhead::runtime {
namespace {

void put_text(TextSink& sink, std::string_view text) {
    for (const char character : text) sink.put(character);
}

void put_number(TextSink& sink, uint64_t value, unsigned base) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count != 0) sink.put(digits[--count]);
}

void put_argument(TextSink& sink, const FormatArgument& argument, bool hexadecimal) {
    using Kind = FormatArgument::Kind;
    if (argument.kind == Kind::Text) {
        put_text(sink, argument.text);
    } else if (hexadecimal || argument.kind == Kind::Hexadecimal) {
        put_text(sink, "0x");
        put_number(sink, argument.value, 16);
    } else if (argument.kind == Kind::Character) {
        sink.put(static_cast<char>(argument.value));
    } else if (argument.kind == Kind::Signed && static_cast<int64_t>(argument.value) < 0) {
        sink.put('-');
        put_number(sink, ~argument.value + 1, 10);
    } else {
        put_number(sink, argument.value, 10);
    }
}

}  // namespace

void format_arguments(TextSink& sink, std::string_view format, const FormatArgument* arguments, size_t count) {
    size_t next = 0;
    for (size_t i = 0; i < format.size(); ++i) {
        if (format[i] != '{') {
            sink.put(format[i]);
            continue;
        }
        const bool hexadecimal = i + 1 < format.size() && format[i + 1] == 'x';
        i += hexadecimal ? 2 : 1;  // to the closing brace
        if (next < count) put_argument(sink, arguments[next++], hexadecimal);
    }
}

}  // namespace bulkhead::runtime
