#include "promises.h"

#include <cstdlib>
#include <limits>
#include <new>

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torchship/error.h>

#include "test_files.h"

namespace {
thread_local std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) {
    return memory;
  }
  throw std::bad_alloc();
}
// GCC sees the new that it inlines beside the delete that it knows.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace torchship {
namespace {

constexpr Dimension any_size{};
constexpr Dimension fixed(std::int64_t size) { return {.size = size, .symbol = -1}; }
constexpr Dimension symbol(int index) { return {.size = -1, .symbol = index}; }

ValueSpec spec(const std::string& name, Kind kind, const std::string& type) {
  ValueSpec made;
  made.name = name;
  made.kind = kind;
  made.type = type;
  return made;
}

ValueSpec tensor(const std::string& name, at::ScalarType dtype, std::vector<Dimension> shape) {
  ValueSpec made = spec(name, Kind::tensor, "Tensor");
  made.dtype = dtype;
  made.shape = std::move(shape);
  return made;
}

ValueSpec constant(const std::string& name, Kind kind, Value value) {
  ValueSpec made = spec(name, kind, std::string(to_string(kind)));
  made.constant = std::move(value);
  return made;
}

/// A container with exactly these members; what TorchScript says of its items is not asked.
ValueSpec container(const std::string& name, Kind kind, std::vector<ValueSpec> members) {
  ValueSpec made = spec(name, kind, "");
  made.items = {spec("", Kind::any, "Any"), spec("", Kind::any, "Any")};
  made.members = std::move(members);
  return made;
}

DimensionRange range(const std::string& name, std::int64_t min = 1,
                     std::optional<std::int64_t> max = std::nullopt,
                     std::int64_t multiple_of = 1) {
  return {.name = name, .min = min, .max = max, .multiple_of = multiple_of, .tried = {}};
}

MethodInfo forward(std::vector<ValueSpec> inputs, std::vector<DimensionRange> dimensions = {}) {
  return {.name = "forward",
          .inputs = std::move(inputs),
          .output = spec("", Kind::tensor, "Tensor"),
          .dimensions = std::move(dimensions)};
}

/// The whole SignatureError for these inputs, without "m.pt: forward: input "; empty when they fit.
std::string complaint(const MethodInfo& method, const std::vector<Value>& values) {
  BoundInputs inputs;
  for (const Value& value : values) {
    inputs.push_back(&value);
  }
  const std::string start = "m.pt: forward: input ";
  try {
    require_promises("m.pt", method, inputs);
  } catch (const SignatureError& error) {
    const std::string said = error.what();
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
    EXPECT_EQ(said.substr(0, start.size()), start);
    return said.substr(start.size());
  }
  return {};
}

const Value kPair = at::ones({2, 3});

TEST(Promises, NothingPromisedIsNothingChecked) {
  const MethodInfo method = forward({spec("x", Kind::tensor, "Tensor"), spec("y", Kind::any, "Any")});
  EXPECT_EQ(complaint(method, {kPair, Value::list({1, "a"})}), "");
  EXPECT_EQ(complaint(forward({tensor("x", at::kFloat, {any_size, any_size})}), {kPair}), "");
}

TEST(Promises, LeavesOutWhatWasLeftOut) {
  BoundInputs inputs{nullptr};
  EXPECT_NO_THROW(
      require_promises("m.pt", forward({tensor("x", at::kFloat, {fixed(1)})}), inputs));
  ValueSpec optional = tensor("x", at::kFloat, {fixed(1)});
  optional.optional = true;
  EXPECT_EQ(complaint(forward({optional}), {Value()}), "");
}

TEST(Promises, ChecksDtypes) {
  const MethodInfo method = forward({tensor("x", at::kLong, {fixed(2), fixed(3)})});
  EXPECT_EQ(complaint(method, {at::ones({2, 3}, at::kLong)}), "");
  EXPECT_EQ(complaint(method, {kPair}),
            "'x': expected int64[2, 3], got float32[2, 3]\nconvert it: x.long()");
  EXPECT_HAS(complaint(forward({tensor("x", at::kFloat, {})}), {at::ones({}, at::kDouble)}),
             "'x': expected float32[], got float64[]\nconvert it: x.float()");
  EXPECT_HAS(complaint(forward({tensor("x", at::kByte, {})}), {at::ones({})}),
             "x.to(torch.uint8)");
}

TEST(Promises, ChecksFixedSizesAndNumbersOfDimensions) {
  const MethodInfo method = forward({tensor("x", at::kFloat, {symbol(0), fixed(3)})}, {range("B")});
  EXPECT_EQ(complaint(method, {kPair}), "");
  EXPECT_HAS(complaint(method, {at::ones({2, 4})}),
             "'x': expected float32[B, 3], got float32[2, 4]\nthe model was traced with fixed sizes");
  EXPECT_EQ(complaint(method, {at::ones({3})}),
            "'x': expected float32[B, 3], got float32[3]\nreshape it to 2 dimensions");
  EXPECT_HAS(complaint(forward({tensor("x", at::kFloat, {any_size, fixed(4)})}), {kPair}),
             "'x': expected float32[?, 4], got float32[2, 3]");
}

TEST(Promises, SymbolsAgreeAcrossInputs) {
  const MethodInfo method = forward({tensor("ids", at::kLong, {symbol(0)}),
                                     tensor("mask", at::kLong, {symbol(0), symbol(1)})},
                                    {range("B"), range("T")});
  const Value ids = at::ones({2}, at::kLong);
  EXPECT_EQ(complaint(method, {ids, at::ones({2, 9}, at::kLong)}), "");
  EXPECT_EQ(complaint(method, {ids, at::ones({3, 7})}),
            "'mask': expected int64[B, T] with B=2 from 'ids', got float32[3, 7]\n"
            "convert it: mask.long()");
  EXPECT_EQ(complaint(method, {ids, at::ones({3, 7}, at::kLong)}),
            "'mask': expected int64[B, T] with B=2 from 'ids', got int64[3, 7]");
  // What one call says of a symbol is not what the next one must hold to.
  EXPECT_EQ(complaint(method, {at::ones({5}, at::kLong), at::ones({5, 9}, at::kLong)}), "");
}

TEST(Promises, SymbolsAgreeWithinOneInput) {
  const MethodInfo square =
      forward({tensor("x", at::kFloat, {symbol(0), symbol(0)})}, {range("N")});
  EXPECT_EQ(complaint(square, {at::ones({3, 3})}), "");
  EXPECT_EQ(complaint(square, {kPair}),
            "'x': expected float32[N, N] with N=2 from 'x', got float32[2, 3]");
}

TEST(Promises, ChecksRanges) {
  const auto said = [](const DimensionRange& dimension, std::int64_t size) {
    return complaint(forward({tensor("x", at::kFloat, {symbol(0)})}, {dimension}),
                     {at::ones({size})});
  };
  EXPECT_EQ(said(range("B", 1, 64), 64), "");
  EXPECT_HAS(said(range("B", 1, 64), 65),
             "'x': expected float32[B] with B from 1 to 64, got float32[65]\nother sizes were not");
  EXPECT_HAS(said(range("B", 2), 1), "with B at least 2, got float32[1]");
  EXPECT_EQ(said(range("B", 0, std::nullopt, 8), 16), "");
  EXPECT_HAS(said(range("B", 8, 64, 8), 12), "with B from 8 to 64 and a multiple of 8, got");
  EXPECT_EQ(said(range("B", 0), 0), "");
}

TEST(Promises, RefusesOtherLayouts) {
  const MethodInfo method = forward({tensor("x", at::kFloat, {fixed(2), fixed(3)})});
  EXPECT_EQ(complaint(method, {kPair.tensor().to_sparse()}),
            "'x': expected a plain float32[2, 3], got float32[2, 3] in layout Sparse\n"
            "convert it: x.to_dense()");
  EXPECT_EQ(complaint(forward({spec("x", Kind::tensor, "Tensor")}), {kPair.tensor().to_sparse()}),
            "");
}

TEST(Promises, ChecksConstants) {
  EXPECT_EQ(complaint(forward({constant("mode", Kind::string, "mean")}), {"mean"}), "");
  EXPECT_EQ(complaint(forward({constant("mode", Kind::string, "mean")}), {"sum"}),
            "'mode': the model was traced with 'mean' and knows no other value, got 'sum'\n"
            "trace the model again with the value that is wanted");
  EXPECT_HAS(complaint(forward({constant("k", Kind::integer, 3)}), {4}),
             "'k': the model was traced with 3 and knows no other value, got 4");
  EXPECT_HAS(complaint(forward({constant("flag", Kind::boolean, true)}), {false}),
             "traced with True and knows no other value, got False");
  EXPECT_HAS(complaint(forward({constant("p", Kind::floating, 0.5)}), {1}),
             "traced with 0.5 and knows no other value, got 1");
  EXPECT_EQ(complaint(forward({constant("p", Kind::floating, 1.0)}), {1}), "");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(complaint(forward({constant("p", Kind::floating, nan)}), {nan}), "");
}

TEST(Promises, NoneMayBeTheOnlyValue) {
  ValueSpec absent = constant("mask", Kind::tensor, Value());
  absent.optional = true;
  EXPECT_EQ(complaint(forward({absent}), {Value()}), "");
  EXPECT_HAS(complaint(forward({absent}), {kPair}),
             "'mask': the model was traced with None and knows no other value, got float32[2, 3]");
  EXPECT_EQ(complaint(forward({constant("x", Kind::none, Value())}), {Value()}), "");
  EXPECT_HAS(complaint(forward({constant("x", Kind::any, Value())}), {1}), "got 1");
}

TEST(Promises, ChecksMembersOfListsAndTuples) {
  const MethodInfo method = forward(
      {container("x", Kind::list,
                 {tensor("", at::kFloat, {symbol(0)}), tensor("", at::kFloat, {symbol(0)})})},
      {range("B")});
  EXPECT_EQ(complaint(method, {Value::list({at::ones({2}), at::ones({2})})}), "");
  EXPECT_HAS(complaint(method, {Value::list({at::ones({2})})}),
             "'x': expected a list of 2, got list of 1 item");
  EXPECT_EQ(complaint(method, {Value::list({at::ones({2}), at::ones({3})})}),
            "'x'[1]: expected float32[B] with B=2 from 'x', got float32[3]");
  EXPECT_HAS(complaint(method, {Value::list({at::ones({2}), at::ones({2}, at::kLong)})}),
             "convert it: .float()");
  const MethodInfo pair = forward({container("x", Kind::tuple, {constant("", Kind::integer, 1)})});
  EXPECT_HAS(complaint(pair, {Value::tuple({2})}), "'x'[0]: the model was traced with 1");
  EXPECT_HAS(complaint(pair, {Value::tuple({"a"})}), "'x'[0]: expected int, got str 'a'");
}

TEST(Promises, ChecksMembersOfDicts) {
  const MethodInfo method = forward({container(
      "x", Kind::dict, {tensor("ids", at::kFloat, {fixed(2)}), spec("7", Kind::any, "Any")})});
  const Value ids = at::ones({2});
  EXPECT_EQ(complaint(method, {Value::dict({{7, 1}, {"ids", ids}})}), "");
  EXPECT_EQ(complaint(method, {Value::dict({{"ids", ids}})}),
            "'x': the key '7' is missing\nits keys are 'ids', '7'");
  EXPECT_EQ(complaint(method, {Value::dict({{"ids", ids}, {7, 1}, {"more", 1}})}),
            "'x': unknown key 'more'\nits keys are 'ids', '7'");
  EXPECT_EQ(complaint(method, {Value::dict({{"ids", ids}, {7, 1}, {7, 2}})}),
            "'x': a key is given twice");
  EXPECT_HAS(complaint(method, {Value::dict({{"ids", at::ones({3})}, {7, 1}})}),
             "'x'['ids']: expected float32[2], got float32[3]");
}

TEST(Promises, AllocatesNothingWhereAllIsWell) {
  const MethodInfo method =
      forward({tensor("x", at::kFloat, {symbol(0), fixed(3)}),
               container("y", Kind::dict, {tensor("ids", at::kFloat, {symbol(0), symbol(1)})}),
               constant("mode", Kind::string, "a text that is too long for a small string")},
              {range("B", 1, 64, 2), range("T")});
  const Value dict = Value::dict({{"ids", kPair}});
  const Value mode = "a text that is too long for a small string";
  const BoundInputs inputs{&kPair, &dict, &mode};
  const std::string model = "m.pt";
  const std::size_t before = allocations;
  require_promises(model, method, inputs);
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace torchship
