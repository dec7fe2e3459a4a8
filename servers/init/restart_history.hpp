// SPDX-License-Identifier: Apache-2.0
// Whether something that failed may be started again: at most `limit` times within a window of time. One thread.
#pragma once

#include <cstdint>

#include "protocol/manifest.hpp"

namespace bulkhead::init {

enum class EndKind : uint8_t { Finished, Failed };

/// Whether the policy wants a restart at all.
constexpr bool wants_restart(protocol::RestartPolicy policy, EndKind end) {
    return policy == protocol::RestartPolicy::Always ||
           (policy == protocol::RestartPolicy::OnFailure && end == EndKind::Failed);
}

class RestartHistory {
  public:
    /// Counts a restart at `now_ns`; false if it would be one too many within the window.
    bool allow(uint64_t now_ns, uint32_t limit, uint64_t window_ns) {
        if (now_ns - window_start_ns_ > window_ns || count_ == 0) {
            // A window begins with the first restart after a quiet one: simple, and at most twice the limit in any span
            // of the window's length.
            window_start_ns_ = now_ns;
            count_ = 0;
        }
        if (count_ >= limit) return false;
        ++count_;
        return true;
    }

  private:
    uint64_t window_start_ns_ = 0;
    uint32_t count_ = 0;
};

}  // namespace bulkhead::init
