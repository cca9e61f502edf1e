#include "manifest/manifest.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "manifest/overlay.h"
#include "manifest/samples.h"
#include "test_files.h"

namespace torchship {
namespace {

using test::refusal;

constexpr const char* kPlace = "m.pt: manifest.json";

const std::string kDigest(64, 'a');

/// Uses everything that a manifest can hold.
const std::string kFull = R"({
  "format": 1, "unknown": {"to": ["this", "reader"]},
  "producer": {"torchship": "0.1", "torch": "2.13.0", "python": "3.11"},
  "default_method": "forward",
  "methods": [{
    "name": "forward",
    "inputs": [
      {"name": "x", "kind": "tensor", "dtype": "float32", "shape": ["batch", 3, null],
       "device": "cpu"},
      {"name": "mask", "kind": "none", "optional": true},
      {"name": "parts", "kind": "list", "items": [
        {"kind": "tensor", "dtype": "int64", "shape": ["batch"]}]},
      {"name": "pair", "kind": "tuple", "names": ["a", "b"], "items": [
        {"kind": "int", "value": 3}, {"kind": "bool"}]},
      {"name": "named", "kind": "dict", "entries": [
        [7, {"kind": "float", "value": "-inf"}], [8, {"kind": "float"}]]},
      {"name": "mode", "kind": "str", "value": "mean"},
      {"name": "rest", "kind": "any"}],
    "output": {"kind": "tensor", "dtype": "float32", "shape": ["batch"],
               "tolerance": {"absolute": 0.5, "relative": 0}},
    "dimensions": [{"name": "batch", "min": 2, "max": 8, "multiple_of": 2, "tried": [2, 4]}]}],
  "findings": [{"code": "random", "severity": "note", "message": "m", "hint": "h", "method": "f",
                "file": "net.py", "line": 3, "source": "s"}],
  "samples": [{"method": "forward", "origin": "synthetic", "inputs": [
      {"kind": "tensor", "ref": "x"}, {"kind": "none"},
      {"kind": "list", "items": [{"kind": "tensor", "ref": "part"}]},
      {"kind": "tuple", "items": [{"kind": "int", "value": 3}, {"kind": "bool", "value": true}]},
      {"kind": "dict", "entries": [[7, {"kind": "float", "value": "-inf"}],
                                   [8, {"kind": "float", "value": 2}]]},
      {"kind": "str", "value": "mean"}, {"kind": "none"}],
    "output": {"kind": "tensor", "ref": "out"}}],
  "intermediates": {"sample": 0, "values": [
    {"node": 5, "output": 0, "operator": "aten::add", "ref": "part"}]},
  "engines": [{
    "id": "cpu", "record": "engines/cpu.pt2", "checked": true, "ratio": 0.25, "copied": [1],
    "settings": {"name": "freezing"},
    "target": {"device": "cpu", "arch": "x86_64", "isa": "x86-64-v3", "torch": "2.13.0",
               "threads": "1"},
    "method": {
      "name": "forward",
      "inputs": [
        {"name": "x", "kind": "tensor", "dtype": "float32", "shape": ["batch", 3, 4]},
        {"name": "mask", "kind": "none", "optional": true},
        {"name": "parts", "kind": "list", "items": [
          {"kind": "tensor", "dtype": "int64", "shape": ["batch"]}]},
        {"name": "pair", "kind": "tuple", "items": [
          {"kind": "int", "value": 3}, {"kind": "bool", "value": true}]},
        {"name": "named", "kind": "dict", "entries": [
          [7, {"kind": "float", "value": "-inf"}], [8, {"kind": "float", "value": 2}]]},
        {"name": "mode", "kind": "str", "value": "mean"},
        {"name": "rest", "kind": "none"}],
      "output": {"kind": "list", "items": [
        {"kind": "tensor", "dtype": "float32", "shape": [null]},
        {"kind": "tensor", "dtype": "float32", "shape": [null]}]},
      "dimensions": [{"name": "batch", "min": 2, "max": null, "multiple_of": 1, "tried": []}]}}],
  "metadata": {"author": "Ada"},
  "records": {"engines/cpu.pt2": "@"}
})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string full() { return replaced(kFull, "@", kDigest); }

Manifest parsed(const std::string& text) { return parse_manifest(text, kPlace); }

