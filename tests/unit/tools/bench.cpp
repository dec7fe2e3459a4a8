// SPDX-License-Identifier: Apache-2.0
// The host's half of ./bulkhead bench: what it makes of what the target says, of stored figures, and of growth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tools/bulkhead/bench_figures.hpp"
#include "tools/bulkhead/bench_fit.hpp"
#include "tools/bulkhead/bench_guard.hpp"
#include "tools/bulkhead/bench_guest.hpp"
#include "tools/bulkhead/bench_plot.hpp"
#include "tools/bulkhead/bench_protocol.hpp"
#include "tools/bulkhead/bench_report.hpp"
#include "tools/bulkhead/bench_trace.hpp"
#include "tools/bulkhead/bench_vmcb.hpp"
#include "tools/bulkhead/bench_vmcs.hpp"
#include "tools/machine/error.hpp"

using namespace bulkhead::tool;
using testing::HasSubstr;
using testing::Not;

namespace {

template <typename T>
T parsed_as(std::string_view line) {
    const auto parsed = parse_bench_line(line);
    const auto* value = std::get_if<T>(&parsed);
    EXPECT_NE(value, nullptr) << line;
    return value != nullptr ? *value : T{};
}

bool is_nonsense(std::string_view line) { return std::holds_alternative<BenchNonsense>(parse_bench_line(line)); }

constexpr const char* kJson = R"({
  "context": {"platform": "qemu-svm", "unit": "instructions", "num_cpus": 2},
  "benchmarks": [
    {"name": "null_call", "run_type": "iteration", "iterations": 200, "real_time": 156.0, "cpu_time": 156.0},
    {"name": "call/words:4", "run_type": "iteration", "iterations": 10, "real_time": 147.0, "time_unit": "ns"},
    {"name": "call/words:64", "iterations": 10, "real_time": 542.5, "portal_calls": 1.0},
    {"name": "call/words:256", "iterations": 10, "real_time": 734.0},
    {"name": "call_BigO", "big_o": "N", "real_coefficient": 2.5, "cpu_coefficient": 2.5},
    {"name": "two_cpus", "error_occurred": true, "error_message": "skipped: one CPU"}
  ]})";

BenchFigures example() { return parse_bench_figures(kJson, "example.json"); }

}  // namespace

TEST(BenchProtocol, ReadsEachKindOfLine) {
    const auto ready = parsed_as<BenchReady>("bench ready 1 tsc_hz=1000000000 cpus=1 vendor=2 virtualization=2\r");
    EXPECT_EQ(ready.version, 1u);
    EXPECT_EQ(ready.tsc_hz, 1000000000u);
    const auto item = parsed_as<BenchItem>("bench item call/one iterations=100 values=0,4,64 argument=words guarded=4 about=call and reply, a=b");
    EXPECT_EQ(item.name, "call/one");
    EXPECT_EQ(item.values, (std::vector<std::uint64_t>{0, 4, 64}));
    EXPECT_EQ(item.about, "call and reply, a=b");
    EXPECT_TRUE(item.guarded(4));
    EXPECT_FALSE(item.guarded(64));
    EXPECT_EQ(item.run_name(64), "call/one/words:64");
    const auto result = parsed_as<BenchResult>("bench result vm/cpuid 0 operations=50 ticks=28900 portal_calls=50");
    EXPECT_EQ(result.operations, 50u);
    EXPECT_EQ(result.ticks, 28900u);
    EXPECT_EQ(result.counters.at(0), (std::pair<std::string, std::uint64_t>{"portal_calls", 50}));
    EXPECT_EQ(parsed_as<BenchSkip>("bench skip a/b 7 one CPU, alas").reason, "one CPU, alas");
    EXPECT_EQ(parsed_as<BenchError>("bench error a/b 7 map: overlap").argument, 7u);
    EXPECT_EQ(parsed_as<BenchError>("bench fatal no ports").why, "no ports");
    static_cast<void>(parsed_as<BenchEnd>("bench end"));
}

TEST(BenchProtocol, AnItemWithoutSweepHasItsOwnName) {
    const auto item = parsed_as<BenchItem>("bench item null_call iterations=9 values=0 about=x");
    EXPECT_EQ(item.run_name(0), "null_call");
    EXPECT_FALSE(item.guarded(0));
}

TEST(BenchProtocol, LeavesOtherLinesAlone) {
    for (const auto* line : {"", "bulkhead: system halted (status 0)", "[init] bench end", "benchmark end", "bench", "bench "})
        EXPECT_TRUE(std::holds_alternative<std::monostate>(parse_bench_line(line))) << line;
}

