// SPDX-License-Identifier: Apache-2.0
// The seams of the device models, by system calls. Any thread.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/log.hpp"
#include "runtime/mutex.hpp"
#include "runtime/object.hpp"
#include "runtime/time.hpp"
#include "vmm/arch/x86/cpuid_policy.hpp"
#include "vmm/device/seams.hpp"
#include "vmm/exit/exit_handler.hpp"
#include "vmm/vm/interrupt_fabric.hpp"

namespace bulkhead::vmm {

/// Bits of the notification the monitor's own thread waits for.
struct WakeBit {
    static constexpr uint64_t output = 1 << 0;    ///< the UART has output, or input was taken
    static constexpr uint64_t timer = 1 << 1;     ///< a periodic timer has a new deadline
    static constexpr uint64_t ended = 1 << 2;     ///< the machine has ended
    static constexpr uint64_t readable = 1 << 3;  ///< the console has input
    static constexpr uint64_t writable = 1 << 4;  ///< the console has room
    static constexpr uint64_t connected = 1 << 5;  ///< the console was connected (again)
};

class KernelOutside final : public Outside {
  public:
    void set_vcpu(unsigned index, runtime::Vcpu vcpu) { vcpus_[index] = vcpu; }
    void set_wake(runtime::Notification wake) { wake_ = wake; }

    void perform(const Effect& effect) override {
        // A call that fails met a vCPU that is being destroyed: nothing is left to be told.
        switch (effect.kind) {
            case Effect::Kind::PostFixed: post(effect, abi::PostKind::Fixed); break;
            case Effect::Kind::PostFixedLevel: post(effect, abi::PostKind::FixedLevel); break;
            case Effect::Kind::PostNmi: post(effect, abi::PostKind::Nmi); break;
            case Effect::Kind::Recall: static_cast<void>(vcpus_[effect.vcpu].recall()); break;
            case Effect::Kind::ConsoleReady: wake(WakeBit::output); break;
            case Effect::Kind::ServiceWake: wake(WakeBit::timer); break;
            case Effect::Kind::EndMachine: wake(WakeBit::ended); break;
            case Effect::Kind::ClearInService: break;  // the machine's own
        }
    }

  private:
    void post(const Effect& effect, abi::PostKind kind) const {
        static_cast<void>(vcpus_[effect.vcpu].post(effect.vector, kind));
    }
    void wake(uint64_t bits) const { static_cast<void>(wake_.signal(bits)); }

    std::array<runtime::Vcpu, max_vcpus> vcpus_;
    runtime::Notification wake_;
};

class KernelTime final : public TimeSource {
  public:
    explicit KernelTime(uint64_t boot_time_ns) : boot_time_ns_{boot_time_ns} {}

    uint64_t tsc() override { return runtime::now_ticks(); }
    uint64_t tsc_hz() override { return runtime::system_information().tsc_hz; }
    uint64_t wall_clock_ns() override { return boot_time_ns_ + runtime::now_ns(); }

  private:
    uint64_t boot_time_ns_;
};

class RuntimeLog final : public Log {
  public:
    void line(std::string_view text) override { runtime::log_line(text); }
};

class ProcessorBelow final : public HostCpu {
  public:
    CpuidResult cpuid(uint32_t leaf, uint32_t subleaf) override {
        CpuidResult result;
        asm volatile("cpuid"
                     : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                     : "a"(leaf), "c"(subleaf));
        return result;
    }
    uint64_t xcr0() override {
        constexpr uint32_t os_xsave = 1u << 27;
        if ((cpuid(1, 0).ecx & os_xsave) == 0) return 0;
        uint32_t low = 0;
        uint32_t high = 0;
        asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return uint64_t{high} << 32 | low;
    }
};

class RuntimeLock final : public MachineLock {
  public:
    void lock() override { mutex_.lock(); }
    void unlock() override { mutex_.unlock(); }

  private:
    runtime::Mutex mutex_;
};

class [[nodiscard]] MachineLockScope {
  public:
    explicit MachineLockScope(MachineLock& lock) : lock_{lock} { lock_.lock(); }
    MachineLockScope(const MachineLockScope&) = delete;
    ~MachineLockScope() { lock_.unlock(); }

  private:
    MachineLock& lock_;
};

}  // namespace bulkhead::vmm
