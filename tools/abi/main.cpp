// SPDX-License-Identifier: Apache-2.0
// Writes the ABI reference to standard output: abi-reference include/abi/calls.hpp
#include <fstream>
#include <iostream>

#include "tools/abi/reference.hpp"

int main(int count, char** arguments) {
    std::ifstream source(count == 2 ? arguments[1] : "");
    if (!source) {
        std::cerr << "usage: abi-reference include/abi/calls.hpp\n";
        return 2;
    }
    std::cout << bulkhead::abi_reference(source);
    return 0;
}