TEST(BenchProtocol, RecognisesNonsense) {
    for (const auto* line : {"bench end now", "bench sing", "bench ready", "bench ready x", "bench ready 1 cpus",
                             "bench ready 1 cpus=-1", "bench item", "bench item a", "bench item a values=0",
                             "bench item a iterations=1 values=", "bench item a iterations=1 values=1,,2",
                             "bench item a iterations=0 values=1", "bench item a iterations=1 values=1 =2 about=",
                             "bench result a", "bench result a 0", "bench result a 0 ticks=5",
                             "bench result a 0 operations=0 ticks=5", "bench result a 0 operations=1",
                             "bench result a x operations=1 ticks=1", "bench result a 0 operations=1 ticks=99999999999999999999",
                             "bench skip a", "bench skip a b", "bench error a"})
        EXPECT_TRUE(is_nonsense(line)) << line;
}

TEST(BenchProtocol, SurvivesGarbage) {
    std::mt19937 random(7);
    const std::string alphabet = "bench result item ready skip=,0123456789 \t\r\xff";
    for (int round = 0; round < 20000; ++round) {
        std::string line = round % 2 == 0 ? "bench " : "";
        const auto size = random() % 60;
        for (std::size_t i = 0; i < size; ++i) line += alphabet[random() % alphabet.size()];
        const auto parsed = parse_bench_line(line);
        const auto* result = std::get_if<BenchResult>(&parsed);
        EXPECT_TRUE(result == nullptr || result->operations != 0) << line;
        const auto* item = std::get_if<BenchItem>(&parsed);
        EXPECT_TRUE(item == nullptr || !item->values.empty()) << line;
    }
}

TEST(BenchFigures, ReadsGoogleBenchmarksJson) {
    const auto figures = example();
    EXPECT_EQ(figures.text("unit"), "instructions");
    EXPECT_EQ(figures.text("num_cpus"), "");
    ASSERT_NE(figures.find("call/words:64"), nullptr);
    EXPECT_EQ(figures.find("call/words:64")->value, 542.5);
    EXPECT_EQ(figures.find("call/words:64")->counters.at("portal_calls"), 1);
    EXPECT_EQ(figures.find("call_BigO")->complexity, "N");
    EXPECT_EQ(figures.find("two_cpus")->skipped, "skipped: one CPU");
}

TEST(BenchFigures, TakesNamesApart) {
    const BenchFigure sweep{"call/one/words:64"};
    EXPECT_EQ(sweep.family(), "call/one");
    EXPECT_EQ(sweep.argument(), "words");
    EXPECT_EQ(sweep.sweep_value(), 64);
    const BenchFigure plain{"vm/cpuid"};
    EXPECT_EQ(plain.family(), "vm/cpuid");
    EXPECT_EQ(plain.argument(), "");
    EXPECT_FALSE(plain.sweep_value());
}

TEST(BenchFigures, RefusesWhatIsNone) {
    for (const auto* text : {"", "{", "[]", "7", "{}", R"({"benchmarks": 3})", R"({"benchmarks": [{}]})",
                             R"({"benchmarks": [7]})", R"({"benchmarks": [{"name": 3}]})",
                             R"({"benchmarks": [{"name": "a", "real_time": "fast"}]})"}) {
        EXPECT_THROW(static_cast<void>(parse_bench_figures(text, "x.json")), Error) << text;
    }
    EXPECT_THROW(static_cast<void>(load_bench_figures("/nonexistent/figures.json")), Error);
}

TEST(BenchFigures, ComparesInPercent) {
    auto now = example();
    now.figures[0].value = 171.6;
    now.figures[1].name = "other";
    const auto table = compare_bench_figures(example(), now);
    EXPECT_THAT(table, HasSubstr("+10.0 %"));
    EXPECT_THAT(table, HasSubstr("="));
    EXPECT_THAT(table, HasSubstr("new"));
    EXPECT_THAT(table, HasSubstr("not run"));
    EXPECT_THAT(table, Not(HasSubstr("BigO")));
    now.context["unit"] = "nanoseconds";
    EXPECT_THROW(static_cast<void>(compare_bench_figures(example(), now)), Error);
}

