// SPDX-License-Identifier: Apache-2.0
// Calls about memory and ports.
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using abi::MemoryRight;
using abi::Status;

constexpr abi::Rights possible_access = MemoryRight::Read | MemoryRight::Write | MemoryRight::Execute;

Outcome<abi::DeriveMemory> handle(Thread& caller, const abi::DeriveMemory& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    MemoryObject* source = TRY(lookup<MemoryObject>(caller, call.source, abi::Right::Derive));
    const std::optional<Range> part = source->part(call.offset, call.size);
    if (!part) return Status::BadArgument;
    if ((call.flags & ~static_cast<abi::DeriveFlags>(abi::DeriveFlag::Share)) != 0) return Status::BadArgument;
    const bool share = Flags<abi::DeriveFlag>::from_word(call.flags).has(abi::DeriveFlag::Share);
    // What is for exclusive use is cleared: never through a window on memory of others, nor without the right to write.
    const bool clears = !share && source->kind() == MemoryObject::Kind::Ram;
    if (!share && source->shared()) return Status::BadArgument;
    if (clears) TRY(lookup<MemoryObject>(caller, call.source, abi::Right::Derive | MemoryRight::Write));
    if (!source->can_derive(*part, share)) return Status::Overlap;
    constexpr abi::Rights access = possible_access | MemoryRight::DeviceDma;
    const abi::Rights rights = derived_rights(caller, call.source, call.rights & access);
    MemoryObject* memory = TRY(owner->make<MemoryObject>(source, *part, source->kind(), share));
    Domain* holder = &caller.domain();
    if (!clears) return holder->publish(call.slot, *memory, rights);
    LongOperation::begin([=, slot = abi::Selector{call.slot}, done = uint64_t{0}]() mutable -> std::optional<Status> {
        if (done == memory->bytes()) return holder->publish(slot, *memory, rights).error();
        done = memory->clear(done);
        return std::nullopt;
    });
    return lock.run();
}

Outcome<abi::MapMemory> handle(Thread& caller, const abi::MapMemory& call) {
    if ((call.access & ~possible_access) != 0 || (call.access & MemoryRight::Read) == 0) return Status::BadArgument;
    if (call.type > abi::MemoryType::WriteCombining) return Status::BadArgument;
    ConfigurationLock lock;
    Domain* domain = TRY(lookup<Domain>(caller, call.domain, abi::DomainRight::Map));
    MemoryObject* memory = TRY(lookup<MemoryObject>(caller, call.memory, call.access));
    const std::optional<Range> range = Range::create(call.address, call.size);
    if (!range || !memory->part(call.offset, call.size)) return Status::BadArgument;
    const bool uncached = memory->kind() == MemoryObject::Kind::Device || call.type != abi::MemoryType::WriteBack;
    const x86::PageAccess access{.write = (call.access & MemoryRight::Write) != 0,
                                 .execute = (call.access & MemoryRight::Execute) != 0,
                                 .uncached = uncached};
    TRY(domain->space().map(*range, *memory, call.offset, access));
    return lock.run();
}

Outcome<abi::UnmapMemory> handle(Thread& caller, const abi::UnmapMemory& call) {
    ConfigurationLock lock;
    Domain* domain = TRY(lookup<Domain>(caller, call.domain, abi::DomainRight::Map));
    TRY(domain->space().unmap(call.address));
    return lock.run();
}

Outcome<abi::DerivePorts> handle(Thread& caller, const abi::DerivePorts& call) {
    ConfigurationLock lock;
    Domain* owner = TRY(owner_of_new(caller, call));
    PortRange* source = TRY(lookup<PortRange>(caller, call.source, abi::Right::Derive));
    const bool inside = call.count != 0 && call.first >= source->first() &&
                        uint64_t{call.first} + call.count <= uint64_t{source->first()} + source->count();
    if (!inside) return Status::BadArgument;
    const abi::Rights rights = derived_rights(caller, call.source, abi::PortRangeRight::Access);
    return create<PortRange>(caller, call, *owner, rights, source, call.first, call.count);
}

Outcome<abi::MapPorts> handle(Thread& caller, const abi::MapPorts& call) {
    ConfigurationLock lock;
    Domain* domain = TRY(lookup<Domain>(caller, call.domain, abi::DomainRight::Map));
    PortRange* ports = TRY(lookup<PortRange>(caller, call.ports, abi::PortRangeRight::Access));
    return domain->allow_ports(*ports);
}

}  // namespace bulkhead::kernel
