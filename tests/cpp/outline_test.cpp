#include "torchscript/outline.h"

#include <string>

#include <gtest/gtest.h>

namespace torchship {
namespace {

const std::string kCode = R"(class Net(Module):
  __parameters__ = ["weight", ]
  weight : Tensor
  training : Final[bool] = True
  def forward(self: __torch__.Net,
    x: Dict[str, Tensor],
    unit: str=": (") -> Tensor:
    _0 = torch.mul(x["a:"], 2)

    if bool(_0):
      def inner():
        pass
  # a comment at the edge
    return _0
  def state(self: __torch__.Net) -> NoneType:
    return None
class Pair(NamedTuple):
  first : Tensor
)";

TEST(Outline, KeepsWhatIsDeclared) {
  EXPECT_EQ(outline(kCode), R"(class Net(Module):
  __parameters__ = ["weight", ]
  def forward(self: __torch__.Net,
    x: Dict[str, Tensor],
    unit: str=": (") -> Tensor:
    pass
  def state(self: __torch__.Net) -> NoneType:
    pass
class Pair(NamedTuple):
  first : Tensor
)");
}

TEST(Outline, TakesFunctionsAndWhatDoesNotEnd) {
  EXPECT_EQ(outline("def f(x: int) -> int:\n  return x"), "def f(x: int) -> int:\n  pass\n");
  EXPECT_EQ(outline("op_version_set = 1"), "op_version_set = 1");
  EXPECT_EQ(outline(""), "");
}

/// What cannot be told from lines alone is left as it was.
class OutlineLeaves : public testing::TestWithParam<std::string> {};

TEST_P(OutlineLeaves, Whole) { EXPECT_EQ(outline(GetParam()), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Code, OutlineLeaves,
    testing::Values("def f(x):\n  return '''\ndef g():\n'''\n", "def f(x):\n\treturn x\n",
                    "def f(x):\n  # type: (int) -> int\n  return x\n",
                    "def f(x):\n  return \"a\\\nb\"\n", "def f(x): return x\n", "def f(x) # (:\n",
                    "def f(x=\"\n\"):\n  return x\n", "def f(x", "def f(x:\n  pass\n", "def "));

}  // namespace
}  // namespace torchship
