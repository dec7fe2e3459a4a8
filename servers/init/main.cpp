// SPDX-License-Identifier: Apache-2.0
// The root task: reads the boot module `manifest` and makes the system it describes.
#include "runtime/program.hpp"
#include "runtime/thread.hpp"
#include "servers/init/boot_time.hpp"
#include "servers/init/halt.hpp"
#include "servers/init/say.hpp"
#include "servers/init/supervisor.hpp"

namespace bulkhead::init {
namespace {

/// Too large for the stack; constructed in place, once, in root_main.
alignas(Supervisor) std::byte supervisor_place[sizeof(Supervisor)];
MemoryPool memory_pool;

}  // namespace
}  // namespace bulkhead::init

/// Init's own needs are small and bounded: stacks of its handlers.
const uint64_t bulkhead::runtime::root_heap_bytes = 8 << 20;

namespace bulkhead::init {
namespace {

/// The highest priority of all: init must be able to stop whoever runs wild.
constexpr uint8_t main_priority = abi::priorities - 1;

/// Init's main thread.
void run_system(void* /*argument*/) {
    const abi::RootInformation& root = *runtime::environment().root;
    memory_pool.initialize(root);
    static Modules modules{root};
    const Module image = modules.find("manifest");
    if (!image) {
        say("there is no boot module 'manifest': nothing to start");
        halt_machine(1);
    }
    static auto manifest = protocol::ManifestReader::create(image.content);
    if (!manifest.ok()) {
        say("the boot module 'manifest' cannot be used: {}", protocol::name(manifest.error()));
        halt_machine(1);
    }
    const auto wake = runtime::Notification::create();
    const auto portals =
        wake.ok() ? start_handlers(manifest.value(), wake.value()) : abi::Result<HandlerPortals>{wake.error()};
    if (!portals.ok()) {
        say("cannot make init's own portals: {}", portals.error());
        halt_machine(1);
    }
    static Resources resources{root, manifest.value(), modules, memory_pool, portals.value(), read_boot_time_ns()};
    auto* supervisor = new (supervisor_place) Supervisor{resources, wake.value()};
    say("system '{}': {} components, {} virtual machines, {} MiB free", manifest.value().name(),
        static_cast<uint64_t>(manifest.value().domains().size()), static_cast<uint64_t>(manifest.value().vms().size()),
        memory_pool.free_bytes() >> 20);
    supervisor->start_all();
    supervisor->run();
}

/// The main thread is one that init makes, not its first one: only so its faults have somewhere to go.
abi::Result<void> start_main_thread() {
    TRY(start_guardian());
    auto thread = TRY(runtime::Thread::create({.name = "main"}, &run_system, nullptr));
    return thread.start({.priority = main_priority});
}

}  // namespace
}  // namespace bulkhead::init

int bulkhead::root_main(const abi::RootInformation& root) {
    using namespace init;
    say("{} CPUs, {} boot modules, {} pages of kernel memory", root.cpu_count, root.module_count, root.quota_pages);
    const auto started = start_main_thread();
    if (!started.ok()) {
        say("cannot make init's main thread: {}", started.error());
        halt_machine(1);
    }
    runtime::stop_this_thread();
}
