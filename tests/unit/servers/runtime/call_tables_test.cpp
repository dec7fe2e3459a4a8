// SPDX-License-Identifier: Apache-2.0
// What the tables of include/abi promise to both sides: what is encoded is decoded again, for every call.
#include <gtest/gtest.h>

#include <random>

#include "abi/calls.hpp"

namespace bulkhead::abi {
namespace {

template <typename Call>
void round_trip(std::mt19937_64& random) {
    for (int i = 0; i < 100; ++i) {
        Registers registers;
        for (uint64_t& word : registers.words) word = random();
        const Call call = decode<Call>(registers);
        Registers encoded;
        encode(encoded, call);
        const Call again = decode<Call>(encoded);
        Registers twice;
        encode(twice, again);
        EXPECT_EQ(encoded.words, twice.words) << static_cast<unsigned>(number_of<Call>);
        // Only bits of the arguments are set, and RAX is free for the call number.
        for (size_t word = 0; word < encoded.words.size(); ++word) {
            EXPECT_EQ(encoded.words[word] & ~registers.words[word], 0u);
        }
        EXPECT_EQ(encoded[Register::Rax], 0u);
    }
}

TEST(CallTables, RoundTrip) {
    std::mt19937_64 random{7};
    [&]<typename... Calls>(std::tuple<Calls...>*) {
        (round_trip<Calls>(random), ...);
    }(static_cast<AllCalls*>(nullptr));
}

}  // namespace
}  // namespace bulkhead::abi