TEST(BenchFit, FindsTheGrowth) {
    const auto growth = [](auto cost) {
        std::vector<std::pair<double, double>> points;
        for (const double size : {1.0, 10.0, 100.0, 1000.0}) points.emplace_back(size, cost(size));
        return fit_growth(points).value();
    };
    EXPECT_EQ(growth([](double) { return 148.2; }).growth, Growth::Constant);
    const auto linear = growth([](double n) { return 500 + 18 * n; });
    EXPECT_EQ(linear.growth, Growth::Linear);
    EXPECT_NEAR(linear.per, 18, 1e-6);
    EXPECT_NEAR(linear.fixed, 500, 1e-3);
    EXPECT_LT(linear.relative_error, 1e-6);
    EXPECT_EQ(growth([](double n) { return 5 * n * n; }).growth, Growth::Quadratic);
    EXPECT_EQ(growth([](double n) { return 1000 - n / 2; }).growth, Growth::Constant);
}

TEST(BenchFit, NeedsThreeSizes) {
    EXPECT_FALSE(fit_growth({}));
    EXPECT_FALSE(fit_growth({{1, 5}, {2, 6}}));
    EXPECT_FALSE(fit_growth({{0, 5}, {1, 5}, {2, 6}}));
    EXPECT_TRUE(fit_growth({{0, 5}, {4, 5}, {8, 6}}));
}

TEST(BenchGuard, AllowsTwoPercentOrThree) {
    EXPECT_EQ(guard_tolerance(100), 3);
    EXPECT_EQ(guard_tolerance(1000), 20);
    const BenchCounts baseline{{"small", 100}, {"large", 1000}};
    EXPECT_TRUE(judge_counts(baseline, {}, {{"small", 103}, {"large", 1020}}).failures.empty());
    const auto verdict = judge_counts(baseline, {}, {{"small", 103.5}, {"large", 1021}});
    ASSERT_EQ(verdict.failures.size(), 2u);
    EXPECT_THAT(verdict.failures[0], HasSubstr("large"));
    EXPECT_THAT(verdict.failures[1], HasSubstr("+3.5 %"));
}

TEST(BenchGuard, AShrinkPassesWithAHint) {
    const auto verdict = judge_counts({{"a", 100}}, {}, {{"a", 90}});
    EXPECT_TRUE(verdict.failures.empty());
    EXPECT_EQ(verdict.hints.size(), 1u);
}

TEST(BenchGuard, MissesNothing) {
    EXPECT_EQ(judge_counts({{"a", 100}}, {}, {}).failures.size(), 1u);
    EXPECT_EQ(judge_counts({}, {}, {{"a", 100}}).failures.size(), 1u);
    EXPECT_EQ(judge_counts({}, {{"a", 160}}, {}).failures.size(), 1u);
}

TEST(BenchGuard, ALimitHoldsWhateverTheBaselineSays) {
    const auto verdict = judge_counts({{"a", 160}}, {{"a", 160}}, {{"a", 160}});
    EXPECT_TRUE(verdict.failures.empty());
    EXPECT_EQ(verdict.figures, std::vector<std::string>{"a: 160 instructions (limit 160)"});
    EXPECT_EQ(judge_counts({{"a", 161}}, {{"a", 160}}, {{"a", 161}}).failures.size(), 1u);
}

TEST(BenchGuard, WritesWhatItReads) {
    const BenchCounts counts{{"a", 147}, {"b/words:4", 1398.7}};
    EXPECT_EQ(parse_counts(format_counts(counts, "qemu-svm"), "figures", "f"), counts);
    for (const auto* text : {"", "{}", R"({"figures": []})", R"({"figures": {"a": "b"}})"})
        EXPECT_THROW(static_cast<void>(parse_counts(text, "figures", "f")), Error) << text;
}

TEST(BenchReport, HoldsFiguresPlotsAndHowTheyWereTaken) {
    const std::vector<BenchItem> items{{"call", "words", {4, 64, 256}, 10, {}, "call <and> reply"}};
    const TracedRun traced{"vm/cpuid", {.instructions = 512, .vmreads = 5}};
    const auto html = report_html({{example()}, items, {traced}});
    EXPECT_THAT(html, HasSubstr("<td class='n'>542.5 (1 portal calls)</td>"));
    EXPECT_THAT(html, HasSubstr("skipped: one CPU"));
    EXPECT_THAT(html, HasSubstr("<svg"));
    EXPECT_THAT(html, HasSubstr("call &lt;and&gt; reply"));
    EXPECT_THAT(html, HasSubstr("O(N)"));
    EXPECT_THAT(html, HasSubstr("<td class='n'>512</td>"));
    EXPECT_THAT(html, Not(HasSubstr("http")));
    const auto markdown = report_markdown({{example()}, items, {traced}});
    EXPECT_THAT(markdown, HasSubstr("| `null_call` | 156 |"));
    EXPECT_THAT(markdown, HasSubstr("instructions"));
}

