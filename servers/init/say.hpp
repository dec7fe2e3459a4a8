// SPDX-License-Identifier: Apache-2.0
// Init's own lines of the system log.
#pragma once

#include "runtime/log.hpp"

namespace bulkhead::init {

template <typename... Arguments>
void say(Format<Arguments...> format, const Arguments&... arguments) {
    char line[runtime::log_line_capacity];
    runtime::TextSink sink{line, sizeof(line)};
    runtime::format_to(sink, "[init] ");
    runtime::format_to(sink, Format<Arguments...>{format}, arguments...);
    runtime::log_line(sink.text());
}

}  // namespace bulkhead::init
