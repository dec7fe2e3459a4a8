// SPDX-License-Identifier: Apache-2.0
// Calls about memory and ports.
#include "kernel/syscall/handlers.hpp"

namespace bulkhead::kernel {

using namespace abi;  // the calls and their arguments

constexpr Rights possible_access = MemoryRight::Read | MemoryRight::Write | MemoryRight::Execute;

Outcome<DeriveMemory> handle(Thread& caller, const DeriveMemory& call, Held<MemoryObject> source, Held<Domain> owner) {
    const std::optional<Range> part = source->part(call.offset, call.size);
    // What is for exclusive use is cleared: never through a window on memory of others, nor without the right to write.
    const bool clears = !call.share && source->kind() == MemoryObject::Kind::Ram;
    if (!part || (!call.share && source->shared())) return Status::BadArgument;
    if (clears && (source.rights() & MemoryRight::Write) == 0) return Status::MissingRight;
    if (!source->can_derive(*part, call.share)) return Status::Overlap;
    constexpr Rights access = possible_access | MemoryRight::DeviceDma;
    const Rights rights = source.derived_rights(call.rights & access);
    auto* memory = TRY(owner->make<MemoryObject>(source.object, *part, source->kind(), bool{call.share}));
    Domain* holder = &caller.domain();
    if (!clears) return holder->publish(call.slot, *memory, rights);
    LongOperation::begin([=, slot = Selector{call.slot}, done = uint64_t{0}]() mutable -> std::optional<Status> {
        if (done == memory->bytes()) return holder->publish(slot, *memory, rights).error();
        done = memory->clear(done);
        return std::nullopt;
    });
    return ConfigurationLock::run();
}

Outcome<MapMemory> handle(Thread&, const MapMemory& call, Held<Domain> domain, Held<MemoryObject> memory) {
    if ((call.access & ~possible_access) != 0 || (call.access & MemoryRight::Read) == 0) return Status::BadArgument;
    if ((call.access & ~memory.rights()) != 0) return Status::MissingRight;
    const std::optional<Range> range = Range::create(call.address, call.size);
    if (!range || !memory->part(call.offset, call.size)) return Status::BadArgument;
    if (call.type > MemoryType::WriteCombining) return Status::BadArgument;
    const bool uncached = memory->kind() == MemoryObject::Kind::Device || call.type != MemoryType::WriteBack;
    const x86::PageAccess access{.write = (call.access & MemoryRight::Write) != 0,
                                 .execute = (call.access & MemoryRight::Execute) != 0,
                                 .uncached = uncached};
    TRY(domain->space().map(*range, *memory, call.offset, access));
    return ConfigurationLock::run();
}

Outcome<UnmapMemory> handle(Thread&, const UnmapMemory& call, Held<Domain> domain) {
    TRY(domain->space().unmap(call.address));
    return ConfigurationLock::run();
}

Outcome<DerivePorts> handle(Thread& caller, const DerivePorts& call, Held<PortRange> source, Held<Domain> owner) {
    const bool inside = call.count != 0 && call.first >= source->first() &&
                        uint64_t{call.first} + call.count <= uint64_t{source->first()} + source->count();
    if (!inside) return Status::BadArgument;
    const Rights rights = source.derived_rights(PortRangeRight::Access);
    return create<PortRange>(caller, call.slot, *owner, rights, source.object, call.first, call.count);
}

Outcome<MapPorts> handle(Thread&, const MapPorts&, Held<Domain> domain, Held<PortRange> ports) {
    return domain->allow_ports(*ports);
}

}  // namespace bulkhead::kernel