TEST(ManifestTest, EverythingIsRead) {
  const Manifest manifest = parsed(full());
  EXPECT_EQ(manifest.producer.torch, "2.13.0");
  EXPECT_EQ(manifest.default_method, "forward");
  const MethodInfo& method = manifest.methods.at(0);
  const std::vector<ValueSpec>& inputs = method.inputs;
  ASSERT_EQ(inputs.size(), 7u);
  EXPECT_EQ(inputs[0].dtype, at::kFloat);
  EXPECT_EQ((*inputs[0].shape)[0].symbol, 0);
  EXPECT_EQ((*inputs[0].shape)[1].size, 3);
  EXPECT_EQ((*inputs[0].shape)[2].size, -1);
  EXPECT_EQ((*inputs[0].shape)[2].symbol, -1);
  EXPECT_TRUE(inputs[1].optional);
  EXPECT_TRUE(inputs[1].constant->is_none());
  EXPECT_EQ((*inputs[3].members)[0].name, "a");
  EXPECT_EQ((*inputs[3].members)[0].constant->integer(), 3);
  EXPECT_FALSE((*inputs[3].members)[1].constant);
  EXPECT_EQ((*inputs[4].members)[0].name, "7");
  EXPECT_TRUE(std::isinf((*inputs[4].members)[0].constant->floating()));
  EXPECT_EQ(inputs[5].constant->string(), "mean");
  EXPECT_EQ(method.output.tolerance->absolute, 0.5);
  EXPECT_EQ(method.dimensions[0].max, 8);
  EXPECT_EQ(method.dimensions[0].tried, (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(manifest.findings.at(0).line, 3);
  EXPECT_EQ(manifest.samples.at(0).inputs.size(), 7u);
  EXPECT_EQ(manifest.intermediates->values.at(0).operator_name, "aten::add");
  const CompiledRecord& engine = manifest.engines.at(0);
  EXPECT_EQ(engine.info.id, "cpu");
  EXPECT_EQ(engine.info.method, "forward");
  EXPECT_EQ(engine.info.target.at("isa"), "x86-64-v3");
  EXPECT_EQ(engine.info.settings.at("name"), "freezing");
  EXPECT_TRUE(engine.info.checked);
  EXPECT_EQ(engine.info.ratio, 0.25);
  EXPECT_EQ(engine.info.beside, "interpreter");  // Where it does not say.
  EXPECT_EQ(engine.record, "engines/cpu.pt2");
  EXPECT_EQ(engine.copied, std::vector<std::size_t>{1});
  EXPECT_EQ(engine.method.inputs.at(0).shape->at(0).symbol, 0);
  EXPECT_EQ(manifest.metadata.at("author"), "Ada");
  EXPECT_EQ(manifest.records.at("engines/cpu.pt2"), kDigest);
}

struct Refusal {
  const char* from;
  const char* to;
  const char* words;
};

class ManifestRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(ManifestRefusal, SaysWhatIsWrongWhere) {
  const auto& [from, to, words] = GetParam();
  const std::string text = replaced(full(), from, to);
  const std::string said = refusal([&] { parsed(text); });
  EXPECT_HAS(said, std::string(kPlace) + ": " + words);
}

INSTANTIATE_TEST_SUITE_P(
    Text, ManifestRefusal,
    testing::Values(
        Refusal{"{", "", "is not JSON at byte"},
        Refusal{"\"format\": 1,", "\"format\": 1, \"format\": 1,", "key 'format' occurs twice"},
        Refusal{"\"this\"", "{\"a\": 1, \"a\": 2}", "key 'a' occurs twice"},
        Refusal{"\"this\"", "1e999", "holds a number that is not finite"},
        Refusal{"\"this\"", "NaN", "is not JSON at byte"},
        Refusal{"\"this\"", "\"\xff\"", "is not JSON at byte"},
        Refusal{"\"format\": 1", "\"format\": 2", "format: expected 1, got 2"},
        Refusal{"\"format\": 1", "\"format\": 1.0", "format: expected an integer of 64 bits, got 1.0"},
        Refusal{"\"format\": 1,", "", "key 'format' is missing"},
        Refusal{"\"torch\": \"2.13.0\"", "\"torch\": 2", "producer.torch: expected a string, got 2"},
        Refusal{"\"python\": \"3.11\"", "\"x\": \"3.11\"", "producer: key 'python' is missing"},
        Refusal{"\"metadata\": {\"author\": \"Ada\"}", "\"metadata\": {\"a b\": []}",
                "metadata['a b']: expected a string, got an array"},
        Refusal{"\"default_method\": \"forward\"", "\"default_method\": null",
                "default_method: expected a string, got null"}));

INSTANTIATE_TEST_SUITE_P(
    Methods, ManifestRefusal,
    testing::Values(
        Refusal{"\"dtype\": \"float32\"", "\"dtype\": \"float31\"",
                "methods[0].inputs[0].dtype: expected a dtype, got 'float31'"},
        Refusal{"[\"batch\", 3, null]", "[\"time\", 3]",
                "methods[0].inputs[0].shape[0]: expected a symbol of the method's dimensions, got 'time'"},
        Refusal{"[\"batch\", 3, null]", "[-1]",
                "methods[0].inputs[0].shape[0]: expected an integer of at least 0, got -1"},
        Refusal{"[\"batch\", 3, null]", "[1.5]",
                "methods[0].inputs[0].shape[0]: expected an integer of 64 bits, got 1.5"},
        Refusal{"[\"batch\", 3, null]", "[18446744073709551615]",
                "methods[0].inputs[0].shape[0]: expected an integer of 64 bits"},
        Refusal{"[\"batch\", 3, null]", "3", "methods[0].inputs[0].shape: expected an array, got 3"},
        Refusal{"\"device\": \"cpu\"", "\"device\": \"tpu\"",
                "methods[0].inputs[0].device: expected one of cpu, cuda, got 'tpu'"},
        Refusal{"\"device\": \"cpu\"", "\"tolerance\": {\"absolute\": 0, \"relative\": 0}",
                "methods[0].inputs[0].tolerance: only outputs have one"},
        Refusal{"\"absolute\": 0.5", "\"absolute\": -0.5",
                "methods[0].output.tolerance.absolute: expected a number of at least 0, got -0.5"},
        Refusal{"\"name\": \"x\"", "\"name\": \"\"", "methods[0].inputs[0].name: is empty"},
        Refusal{"\"name\": \"x\"", "\"name\": \"rest\"", "methods[0].inputs[6]: the name occurs twice"},
        Refusal{"\"name\": \"x\", ", "", "methods[0].inputs[0]: key 'name' is missing"},
        Refusal{"\"kind\": \"any\"", "\"kind\": \"object\"",
                "methods[0].inputs[6].kind: expected a kind, got 'object'"},
        Refusal{"\"optional\": true", "\"optional\": 1",
                "methods[0].inputs[1].optional: expected true or false, got 1"},
        Refusal{"[\"a\", \"b\"]", "[\"a\"]", "methods[0].inputs[3].names: expected 2 names, got 1"},
        Refusal{"\"kind\": \"int\", \"value\": 3", "\"kind\": \"int\", \"value\": \"3\"",
                "methods[0].inputs[3].items[0].value: expected an integer of 64 bits, got '3'"},
        Refusal{"[7, {\"kind\"", "[8, {\"kind\"",
                "methods[0].inputs[4].entries[1][0]: the key occurs twice"},
        Refusal{"[7, {\"kind\"", "[\"7\", {\"kind\"",
                "methods[0].inputs[4].entries[1][0]: is a key of another kind"},
        Refusal{"[7, {\"kind\"", "[{\"kind\"", "methods[0].inputs[4].entries[0]: expected a key"},
        Refusal{"\"-inf\"", "\"infinite\"", "methods[0].inputs[4].entries[0][1].value: expected one of nan, inf, -inf, got "
                "'infinite'"},
        Refusal{"\"min\": 2", "\"min\": -1",
                "methods[0].dimensions[0].min: expected an integer of at least 0, got -1"},
        Refusal{"\"max\": 8", "\"max\": 1",
                "methods[0].dimensions[0].max: expected an integer of at least 2, got 1"},
        Refusal{"\"max\": 8, ", "", "methods[0].dimensions[0]: key 'max' is missing"},
        Refusal{"\"multiple_of\": 2", "\"multiple_of\": 0",
                "methods[0].dimensions[0].multiple_of: expected an integer of at least 1, got 0"},
        Refusal{"[2, 4]}", "[2, \"4\"]}",
                "methods[0].dimensions[0].tried[1]: expected an integer of 64 bits, got '4'"},
        Refusal{"\"tried\": [2, 4]}", "\"tried\": []}, {\"name\": \"batch\", \"min\": 0, "
                "\"max\": null, \"multiple_of\": 1, \"tried\": []}",
                "methods[0].dimensions[1]: the name occurs twice"}));

INSTANTIATE_TEST_SUITE_P(
    Rest, ManifestRefusal,
    testing::Values(
        Refusal{"\"note\"", "\"fatal\"",
                "findings[0].severity: expected one of error, warning, note, got 'fatal'"},
        Refusal{"\"line\": 3", "\"line\": -3", "findings[0].line: expected an integer of at least 0"},
        Refusal{"\"hint\": \"h\", ", "", "findings[0]: key 'hint' is missing"},
        Refusal{"\"synthetic\"", "\"real\"",
                "samples[0].origin: expected one of synthetic, example, got 'real'"},
        Refusal{"{\"kind\": \"tensor\", \"ref\": \"x\"}", "{\"kind\": \"any\"}",
                "samples[0].inputs[0].kind: a value has a kind of its own"},
        Refusal{"\"ref\": \"x\"", "\"ref\": 0", "samples[0].inputs[0].ref: expected a string, got 0"},
        Refusal{"\"value\": true", "\"value\": 1",
                "samples[0].inputs[3].items[1].value: expected true or false, got 1"},
        Refusal{"\"sample\": 0", "\"sample\": 1", "intermediates.sample: there is no sample 1"},
        Refusal{"\"node\": 5", "\"node\": -5",
                "intermediates.values[0].node: expected an integer of at least 0, got -5"},
        Refusal{"\"record\": \"engines/cpu.pt2\"", "\"record\": \"other\"",
                "engines[0].record: expected one of the records, got 'other'"},
        Refusal{"\"isa\": \"x86-64-v3\"", "\"isa\": 3",
                "engines[0].target.isa: expected a string, got 3"},
        Refusal{"\"device\": \"cpu\", \"arch\"", "\"device\": \"cuda\", \"arch\"",
                "engines[0].target: key 'cuda_arch' is missing"},
        Refusal{"\"copied\": [1]", "\"copied\": [2]",
                "engines[0].copied[0]: there is no such result"},
        Refusal{"\"threads\": \"1\"", "\"cores\": \"1\"",
                "engines[0].target: key 'threads' is missing"},
        Refusal{"\"id\": \"cpu\"", "\"id\": \"auto\"",
                "engines[0].id: the word has a meaning of its own"},
        Refusal{R"("output": {"kind": "list", "items": [
        {"kind": "tensor", "dtype": "float32", "shape": [null]},)",
                R"("output": {"kind": "list", "items": [{"kind": "any"},)",
                "engines[0].method: says nothing of a value"},
        Refusal{"aaaa\"", "aaaA\"",
                "records['engines/cpu.pt2']: expected a SHA-256 of 64 lower-case hex digits"},
        Refusal{"\"records\": {", "\"records\": {\"extra/torchship/manifest.json\": \"\", ",
                "records['extra/torchship/manifest.json']: expected a SHA-256"}));

TEST(ManifestTest, SizeDepthAndNumberOfValuesAreBounded) {
  const std::string deep = std::string(65, '[') + std::string(65, ']');
  EXPECT_HAS(refusal([&] { parsed(deep); }), "is nested deeper than 64");
  std::string many = "[0";
  for (int i = 0; i < 2'000'000; ++i) many += ",0";
  EXPECT_HAS(refusal([&] { parsed(many + "]"); }), "holds more than 2000000 values");
  EXPECT_HAS(refusal([&] { parsed(std::string((64 << 20) + 1, ' ')); }), "more than the 67108864");
}

TEST(ManifestTest, FaultsThatControlTheTerminalAreShownEscaped) {
  const std::string text = replaced(full(), "\"note\"", "\"\\u001b[2J\"");
  EXPECT_HAS(refusal([&] { parsed(text); }), "got '\\x1b[2J'");
}

ValueSpec spec(Kind kind, std::string type, std::vector<ValueSpec> items = {}) {
  ValueSpec made;
  made.kind = kind;
  made.type = std::move(type);
  made.items = std::move(items);
  return made;
}

/// What the code of a model says that fits kFull.
ModelInfo model_info() {
  MethodInfo method;
  method.name = "forward";
  const ValueSpec tensor = spec(Kind::tensor, "Tensor");
  ValueSpec optional = spec(Kind::tensor, "Optional[Tensor]");
  optional.optional = true;
  method.inputs = {tensor,
                   optional,
                   spec(Kind::list, "List[Tensor]", {tensor}),
                   spec(Kind::tuple, "Tuple[int, bool]",
                        {spec(Kind::integer, "int"), spec(Kind::boolean, "bool")}),
                   spec(Kind::dict, "Dict[int, float]",
                        {spec(Kind::integer, "int"), spec(Kind::floating, "float")}),
                   spec(Kind::string, "str"),
                   spec(Kind::any, "Any")};
  method.output = tensor;
  ModelInfo info;
  info.methods = {method};
  return info;
}

ModelInfo overlaid(const std::string& text, ModelInfo info = model_info()) {
  overlay(parsed(text), kPlace, info);
  return info;
}

TEST(OverlayTest, PromisesAreAdded) {
  const ModelInfo info = overlaid(full());
  const std::vector<ValueSpec>& inputs = info.methods[0].inputs;
  EXPECT_EQ(inputs[0].name, "x");
  EXPECT_EQ(inputs[0].type, "Tensor");
  EXPECT_EQ(inputs[0].dtype, at::kFloat);
  EXPECT_TRUE(inputs[1].constant->is_none());
  EXPECT_EQ((*inputs[2].members)[0].type, "Tensor");
  EXPECT_EQ((*inputs[2].members)[0].dtype, at::kLong);
  EXPECT_EQ((*inputs[3].members)[0].name, "a");
  EXPECT_EQ((*inputs[4].members)[1].name, "8");
  EXPECT_EQ(inputs[6].name, "rest");
  EXPECT_EQ(info.methods[0].dimensions[0].name, "batch");
  EXPECT_EQ(info.default_method, "forward");
  EXPECT_EQ(info.manifest_version, 1);
  EXPECT_TRUE(info.has_intermediates);
}

TEST(OverlayTest, AnyIsNarrowed) {
  ModelInfo info = model_info();
  for (ValueSpec& input : info.methods[0].inputs) input = spec(Kind::any, "Any");
  const ModelInfo narrowed = overlaid(full(), info);
  const std::vector<ValueSpec>& inputs = narrowed.methods[0].inputs;
  EXPECT_EQ(inputs[2].kind, Kind::list);
  EXPECT_EQ(inputs[2].items.size(), 1u);
  EXPECT_EQ(inputs[3].items.size(), 2u);
  EXPECT_EQ(inputs[4].items.size(), 2u);
  EXPECT_EQ((*inputs[4].members)[0].kind, Kind::floating);
}

TEST(OverlayTest, ContradictionsAreRefused) {
  const auto refused = [](std::size_t input, ValueSpec code) {
    ModelInfo info = model_info();
    info.methods[0].inputs[input] = std::move(code);
    return refusal([&] { overlaid(full(), info); });
  };
  EXPECT_HAS(refused(0, spec(Kind::string, "str")),
             "methods[0].inputs[0]: is of kind tensor, but the model's code says str");
  EXPECT_HAS(refused(1, spec(Kind::tensor, "Tensor")), "methods[0].inputs[1]: is of kind None");
  EXPECT_HAS(refused(2, spec(Kind::list, "List[int]", {spec(Kind::integer, "int")})),
             "methods[0].inputs[2].items[0]: is of kind tensor, but the model's code says int");
  EXPECT_HAS(refused(3, spec(Kind::tuple, "Tuple[int]", {spec(Kind::integer, "int")})),
             "methods[0].inputs[3]: has 2 items, but the model's code says Tuple[int]");
  EXPECT_HAS(refused(4, spec(Kind::dict, "Dict[str, float]",
                             {spec(Kind::string, "str"), spec(Kind::floating, "float")})),
             "methods[0].inputs[4]: has keys of kind int, but the model's code says");
  ModelInfo fewer = model_info();
  fewer.methods[0].inputs.pop_back();
  EXPECT_HAS(refusal([&] { overlaid(full(), fewer); }), "methods[0].inputs: lists 7 inputs");
  ModelInfo other = model_info();
  other.methods[0].name = "encode";
  EXPECT_HAS(refusal([&] { overlaid(full(), other); }),
             "methods[0]: the model's code has no method 'forward'");
  EXPECT_HAS(refusal([&] {
               overlaid(replaced(full(), "\"default_method\": \"forward\"",
                                 "\"default_method\": \"fly\""));
             }),
             "default_method: the model's code has no method 'fly'");
}

NamedTensors tensors(std::int64_t batch, at::ScalarType dtype = at::kFloat) {
  return {{"x", at::ones({batch, 3, 5}, dtype)},
          {"part", at::ones({batch}, at::kLong)},
          {"out", at::ones({batch})}};
}

std::vector<Sample> bound(const std::string& text, const NamedTensors& given) {
  const Manifest manifest = parsed(text);
  ModelInfo info = model_info();
  overlay(manifest, kPlace, info);
  return bind_samples(manifest, info, given, kPlace);
}

TEST(SamplesTest, ValuesAreBuilt) {
  const std::vector<Sample> samples = bound(full(), tensors(4));
  ASSERT_EQ(samples.size(), 1u);
  const std::vector<Value>& inputs = samples[0].inputs;
  EXPECT_EQ(inputs[0].tensor().size(0), 4);
  EXPECT_TRUE(inputs[1].is_none());
  EXPECT_EQ(inputs[2][0].tensor().scalar_type(), at::kLong);
  EXPECT_TRUE(inputs[3][1].boolean());
  EXPECT_EQ(inputs[4].entries()[1].second.floating(), 2);
  EXPECT_EQ(samples[0].output->tensor().size(0), 4);
}

TEST(SamplesTest, MisfitsAreRefused) {
  const auto refused = [](const NamedTensors& given, const std::string& text = full()) {
    return refusal([&] { bound(text, given); });
  };
  EXPECT_HAS(refused({}), "samples[0]: there is no tensor 'x'");
  EXPECT_HAS(refused(tensors(3)), "inputs[0].shape[0]: the size 3 is not in the range of 'batch'");
  EXPECT_HAS(refused(tensors(10)), "the size 10 is not in the range of 'batch'");
  EXPECT_HAS(refused(tensors(4, at::kDouble)), "expected a tensor of float32, got float64[4, 3, 5]");
  NamedTensors mixed = tensors(4);
  mixed[1].second = at::ones({2}, at::kLong);
  EXPECT_HAS(refused(mixed), "inputs[2][0].shape[0]: 'batch' is 4 elsewhere in the sample, and 2");
  EXPECT_HAS(refused(tensors(4), replaced(full(), "[8, {\"kind\": \"float\", \"value\": 2}]",
                                          "[9, {\"kind\": \"float\", \"value\": 2}]")),
             "inputs[4]: the key '8' is missing");
  EXPECT_HAS(refused(tensors(4), replaced(full(), "{\"kind\": \"list\", \"items\": [{\"kind\": "
                                                  "\"tensor\", \"ref\": \"part\"}]}",
                                          "{\"kind\": \"list\", \"items\": []}")),
             "inputs[2]: expected 1 items, got 0");
  EXPECT_HAS(refused(tensors(4), replaced(full(), "{\"kind\": \"str\", \"value\": \"mean\"}, {",
                                          "{\"kind\": \"int\", \"value\": 1}, {")),
             "inputs[5]: expected str, got int 1");
}

TEST(SamplesTest, Intermediates) {
  const Manifest manifest = parsed(full());
  const Intermediates values = bind_intermediates(*manifest.intermediates, tensors(4), kPlace);
  EXPECT_EQ(values.values.at(0).node, 5u);
  EXPECT_EQ(values.values[0].value.scalar_type(), at::kLong);
  EXPECT_HAS(refusal([&] { bind_intermediates(*manifest.intermediates, {}, kPlace); }),
             "intermediates: there is no tensor 'part'");
}

}  // namespace
}  // namespace torchship
