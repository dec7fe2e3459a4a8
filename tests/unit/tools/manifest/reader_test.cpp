// SPDX-License-Identifier: Apache-2.0
// The reader against images that are damaged: it refuses them, or every accessor stays inside.
#include <gtest/gtest.h>

#include <random>

#include "protocol/manifest.hpp"
#include "tools/manifest/compile.hpp"

namespace bulkhead::protocol {
namespace {

constexpr std::string_view text = R"(
[domain.uart]
program = "uart"
provides = ["uart"]
devices = [{ name = "ports", ports = "3f8-3ff" }]
[domain.console]
program = "console"
provides = ["console"]
uses = ["uart"]
[vm.linux]
memory = "256M"
kernel = "k"
initrd = "i"
cmdline = "console=ttyS0"
[[chaos]]
kill = "uart"
)";

/// Aligned like a boot module, and exactly as long, so that the sanitizer sees each byte too far.
struct Image {
    std::unique_ptr<std::byte[]> bytes;
    size_t size;

    explicit Image(const std::vector<std::byte>& content) : bytes{new std::byte[content.size()]}, size{content.size()} {
        std::memcpy(bytes.get(), content.data(), size);
    }
    Result<ManifestReader, ManifestError> read() const { return ManifestReader::create({bytes.get(), size}); }
};

std::vector<std::byte> good() { return manifest::compile(text, "m.toml").bytes; }

/// Touches everything the accessors lead to.
size_t walk(const ManifestReader& reader) {
    size_t sum = reader.name().size();
    auto touch = [&](ManifestText where) {
        for (char character : reader.text(where)) sum += static_cast<unsigned char>(character);
    };
    for (const auto& domain : reader.domains()) touch(domain.name), touch(domain.program), touch(domain.arguments);
    for (const auto& device : reader.devices()) touch(device.name), touch(reader.domains()[device.domain].name);
    for (const auto& service : reader.services()) touch(service.name), touch(reader.domains()[service.domain].name);
    for (const auto& connection : reader.connections())
        touch(reader.domains()[connection.client].name), touch(reader.services()[connection.service].name);
    for (const auto& vm : reader.vms()) touch(vm.name), touch(vm.kernel), touch(vm.initrd), touch(vm.command_line);
    for (const auto& chaos : reader.chaos()) {
        if (chaos.domain != no_index) touch(reader.domains()[chaos.domain].name);
    }
    return sum;
}

TEST(ManifestReader, ReadsWhatTheCompilerWrites) {
    const Image image{good()};
    const auto reader = image.read();
    ASSERT_TRUE(reader.ok());
    EXPECT_GT(walk(reader.value()), 0u);
}

TEST(ManifestReader, RefusesEveryTruncation) {
    const auto bytes = good();
    for (size_t size = 1; size < bytes.size(); ++size) {
        const Image image{{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}};
        EXPECT_FALSE(image.read().ok()) << size;
    }
}

TEST(ManifestReader, NamesWhatIsWrong) {
    auto bytes = good();
    bytes[0] ^= std::byte{1};
    EXPECT_EQ(Image{bytes}.read().error(), ManifestError::BadMagic);
    bytes = good();
    bytes[8] ^= std::byte{1};
    EXPECT_EQ(Image{bytes}.read().error(), ManifestError::BadVersion);
    EXPECT_EQ(Image{std::vector<std::byte>(1000)}.read().error(), ManifestError::BadMagic);
}

TEST(ManifestReader, DamageIsRefusedOrHarmless) {
    const auto original = good();
    std::mt19937 random{11};
    size_t accepted = 0;
    for (int round = 0; round < 30'000; ++round) {
        auto bytes = original;
        const unsigned damages = 1 + random() % 3;
        for (unsigned i = 0; i < damages; ++i) {
            const size_t place = 16 + random() % (bytes.size() - 16);
            bytes[place] = random() % 2 == 0 ? static_cast<std::byte>(random()) : static_cast<std::byte>(0xff);
        }
        const Image image{bytes};
        const auto reader = image.read();
        if (!reader.ok()) continue;
        ++accepted;
        walk(reader.value());
    }
    EXPECT_GT(accepted, 0u);
}

}  // namespace
}  // namespace bulkhead::protocol
