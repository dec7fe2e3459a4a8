// SPDX-License-Identifier: Apache-2.0
// Calls about memory and ports.
#include "kernel/object/configuration_lock.hpp"
#include "kernel/object/create.hpp"
#include "kernel/object/memory_object.hpp"
#include "kernel/object/port_range.hpp"
#include "kernel/object/thread.hpp"
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using abi::MemoryRight;
using abi::Status;

namespace {

/// Clears what was derived, then hands it out.
class Clearing final : public LongOperation {
  public:
    LongOperation& of(MemoryObject& memory, Domain& holder, abi::Selector slot, abi::Rights rights) {
        memory_ = &memory;
        offset_ = 0;
        holder_ = &holder;
        slot_ = slot;
        rights_ = rights;
        return *this;
    }
    std::optional<Status> step() override {
        if (offset_ == memory_->bytes()) return publish(*holder_, slot_, *memory_, rights_).error();
        offset_ = memory_->clear(offset_);
        return std::nullopt;
    }

  private:
    MemoryObject* memory_ = nullptr;
    uint64_t offset_ = 0;
    Domain* holder_ = nullptr;
    abi::Selector slot_ = 0;
    abi::Rights rights_ = 0;
};
constinit Clearing clearing;

}  // namespace

Outcome<abi::DeriveMemory> handle(Thread& caller, const abi::DeriveMemory& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller.domain(), call));
    MemoryObject* source = TRY(caller.domain().lookup<MemoryObject>(call.source, abi::Right::Derive));
    const std::optional<Range> part = source->part(call.offset, call.size);
    if (!part) return Status::BadArgument;
    if ((call.flags & ~static_cast<abi::DeriveFlags>(abi::DeriveFlag::Share)) != 0) return Status::BadArgument;
    const bool share = Flags<abi::DeriveFlag>::from_word(call.flags).has(abi::DeriveFlag::Share);
    // What is for exclusive use is cleared: never through a window on memory of others, nor without the right to write.
    const bool clears = !share && source->kind() == MemoryObject::Kind::Ram;
    if (!share && source->shared()) return Status::BadArgument;
    if (clears) TRY(caller.domain().lookup<MemoryObject>(call.source, abi::Right::Derive | MemoryRight::Write));
    if (share ? !source->free_for_sharing(*part) : !source->free_for_exclusive_use(*part)) return Status::Overlap;
    constexpr abi::Rights access =
        MemoryRight::Read | MemoryRight::Write | MemoryRight::Execute | MemoryRight::DeviceDma;
    const abi::Rights rights = derived_rights(caller.domain(), call.source, call.rights & access);
    MemoryObject* memory = TRY(make_object<MemoryObject>(*owner, source, *part, source->kind(), share));
    if (clears) return lock.run(clearing.of(*memory, caller.domain(), call.slot, rights));
    return publish(caller.domain(), call.slot, *memory, rights);
}

Outcome<abi::MapMemory> handle(Thread& caller, const abi::MapMemory& call) {
    constexpr abi::Rights possible = MemoryRight::Read | MemoryRight::Write | MemoryRight::Execute;
    if ((call.access & ~possible) != 0 || (call.access & MemoryRight::Read) == 0) return Status::BadArgument;
    if (call.type > abi::MemoryType::WriteCombining) return Status::BadArgument;
    ConfigurationLock lock;
    Domain* domain = TRY(caller.domain().lookup<Domain>(call.domain, abi::DomainRight::Map));
    MemoryObject* memory = TRY(caller.domain().lookup<MemoryObject>(call.memory, call.access));
    const std::optional<Range> range = Range::create(call.address, call.size);
    if (!range || !memory->part(call.offset, call.size)) return Status::BadArgument;
    const bool uncached = memory->kind() == MemoryObject::Kind::Device || call.type != abi::MemoryType::WriteBack;
    const x86::PageAccess access{.write = (call.access & MemoryRight::Write) != 0,
                                 .execute = (call.access & MemoryRight::Execute) != 0,
                                 .user = true,
                                 .global = false,
                                 .cache = uncached ? x86::CacheMode::Uncached : x86::CacheMode::WriteBack};
    LongOperation* mapping = TRY(domain->space().map(*range, *memory, call.offset, access));
    return lock.run(*mapping);
}

Outcome<abi::UnmapMemory> handle(Thread& caller, const abi::UnmapMemory& call) {
    ConfigurationLock lock;
    Domain* domain = TRY(caller.domain().lookup<Domain>(call.domain, abi::DomainRight::Map));
    LongOperation* unmapping = TRY(domain->space().unmap(call.address));
    return lock.run(*unmapping);
}

Outcome<abi::DerivePorts> handle(Thread& caller, const abi::DerivePorts& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller.domain(), call));
    PortRange* source = TRY(caller.domain().lookup<PortRange>(call.source, abi::Right::Derive));
    const bool inside = call.count != 0 && call.first >= source->first() &&
                        uint64_t{call.first} + call.count <= uint64_t{source->first()} + source->count();
    if (!inside) return Status::BadArgument;
    PortRange* ports = TRY(make_object<PortRange>(*owner, source, call.first, call.count));
    return publish(caller.domain(), call.slot, *ports,
                   derived_rights(caller.domain(), call.source, abi::PortRangeRight::Access));
}

Outcome<abi::MapPorts> handle(Thread& caller, const abi::MapPorts& call) {
    ConfigurationLock lock;
    Domain* domain = TRY(caller.domain().lookup<Domain>(call.domain, abi::DomainRight::Map));
    PortRange* ports = TRY(caller.domain().lookup<PortRange>(call.ports, abi::PortRangeRight::Access));
    return domain->allow_ports(*ports);
}

}  // namespace bulkhead::kernel
