// SPDX-License-Identifier: Apache-2.0
#include "runtime/heap.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

namespace bulkhead::runtime {
namespace {

struct HeapTest : testing::Test {
    static constexpr size_t size = 64 * 1024;
    std::vector<char> region = std::vector<char>(size);
    Heap heap;
    HeapTest() { heap.initialize(region.data(), region.size()); }
};

TEST_F(HeapTest, GivesAllBack) {
    const size_t before = heap.free_bytes();
    void* a = heap.allocate(100);
    void* b = heap.allocate(1);
    void* c = heap.allocate(0);
    EXPECT_NE(a, nullptr);
    EXPECT_NE(b, nullptr);
    EXPECT_NE(c, nullptr);
    heap.release(b);
    heap.release(a);
    heap.release(c);
    heap.release(nullptr);
    EXPECT_EQ(heap.free_bytes(), before);
    EXPECT_NE(heap.allocate(before - 64), nullptr) << "the pieces are not one again";
}

TEST_F(HeapTest, Exhaustion) {
    EXPECT_EQ(heap.allocate(size + 1), nullptr);
    EXPECT_EQ(heap.allocate(~size_t{0}), nullptr);
    EXPECT_EQ(heap.allocate(~size_t{0} - 15), nullptr);
}

TEST_F(HeapTest, RandomUseKeepsContents) {
    std::mt19937 random{1};
    std::map<char*, std::pair<size_t, char>> live;
    const size_t before = heap.free_bytes();
    for (int step = 0; step < 20000; ++step) {
        if (random() % 3 != 0 || live.empty()) {
            const size_t wanted = random() % 700;
            const size_t alignment = size_t{16} << random() % 7;
            auto* pointer = static_cast<char*>(heap.allocate(wanted, alignment));
            if (pointer == nullptr) continue;
            ASSERT_EQ(reinterpret_cast<uint64_t>(pointer) % alignment, 0u);
            const char fill = static_cast<char>(random());
            std::memset(pointer, fill, wanted);
            live[pointer] = {wanted, fill};
        } else {
            auto victim = live.begin();
            std::advance(victim, random() % live.size());
            for (size_t i = 0; i < victim->second.first; ++i) ASSERT_EQ(victim->first[i], victim->second.second);
            heap.release(victim->first);
            live.erase(victim);
        }
    }
    for (auto& [pointer, content] : live) heap.release(pointer);
    EXPECT_EQ(heap.free_bytes(), before);
}

}  // namespace
}  // namespace bulkhead::runtime
