// SPDX-License-Identifier: Apache-2.0
// Result<T, E>: a value or the reason why there is none. The only way functions of this project report failure.
// Freestanding; no exceptions. Not thread-safe beyond what T is.
#pragma once

#include <optional>
#include <utility>

namespace bulkhead {

/// Called by `unwrap` when a promise was wrong: a bug of ours. Each environment (kernel, runtime, host) defines it.
[[noreturn]] void assertion_failed(const char* why, const char* file, unsigned line);

template <typename T, typename E>
class [[nodiscard]] Result {
    static constexpr bool is_void = std::is_void_v<T>;
    using Value = std::conditional_t<is_void, bool, T>;

  public:
    constexpr Result() requires is_void : value_{true}, error_{} {}
    constexpr Result(Value value) requires(!is_void) : value_{std::move(value)} {}
    constexpr Result(E error) : error_{error} {}

    constexpr explicit operator bool() const { return ok(); }
    constexpr bool ok() const { return static_cast<bool>(value_); }
    constexpr E error() const { return error_; }
    constexpr Value& value() & { return *value_; }
    constexpr const Value& value() const& { return *value_; }
    constexpr Value&& value() && { return std::move(*value_); }
    constexpr void value() && requires is_void {}
    constexpr Value value_or(Value other) const { return value_.value_or(std::move(other)); }

    /// The value, where failure would be a bug; `why` says why it cannot fail.
    constexpr T unwrap(const char* why, const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) && {
        if (!ok()) assertion_failed(why, file, line);
        return std::move(*this).value();
    }

  private:
    std::conditional_t<is_void, bool, std::optional<Value>> value_{};  // of `void`: whether it is there
    E error_;                                                          // if there is no value; `E{}` beside `void`
};

}  // namespace bulkhead

/// Evaluates to the value of a Result, or returns its error from the enclosing function.
#define TRY(expression)                                    \
    __extension__({                                        \
        auto&& try_result_ = (expression);                 \
        if (!try_result_.ok()) return try_result_.error(); \
        std::move(try_result_).value();                    \
    })

/// States what must hold unless this code has a bug. Never used on input from outside.
#define ASSERT(condition)                                                                        \
    do {                                                                                         \
        if (!(condition)) [[unlikely]]                                                           \
            ::bulkhead::assertion_failed(#condition, __FILE__, static_cast<unsigned>(__LINE__)); \
    } while (false)