TEST(BenchPlot, DrawsNothingWithoutPoints) {
    EXPECT_EQ(render_svg({"t", "x", "y", {}}), "");
    EXPECT_EQ(render_svg({"t", "x", "y", {{"s", {}}}}), "");
    const auto svg = render_svg({"t<", "x", "y", {{"s", {{1, 5}, {1000, 50}}}}});
    EXPECT_THAT(svg, HasSubstr("polyline"));
    EXPECT_THAT(svg, HasSubstr("t&lt;"));
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(render_svg({"t", "x", "y", {{"s", {{0, 0}}}}}), Not(HasSubstr("nan")));
}

namespace {

constexpr const char* kTrace = R"(00000000000i[      ] Stopping on magic break points
(0) Magic breakpoint
(0) [0x000000401123] 0008:0000000000001123 (unk. ctxt): cpuid                     ; 0fa2
Tracing enabled for CPU0
CPU0:
rax: 00000000_00000001
rip: 00000000_00001123
eflags 0x00000002: id vip vif
(0).[200329086] [0x000000401123] 0008:0000000000001123 (unk. ctxt): cpuid                     ; 0fa2
CPU0:
rdx: 00000000_0000440c
r8 : 00000000_00000007
(0).[200329087] [0x00000010a085] 0008:ffffffff8010a085 (unk. ctxt): vmread rax, rdx           ; 0f78d0
CPU0:
rax: 00000000_00006c14
(0).[200329088] [0x00000010a086] 0008:ffffffff8010a086 (unk. ctxt): vmwrite rax, rcx          ; 0f79c1
CPU0:
rcx: ffffffff_c0000082
(0).[200329089] [0x00000010a087] 0008:ffffffff8010a087 (unk. ctxt): wrmsr                     ; 0f30
(0).[200329090] [0x00000010a088] 0008:ffffffff8010a088 (unk. ctxt): mov cr3, rax              ; 0f22d8
(0).[200329091] [0x000000300088] 0023:0000000000400088 (unk. ctxt): nop                       ; 90
(0).[200329092] [0x000000401125] 0008:0000000000001125 (unk. ctxt): xchg bx, bx               ; 6687db
(0) Magic breakpoint
(0).[200329093] [0x000000401128] 0008:0000000000001128 (unk. ctxt): nop                       ; 90
)";

}  // namespace

TEST(BenchTrace, ReadsWhatBochsPrints) {
    const auto trace = parse_trace(kTrace);
    ASSERT_EQ(trace.size(), 6u);
    EXPECT_EQ(trace[0].address, 0x1123u);
    EXPECT_EQ(trace[0].text, "cpuid");
    EXPECT_EQ(trace[1].registers.at("rdx"), 0x440cu);
    EXPECT_EQ(trace[1].registers.at("r8"), 7u);
}

TEST(BenchTrace, NamesWhatIsDear) {
    const auto counts = special_counts(parse_trace(kTrace));
    EXPECT_EQ(counts, (std::map<std::string, unsigned>{{"VMREAD InstructionLength", 1},
                                                       {"VMWRITE HostRsp (not shadowed)", 1},
                                                       {"WRMSR 0xc0000082", 1},
                                                       {"MOV to CR3", 1}}));
}

TEST(BenchTrace, CountsByPlaceAndKind) {
    const auto totals = total(parse_trace(kTrace));
    EXPECT_EQ(totals.instructions, 6u);
    EXPECT_EQ(totals.kernel, 4u);
    EXPECT_EQ(totals.user, 1u);
    EXPECT_EQ(totals.guest, 1u);
    EXPECT_EQ(totals.not_shadowed, 1u);
    EXPECT_EQ(totals.cr3_writes, 1u);
}

TEST(BenchTrace, NamesVmcbFields) {
    EXPECT_EQ(vmcb_field_name(0x70), "exit_code");
    EXPECT_EQ(vmcb_field_name(0x578), "rip");
    EXPECT_EQ(vmcb_field_name(0x412), "cs");
    EXPECT_EQ(vmcb_field_name(0x800), "offset 0x800");
    EXPECT_FALSE(has_vmcb_clean_bit(0x578));
    EXPECT_TRUE(has_vmcb_clean_bit(0x412));
    EXPECT_TRUE(has_vmcb_clean_bit(0x60));
}

