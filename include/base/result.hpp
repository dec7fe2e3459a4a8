// SPDX-License-Identifier: Apache-2.0
// Result<T, E>: a value or the reason why there is none. The only way functions of this project report failure.
// Freestanding; no exceptions. Not thread-safe beyond what T is.
#pragma once

#include <new>
#include <type_traits>
#include <utility>

namespace bulkhead {

/// Called by `unwrap` when a promise was wrong: a bug of ours. Each environment (kernel, runtime, host) defines it.
[[noreturn]] void assertion_failed(const char* why, const char* file, unsigned line);

/// Carries an error into a Result of any value type.
template <typename E>
struct Failure {
    E error;
};
template <typename E>
Failure(E) -> Failure<E>;

template <typename T, typename E>
class [[nodiscard]] Result {
  public:
    constexpr Result(T value) : ok_{true}, value_{std::move(value)} {}
    constexpr Result(E error) : ok_{false}, error_{error} {}
    constexpr Result(Failure<E> failure) : ok_{false}, error_{failure.error} {}
    constexpr Result(const Result& other) : ok_{other.ok_} { take(other); }
    constexpr Result(Result&& other) noexcept : ok_{other.ok_} { take(std::move(other)); }
    Result& operator=(const Result&) = delete;
    constexpr ~Result() requires(std::is_trivially_destructible_v<T>) = default;
    constexpr ~Result() {
        if (ok_) value_.~T();
    }

    constexpr explicit operator bool() const { return ok_; }
    constexpr bool ok() const { return ok_; }
    constexpr E error() const { return error_; }
    constexpr T& value() & { return value_; }
    constexpr const T& value() const& { return value_; }
    constexpr T&& value() && { return std::move(value_); }
    constexpr T value_or(T other) const { return ok_ ? value_ : other; }

    /// The value, where failure would be a bug; `why` says why it cannot fail.
    constexpr T unwrap(const char* why, const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) && {
        if (!ok_) assertion_failed(why, file, line);
        return std::move(value_);
    }

  private:
    template <typename Other>
    constexpr void take(Other&& other) {
        if (ok_) {
            new (&value_) T(std::forward<Other>(other).value_);
        } else {
            new (&error_) E(other.error_);
        }
    }

    bool ok_;
    union {
        T value_;
        E error_;
    };
};

template <typename E>
class [[nodiscard]] Result<void, E> {
  public:
    constexpr Result() : ok_{true}, error_{} {}
    constexpr Result(E error) : ok_{false}, error_{error} {}
    constexpr Result(Failure<E> failure) : ok_{false}, error_{failure.error} {}

    constexpr explicit operator bool() const { return ok_; }
    constexpr bool ok() const { return ok_; }
    constexpr E error() const { return error_; }
    constexpr void value() const {}
    constexpr void unwrap(const char* why, const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) && {
        if (!ok_) assertion_failed(why, file, line);
    }

  private:
    bool ok_;
    E error_;
};

}  // namespace bulkhead

/// Evaluates to the value of a Result, or returns its error from the enclosing function.
#define TRY(expression)                                                         \
    __extension__({                                                             \
        auto&& try_result_ = (expression);                                      \
        if (!try_result_.ok()) return ::bulkhead::Failure{try_result_.error()}; \
        std::move(try_result_).value();                                         \
    })

/// States what must hold unless this code has a bug. Never used on input from outside.
#define ASSERT(condition)                                                                        \
    do {                                                                                         \
        if (!(condition)) [[unlikely]]                                                           \
            ::bulkhead::assertion_failed(#condition, __FILE__, static_cast<unsigned>(__LINE__)); \
    } while (false)
