// SPDX-License-Identifier: Apache-2.0
// Numbers: Intel SDM volume 3, appendix C; AMD APM volume 2, appendix C.
#include "bench/macro/exit_names.hpp"

#include <fmt/format.h>

#include <map>

namespace bulkhead::bench {

namespace {

using Names = std::map<std::uint64_t, const char*>;

const Names& intel_names() {
    static const Names names{
        {0, "exception or NMI"}, {1, "external interrupt"}, {2, "triple fault"},   {3, "INIT"},
        {4, "SIPI"},             {7, "interrupt window"},   {8, "NMI window"},     {9, "task switch"},
        {10, "cpuid"},           {12, "hlt"},               {13, "invd"},          {14, "invlpg"},
        {15, "rdpmc"},           {16, "rdtsc"},             {18, "hypercall"},     {19, "vmclear"},
        {20, "vmlaunch"},        {21, "vmptrld"},           {22, "vmptrst"},       {23, "vmread"},
        {24, "vmresume"},        {25, "vmwrite"},           {26, "vmxoff"},        {27, "vmxon"},
        {28, "control register"}, {29, "debug register"},   {30, "port"},          {31, "msr read"},
        {32, "msr write"},       {33, "invalid state"},     {36, "mwait"},         {39, "monitor"},
        {40, "pause"},           {43, "TPR threshold"},     {44, "APIC access"},   {45, "end of interrupt"},
        {46, "GDTR or IDTR access"}, {47, "LDTR or TR access"},
        {48, "nested fault"},    {49, "nested misconfiguration"}, {50, "invept"},  {51, "rdtscp"},
        {52, "preemption timer"}, {53, "invvpid"},          {54, "wbinvd"},        {55, "xsetbv"},
        {56, "APIC write"},      {58, "invpcid"}};
    return names;
}

const Names& amd_names() {
    static const Names names{
        {0x00, "control register"}, {0x04, "control register"}, {0x10, "control register"}, {0x13, "control register"},
        {0x14, "control register"}, {0x18, "control register"}, {0x60, "external interrupt"}, {0x61, "NMI"},
        {0x63, "INIT"},        {0x64, "interrupt window"}, {0x65, "control register"}, {0x6e, "rdtsc"},
        {0x6f, "rdpmc"},       {0x72, "cpuid"},       {0x73, "rsm"},         {0x74, "iret"},
        {0x76, "invd"},        {0x77, "pause"},       {0x78, "hlt"},         {0x79, "invlpg"},
        {0x7a, "invlpga"},     {0x7b, "port"},        {0x7c, "msr"},         {0x7d, "task switch"},
        {0x7f, "triple fault"}, {0x80, "vmrun"},      {0x81, "hypercall"},   {0x82, "vmload"},
        {0x83, "vmsave"},      {0x84, "stgi"},        {0x85, "clgi"},        {0x86, "skinit"},
        {0x87, "rdtscp"},      {0x89, "wbinvd"},      {0x8a, "monitor"},     {0x8b, "mwait"},
        {0x8d, "xsetbv"},      {0xa2, "invpcid"},     {0x400, "nested fault"}, {0x401, "AVIC IPI"},
        {0x402, "AVIC access"}};
    return names;
}

}  // namespace

std::string exit_name(Vendor vendor, std::uint64_t reason) {
    const auto& names = vendor == Vendor::Intel ? intel_names() : amd_names();
    if (const auto found = names.find(reason); found != names.end()) return found->second;
    if (vendor == Vendor::Amd && reason >= 0x40 && reason < 0x60) return fmt::format("exception {}", reason - 0x40);
    if (vendor == Vendor::Amd && reason >= 0x20 && reason < 0x40) return "debug register";
    return fmt::format("reason {:#x}", reason);
}

}  // namespace bulkhead::bench
