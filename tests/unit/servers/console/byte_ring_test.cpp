// SPDX-License-Identifier: Apache-2.0
#include "protocol/byte_ring.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace bulkhead::protocol {
namespace {

std::string take(ByteRing<16>& ring, size_t count) {
    std::string text(count, '\0');
    text.resize(ring.take({text.data(), text.size()}));
    return text;
}

TEST(ByteRing, GivesBackWhatWasPutInOrder) {
    ByteRing<16> ring;
    EXPECT_TRUE(ring.empty());
    EXPECT_EQ(ring.put("hello"), 5u);
    EXPECT_EQ(take(ring, 3), "hel");
    EXPECT_EQ(ring.put(" world"), 6u);
    EXPECT_EQ(take(ring, 100), "lo world");
    EXPECT_TRUE(ring.empty());
}

TEST(ByteRing, TakesOnlyWhatFits) {
    ByteRing<16> ring;
    EXPECT_EQ(ring.put("0123456789abcdefXYZ"), 16u);
    EXPECT_EQ(ring.put("more"), 0u);
    EXPECT_EQ(ring.space(), 0u);
    EXPECT_EQ(take(ring, 16), "0123456789abcdef");
}

TEST(ByteRing, WrapsAround) {
    ByteRing<16> ring;
    for (int round = 0; round < 100; ++round) {
        EXPECT_EQ(ring.put("1234567"), 7u);
        EXPECT_EQ(take(ring, 7), "1234567");
    }
}

TEST(ByteRing, RepairEmptiesNonsense) {
    alignas(8) unsigned char memory[sizeof(ByteRing<16>)];
    std::memset(memory, 0xa5, sizeof(memory));
    memory[0] = 0;  // counters that differ by more than the capacity
    auto& ring = *reinterpret_cast<ByteRing<16>*>(memory);
    ring.repair();
    EXPECT_TRUE(ring.empty());
    EXPECT_EQ(ring.put("x"), 1u);
}

TEST(ByteRing, OneProducerAndOneConsumerAtOnce) {
    constexpr int total = 200'000;
    auto ring = std::make_unique<ByteRing<64>>();
    std::thread producer{[&] {
        for (int i = 0; i < total;) {
            const char byte = static_cast<char>(i);
            i += static_cast<int>(ring->put({&byte, 1}));
        }
    }};
    for (int i = 0; i < total;) {
        char bytes[7];
        const size_t count = ring->take(bytes);
        for (size_t index = 0; index < count; ++index) ASSERT_EQ(bytes[index], static_cast<char>(i++));
    }
    producer.join();
}

TEST(ByteHistory, ForgetsTheOldest) {
    ByteHistory<8> history;
    history.append("0123456789");
    uint64_t position = 0;
    char text[32];
    const size_t count = history.read(position, text);
    EXPECT_EQ((std::string{text, count}), "23456789");
    EXPECT_EQ(history.read(position, text), 0u);
    history.append("AB");
    EXPECT_EQ(history.read(position, text), 2u);
}

}  // namespace
}  // namespace bulkhead::protocol
