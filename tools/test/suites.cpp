// SPDX-License-Identifier: Apache-2.0
#include "tools/test/suites.hpp"

#include "tools/test/toml_table.hpp"

namespace bulkhead::tool {

namespace {

Suite read_suite(const toml::table& table, std::string_view file_name) {
    Suite suite;
    TableReader reader(table, file_name);
    reader.read("program", suite.program);
    reader.read("cpus", suite.cpus);
    reader.read("platforms", suite.platforms);
    reader.read("timeout_s", suite.timeout_s);
    reader.read_size("memory", suite.memory_bytes);
    reader.read("arguments", suite.arguments);
    reader.read("qemu_cpu", suite.qemu_cpu);
    reader.read("bochs_cpu", suite.bochs_cpu);
    reader.read("counted", suite.counted);
    reader.finish();
    if (suite.program.empty()) reader.fail(table, "a suite needs a 'program'");
    return suite;
}

}  // namespace

std::vector<Suite> parse_suites(std::string_view text, std::string_view file_name) {
    const auto document = parse_toml(text, file_name);
    std::vector<Suite> suites;
    for (const auto& [key, node] : document) {
        const auto* array = node.as_array();
        if (key.str() != "suite" || array == nullptr) {
            throw Error(fmt::format("{}:{}: only [[suite]] tables are allowed here", file_name, node.source().begin.line));
        }
        for (const auto& element : *array) {
            if (const auto* table = element.as_table()) suites.push_back(read_suite(*table, file_name));
        }
    }
    return suites;
}

}  // namespace bulkhead::tool
