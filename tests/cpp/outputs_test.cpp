#include "outputs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torchship/error.h>

namespace torchship {
namespace {

at::Tensor square() { return at::arange(9.0).reshape({3, 3}).to(at::kFloat); }

void hand(const std::vector<at::Tensor>& results, const std::vector<at::Tensor>& outputs) {
  std::vector<Value> values(results.begin(), results.end());
  hand_over(Value::tuple(std::move(values), {}), outputs, "net.pt: forward");
}

/// What is wrong with the second of two outputs; the first one must stay as it was.
std::string refusal(const at::Tensor& second) {
  const at::Tensor first = at::zeros({3, 3});
  try {
    hand({square(), square()}, {first, second});
  } catch (const SignatureError& error) {
    EXPECT_TRUE(at::equal(first, at::zeros({3, 3})));
    return error.message();
  }
  return "nothing";
}

TEST(Outputs, AreWrittenWhateverTheirStrides) {
  const at::Tensor plain = at::zeros({3, 3}), turned = at::zeros({3, 3}).t();
  hand({square(), square() + 1}, {plain, turned});
  EXPECT_TRUE(at::equal(plain, square()));
  EXPECT_TRUE(at::equal(turned, square() + 1));
}

TEST(Outputs, MayBeColumnsOfOneTensor) {
  const at::Tensor both = at::zeros({3, 6});
  hand({square(), square() + 1}, {both.slice(1, 0, 6, 2), both.slice(1, 1, 6, 2)});
  EXPECT_TRUE(at::equal(both.slice(1, 0, 6, 2), square()));
  EXPECT_TRUE(at::equal(both.slice(1, 1, 6, 2), square() + 1));
}

/// As those that are a view of an input are, where the input is an output too.
TEST(Outputs, ResultsMayLieInThem) {
  const at::Tensor x = square(), other = at::zeros({3, 3});
  hand({x + 1, x.t()}, {x, other});
  EXPECT_TRUE(at::equal(x, square() + 1));
  EXPECT_TRUE(at::equal(other, square().t()));
  const at::Tensor y = square();
  hand({y.t()}, {y});
  EXPECT_TRUE(at::equal(y, square().t()));
}

TEST(Outputs, OfInferenceModeAreWritten) {
  at::Tensor output;
  {
    const c10::InferenceMode inference;
    output = at::zeros({3, 3});
  }
  hand({square()}, {output});
  EXPECT_TRUE(at::equal(output, square()));
}

TEST(Outputs, ThatCannotHoldAResultAreRefusedBeforeAnyIsWritten) {
  EXPECT_EQ(refusal(at::zeros({3, 1}).expand({3, 3})),
            "net.pt: forward: output '1': the memory given has one place for several elements");
  EXPECT_EQ(refusal(at::zeros({3, 3}, at::TensorOptions().device(at::kMeta))),
            "net.pt: forward: output '1': the memory given is not that of a dense tensor");
  EXPECT_EQ(refusal(square().to_sparse()),
            "net.pt: forward: output '1': the memory given is not that of a dense tensor");
  EXPECT_NE(refusal(at::zeros({3, 2})).find("output '1' is float32[3, 3], got memory for float32[3, 2]"),
            std::string::npos);
}

TEST(Outputs, MayNotShareMemory) {
  const at::Tensor one = at::zeros({3, 3}), rows = at::zeros({4, 3});
  EXPECT_THROW(hand({square(), square()}, {one, one}), SignatureError);
  EXPECT_THROW(hand({square(), square()}, {rows.slice(0, 0, 3), rows.slice(0, 1, 4)}), SignatureError);
  EXPECT_TRUE(at::equal(one, at::zeros({3, 3})));
}

}  // namespace
}  // namespace torchship