TEST(BenchTrace, CountsVmcbAccessesOfTheKernel) {
    constexpr const char* text =
        "(0).[1] [0x1] 0008:ffffffff80121984 (unk. ctxt): mov rax, qword ptr ds:[rdi+112] ; 48\n"
        "[CPU0 RD]: PHY 0x0000960b6070 (len=8, WB): 0x00000000 0x00000072\t; PTE\n"
        "[CPU0 RD]: LIN 0xffff8000960b6070 PHY 0x0000960b6070 (len=8, WB): 0x00000000 0x00000072\n"
        "(0).[2] [0x1] 0008:ffffffff80121988 (unk. ctxt): mov qword ptr ds:[rdi+1400], rax ; 48\n"
        "[CPU0 WR]: LIN 0xffff8000960b6578 PHY 0x0000960b6578 (len=8, WB): 0x00000000 0x00001123\n"
        "(0).[3] [0x1] 0008:ffffffff8012198c (unk. ctxt): or dword ptr ds:[rdi+96], eax ; 48\n"
        "[CPU0 RW]: LIN 0xffff8000960b6060 PHY 0x0000960b6060 (len=4, WB): 0x00000001\n"
        "[CPU0 WR]: LIN 0xffff8000960b7060 PHY 0x0000960b7060 (len=4, WB): 0x00000001\n"
        "[CPU0 WR]: LIN nonsense\n"
        "rax: 00000000_960b6000\n"
        "(0).[4] [0x1] 0008:ffffffff80121990 (unk. ctxt): vmrun ; 0f01d8\n"
        "[CPU0 RD]: PHY 0x0000960b6000 (len=2, INVALID): 0x0000\t; VMCS\n";
    const auto trace = parse_trace(text);
    ASSERT_EQ(trace.size(), 4u);
    EXPECT_EQ(vmcb_accesses(trace), (std::map<std::string, unsigned>{{"VMCB read exit_code", 1}, {"VMCB write rip", 1},
                                                                     {"VMCB read virtual_interrupt", 1},
                                                                     {"VMCB write virtual_interrupt (clean bit)", 1}}));
    const auto totals = total(trace);
    EXPECT_EQ(totals.vmcb_reads, 2u);
    EXPECT_EQ(totals.vmcb_writes, 2u);
    EXPECT_EQ(totals.vmcb_clean, 1u);
}

TEST(BenchTrace, KeepsTotalsInAFile) {
    const auto text = format_traced_runs({{"vm/cpuid", {.instructions = 512, .vmreads = 5, .flushes = 7}}});
    const auto runs = parse_traced_runs("nonsense\n" + text + "a\tb\n\n");
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_EQ(runs[0].name, "vm/cpuid");
    EXPECT_EQ(runs[0].totals.vmreads, 5u);
    EXPECT_EQ(runs[0].totals.flushes, 7u);
}

