#include "check.h"

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "promises.h"
#include "test_files.h"

namespace torchship {
namespace {

/// Adds one for each call it has had, if it keeps state; else adds one.
class FakeEngine final : public Engine {
 public:
  FakeEngine(bool stateful, std::vector<Intermediate> results)
      : stateful_(stateful), results_(std::move(results)) {}

  Value run(const MethodInfo& method, const BoundInputs& inputs) const override {
    require_promises("m.pt", method, inputs);
    if (inputs.at(0)->tensor().size(0) == 13) {
      throw EngineError("m.pt: forward failed: 13 is too many", "take fewer");
    }
    calls += 1;
    return inputs[0]->tensor().add(stateful_ ? calls : 1);
  }

  std::vector<Intermediate> intermediates(const MethodInfo&, const BoundInputs&) const override {
    return results_;
  }

  Graph graph(Stage, const MethodInfo&, const std::optional<BoundInputs>&, Measures) const override {
    return {};
  }

  bool keeps_state() const noexcept override { return stateful_; }

  mutable int calls = 0;

 private:
  bool stateful_;
  std::vector<Intermediate> results_;
};

struct FakeFile final : ModelFile {
  std::string name() const override { return "fake"; }
  std::uint64_t size() const override { return 0; }
  ModelInfo info() const override {
    ModelInfo described;
    described.path = "m.pt";
    MethodInfo& method = described.methods.emplace_back();
    method.name = "forward";
    ValueSpec& input = method.inputs.emplace_back();
    input.name = "x";
    input.kind = Kind::tensor;
    input.type = "Tensor";
    input.dtype = at::kFloat;
    return described;
  }
  void verify(bool) const override {}
  std::vector<Sample> samples(const ModelInfo&) const override { return held; }
  std::optional<Intermediates> intermediates(const ModelInfo&) const override { return recorded; }
  std::unique_ptr<const Engine> load(const ModelInfo&, const LoadOptions&) const override {
    return std::make_unique<const FakeEngine>(stateful, results);
  }
  const std::vector<CompiledRecord>& compiled() const override { return engines; }
  std::unique_ptr<const CompiledLibrary> load_compiled(const CompiledRecord&,
                                                       const LibraryUse&) const override {
    throw EngineError("there is none");
  }
  std::vector<Finding> lint(const ModelInfo&, const LintOptions&) const override { return {}; }
  AuditReport audit() const override { return {}; }

  std::vector<CompiledRecord> engines;
  std::vector<Sample> held;
  std::optional<Intermediates> recorded;
  std::vector<Intermediate> results;
  bool stateful = false;
};

Sample sample(std::int64_t size, double output) {
  return {.method = "forward", .inputs = {at::ones({size})}, .output = at::full({size}, output)};
}

Intermediate result(std::size_t node, const char* operator_name, double value) {
  return {.node = node,
          .output = 0,
          .operator_name = operator_name,
          .source = "net.py:" + std::to_string(node),
          .value = at::full({2}, value)};
}

CheckReport check(const FakeFile& file) {
  const ModelInfo info = file.info();
  return check_model(file, info, {}, *file.load(info, {}));
}

TEST(Check, RunsEverySample) {
  FakeFile file;
  file.held = {sample(2, 2.0), sample(3, 2.5)};
  const CheckReport report = check(file);
  ASSERT_EQ(report.samples.size(), 2u);
  EXPECT_TRUE(report.samples[0].passed());
  EXPECT_FALSE(report.samples[1].passed());
  EXPECT_EQ(report.samples[1].sample, 1u);
  EXPECT_EQ(report.samples[1].method, "forward");
  EXPECT_EQ(report.samples[1].outputs.at(0).absolute, 0.5);
  EXPECT_FALSE(report.passed());
  EXPECT_FALSE(report.departure);
}

TEST(Check, ReportsCallsThatFail) {
  FakeFile file;
  file.held = {sample(13, 2.0), sample(2, 2.0)};
  file.held.push_back(
      {.method = "forward", .inputs = {at::ones({2}, at::kLong)}, .output = at::ones({2})});
  const CheckReport report = check(file);
  EXPECT_EQ(report.samples.at(0).error, "m.pt: forward failed: 13 is too many");
  EXPECT_FALSE(report.samples[0].passed());
  EXPECT_TRUE(report.samples[1].passed());
  EXPECT_HAS(report.samples[2].error, "input 'x': expected float32, got int64[2]");
}

TEST(Check, StartsEachSampleFromTheFilesState) {
  FakeFile file;
  file.stateful = true;
  file.held = {sample(2, 2.0), sample(2, 2.0)};
  const ModelInfo info = file.info();
  const FakeEngine engine(true, {});
  EXPECT_TRUE(check_model(file, info, {}, engine).passed());
  EXPECT_EQ(engine.calls, 0);
}

TEST(Check, NamesTheFirstOperatorThatDeparts) {
  FakeFile file;
  file.held = {sample(2, 7.0)};
  file.results = {result(1, "aten::mul", 1), result(3, "aten::add", 2), result(4, "aten::sub", 5)};
  file.recorded = {.sample = 0,
                   .values = {result(1, "aten::mul", 1), result(3, "aten::add", 2.5),
                              result(4, "aten::sub", 6)}};
  const CheckReport report = check(file);
  ASSERT_TRUE(report.departure);
  EXPECT_EQ(report.departure->operator_name, "aten::add");
  EXPECT_EQ(report.departure->node, 3u);
  EXPECT_EQ(report.departure->source, "net.py:3");
  EXPECT_EQ(report.departure->absolute, 0.5);
  EXPECT_EQ(report.departure->relative, 0.2);
  EXPECT_HAS(to_string(report), "the first operator that departs is aten::add, node 3, at net.py:3: "
                                "absolute 0.5, relative 0.2\n");
}

TEST(Check, AsksRecordedResultsOfFailingSamplesOnly) {
  FakeFile file;
  file.held = {sample(2, 2.0), sample(2, 7.0)};
  file.results = {result(1, "aten::mul", 1)};
  file.recorded = {.sample = 0, .values = {result(1, "aten::mul", 3)}};
  EXPECT_FALSE(check(file).departure);
  file.recorded->sample = 1;
  EXPECT_TRUE(check(file).departure);
  // Results of another graph say nothing of this one.
  file.recorded->values = {result(1, "aten::div", 3)};
  EXPECT_FALSE(check(file).departure);
}

TEST(Check, NeedsSamples) {
  const std::string said = test::refusal([] { check(FakeFile()); });
  EXPECT_HAS(said, "m.pt: holds no samples to check\ntorchship.trace(");
  FakeFile file;
  file.held = {{.method = "encode", .inputs = {}, .output = {}}};
  EXPECT_HAS(test::refusal([&] { check(file); }), "a sample is of the method 'encode'");
}

TEST(Check, PrintsATable) {
  FakeFile file;
  file.held = {sample(2, 2.0), sample(13, 2.0)};
  EXPECT_EQ(to_string(check(file)),
            "sample  method   output  absolute  relative  tolerance           verdict\n"
            "0       forward  output  0         0         1e-05 + 0.0001 rel  ok\n"
            "1       forward  -       -         -         -                   FAILED: m.pt: forward "
            "failed: 13 is too many\n"
            "\n"
            "failed: 1 of 2 samples\n");
}

}  // namespace
}  // namespace torchship