TEST(BenchTrace, SurvivesGarbage) {
    EXPECT_TRUE(parse_trace("").empty());
    EXPECT_TRUE(parse_trace("(0).[ (unk. ctxt): nop\nrax: zz\n: 5\n(0).[1] [0x1] 0008:xyz (unk. ctxt): nop").empty());
    EXPECT_EQ(special_kind({0xffff'ffff'8000'0000, "vmread", {}}), "");
    EXPECT_EQ(special_kind({0xffff'ffff'8000'0000, "vmread rax, rdx", {}}), "VMREAD field 0xffffffffffffffff (not shadowed)");
}

TEST(BenchVmcs, KnowsWhatIsShadowed) {
    EXPECT_EQ(vmcs_field_name(0x681e), "GuestRip");
    EXPECT_TRUE(is_shadowed_by_kvm(0x681e));
    EXPECT_FALSE(is_shadowed_by_kvm(0x201a));
    EXPECT_EQ(vmcs_field_name(0x7777), "field 0x7777");
}

namespace {

constexpr const char* kGuestLines[] = {"head", "#json {", "#json   \"context\": {\"unit\": \"instructions\"},", "#json   \"benchmarks\": [",
                                       "#json     {\"name\": \"cpuid\", \"real_time\": 432.0}", "cpuid 432", "#json ,",
                                       "#json     {\"name\": \"port_read\", \"real_time\": 1018.5}", "#json   ]", "#json }"};

/// The first so many lines, as a guest that dies then leaves them; the table goes to `table`.
std::string guest_json(std::size_t lines, std::string& table, std::string_view cut = "") {
    GuestBenchOutput output([&table](std::string_view text) { table += text; });
    for (std::size_t i = 0; i < lines; ++i) output.feed(std::string(kGuestLines[i]) + "\n");
    output.feed(cut);
    output.finish();
    return output.json();
}

}  // namespace

TEST(GuestBench, SplitsTableAndJson) {
    std::string table;
    const auto figures = parse_bench_figures(guest_json(std::size(kGuestLines), table), "x");
    EXPECT_EQ(table, "head\ncpuid 432\n");
    EXPECT_EQ(figures.text("unit"), "instructions");
    ASSERT_EQ(figures.figures.size(), 2u);
    EXPECT_EQ(figures.find("port_read")->value, 1018.5);
}

TEST(GuestBench, KeepsWhatADyingGuestHadFinished) {
    std::string table;
    for (const std::string_view cut : {"", "#json ,", "#json ,\n#json {\"name\": \"port_"}) {
        const auto figures = parse_bench_figures(guest_json(5, table, cut), "x");
        ASSERT_EQ(figures.figures.size(), 1u) << cut;
        EXPECT_EQ(figures.find("cpuid")->value, 432.0);
    }
    EXPECT_EQ(guest_json(1, table), "");
    EXPECT_EQ(guest_json(3, table), "");
}

TEST(GuestBench, NamesAreShownWithoutTheLibrarysSuffixes) {
    const auto names = parse_guest_bench_names("cpuid/manual_time\nwake/two/manual_time\nfresh/iterations:4/manual_time\nA warning: x\n\n");
    ASSERT_EQ(names.size(), 3u);
    EXPECT_EQ(names[1].shown, "wake/two");
    EXPECT_EQ(names[2].shown, "fresh");
    EXPECT_EQ(names[2].full, "fresh/iterations:4/manual_time");
}

TEST(GuestBench, CommandIsOneShellCanRead) {
    const GuestBench bench{.cpus = 1, .repetitions = 3};
    const auto command = guest_bench_command(bench, {{"cpuid", "cpuid/manual_time"}, {"x", "x"}}, "12'ab");
    EXPECT_THAT(command, HasSubstr("--unit=instructions"));
    EXPECT_THAT(command, HasSubstr("--benchmark_filter='^(cpuid/manual_time|x)$'"));
    EXPECT_THAT(command, HasSubstr("--context=commit='12'\\''ab'"));
    EXPECT_THAT(command, HasSubstr("--benchmark_repetitions=3"));
    EXPECT_THAT(guest_bench_command({.cpus = 2}, {}, ""), HasSubstr("--unit=ticks"));
}

TEST(GuestBench, LibrariesAreThoseOfLdd) {
    const auto files = parse_ldd("\tlinux-vdso.so.1 (0x7)\n\tlibm.so.6 => /lib/libm.so.6 (0x7)\n\t/lib64/ld-linux-x86-64.so.2 (0x7)\n");
    EXPECT_EQ(files.size(), 2u);
    EXPECT_EQ(files.at("libm.so.6"), "/lib/libm.so.6");
    EXPECT_EQ(files.at("ld-linux-x86-64.so.2"), "/lib64/ld-linux-x86-64.so.2");
    EXPECT_THROW(static_cast<void>(parse_ldd("\tlibbenchmark.so.1debian => not found\n")), Error);
}

TEST(GuestBench, ExitsAreTheMonitorsLines) {
    EXPECT_EQ(exit_lines("[init] x\n[vmm:linux] vCPU 0 exits (absorbed): cpuid 807, hlt 1 (1)\nvCPU 1\n"),
              (std::vector<std::string>{"vCPU 0 exits (absorbed): cpuid 807, hlt 1 (1)"}));
}

TEST(GuestBench, IsJudgedByEachFigure) {
    GuestBenchResult result{.json = R"({"benchmarks": [{"name": "cpuid", "real_time": 4.0}, {"name": "ipi", "error_occurred": true,
                                        "error_message": "skipped: why"}, {"name": "none", "real_time": 0.0}]})",
                            .exits = {"vCPU 0"}};
    EXPECT_TRUE(judge_guest_bench(result, {{"cpuid", ""}}).empty());
    EXPECT_EQ(judge_guest_bench(result, {{"ipi", ""}, {"none", ""}, {"lost", ""}}).size(), 3u);
    result.exits.clear();
    EXPECT_EQ(judge_guest_bench(result, {}).size(), 1u);
    EXPECT_EQ(judge_guest_bench({.status = 1, .problem = "it died"}, {}).size(), 3u);
}
