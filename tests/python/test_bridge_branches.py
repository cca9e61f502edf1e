"""Branches and loops that depend on data or sizes, as operators of an exported program."""

import pytest
import torch
from bridge_support import BATCH, bridged, operators, scripted
from torch import Tensor, nn
from torchship.compiling.bridge import BridgeError, exported

X = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def sign_of_sum(self, x: Tensor):
    if x.sum() > 0:
        return x
    return -x


def both_tests(self, x: Tensor):
    if bool(x.sum() > 0) and not bool(x.max() > 100) or x.size(0) == 7:
        y = x * 2
        n = 1
    elif x.min() < -50:
        y, n = x / 2, 2
    else:
        y, n = x.abs(), 3
    return y, n, n * 2.5, n > 1


def keeps(self, x: Tensor, given: list[Tensor], scale: float):
    found = [x, x]
    flag = bool(x[0, 0] > 0)
    if flag:
        inner = [given[0] * scale, x]
        inner.append(given[0])
        found = [inner[0] + inner[2], inner[1]]
    return found, flag, scale


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small, self.large = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor):
        return self.large(x) if x.norm() > 1 else self.small(x)


def newton(self, x: Tensor, limit: int):
    root, rounds = x, 0
    while bool((root * root - x).abs().max() > 1e-4) and rounds < limit:
        root = (root + x / root) / 2
        rounds += 1
    return root, rounds


def until_found(self, x: Tensor):
    total = torch.zeros(())
    count = 0
    for i in range(100):
        total = total + x[0, 0] * i
        count += 2
        if bool(total > 10):
            break
    return total, count


def sum_of_pieces(self, x: Tensor):
    for part in x.nonzero():
        x = x + part.sum()
    return x


def over_rows(self, x: Tensor):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        total = total * 0.5 + x[i]
    return total


def powers(self, x: Tensor):
    n = int(x.sum().item())
    return x * n, n, float(n) / 2, torch.full([2], n)


def other_shape(self, x: Tensor):
    return x[:, :1] if x.sum() > 0 else x


CASES = {
    "branch": (sign_of_sum, [(X,), (-X,)]),
    "nested": (both_tests, [(X,), (X * 100,), (-X * 100,), (-X,)]),
    "captures": (keeps, [(X, [X + 1], 2.0), (-X, [X], 2.0)]),
    "weights": (Gate(), [(X,), (X / 100,)]),
    "while": (newton, [(X, 50), (X * 7, 50), (torch.ones(1, 1), 50)]),
    "break": (until_found, [(X,), (X * 100,), (X * 0,)]),
    "for each": (sum_of_pieces, [(X,), (X * 0,), (X * torch.tensor([0.0, 1.0, 0.0]),)]),
    "other shape": (other_shape, [(X,), (-X,)]),
    "number": (powers, [(X,), (-X,)]),
}


@pytest.mark.parametrize("name", CASES)
def test_depends_on_data(name):
    function, (inputs, *others) = CASES[name]
    others = [each for each in others if each[0].shape == inputs[0].shape]
    bridged(scripted(function), inputs, *others)


@pytest.mark.parametrize("name", ["branch", "weights", "while", "for each"])
def test_depends_on_data_at_any_batch(name):
    function, (inputs, *others) = CASES[name]
    dynamic = [{0: BATCH}]
    others = [(torch.cat([each[0]] * 3)[:size], *each[1:]) for each in others for size in (1, 2, 5)]
    others = [each for each in others if each[0].shape[1] == 3]
    made = bridged(scripted(function), inputs, *others, dynamic=dynamic)
    assert made.restrictions == [] and "batch=1" in made.checked


def test_what_is_known_is_no_operator_of_control():
    made = bridged(scripted(both_tests), (torch.ones(7, 3),), (-torch.ones(7, 3),))
    assert "cond" in operators(bridged(scripted(sign_of_sum), (X,)))
    assert "while_loop" in operators(bridged(scripted(newton), (X, 3)))
    assert "while_loop" not in operators(bridged(scripted(over_rows), (X,)))
    assert made.how


def test_a_loop_over_a_size_that_varies():
    made = bridged(
        scripted(over_rows),
        (X,),
        (torch.randn(1, 3),),
        (torch.randn(6, 3),),
        dynamic=[{0: BATCH}],
    )
    assert made.restrictions == [] and "while_loop" in operators(made)


def checked(self, x: Tensor, n: int):
    if n > 3:
        raise ValueError("never")
    if x.sum() > 100:
        raise ValueError(f"sum is too large: {n}")
    assert bool(x.min() > -10), "too small"
    return x + n


def test_checks_are_assertions():
    module = scripted(checked)
    made = bridged(module, (X, 2))
    program = made.program.module()
    for values, message in ((X * 100, "sum is too large: 2"), (-X * 10, "too small")):
        with pytest.raises(RuntimeError, match=message):
            program(values)
    error = _refused(module, (X, 4))
    assert error.message.startswith("forward raises on these inputs: never")


def nested_check(self, x: Tensor):
    if x[0, 0] > 0:
        if x[0, 1] > 5:
            raise ValueError("both")
    return x


def test_a_check_inside_a_branch_holds_only_there():
    made = bridged(scripted(nested_check), (X,), (torch.tensor([[-1.0, 9.0, 0.0]] * 2),))
    with pytest.raises(RuntimeError, match="both"):
        made.program.module()(torch.tensor([[1.0, 9.0, 0.0]] * 2))


def none_or_tensor(self, x: Tensor):
    y: Tensor | None = None
    if x.sum() > 0:
        y = x
    return y


def appends(self, x: Tensor):
    found = [x]
    if x.sum() > 0:
        found.append(x * 2)
    return found


def writes(self, x: Tensor):
    y = x.clone()
    if x.sum() > 0:
        y.add_(1)
    return y


def grows(self, x: Tensor):
    while x.size(0) < 100 and bool(x.sum() < 50):
        x = torch.cat([x, x])
    return x


@pytest.mark.parametrize(
    "function, words",
    [
        (none_or_tensor, "different kinds"),
        (appends, "changes a value from outside"),
        (writes, "changes a value from outside"),
        (grows, "how often it runs"),
    ],
)
def test_what_cannot_be_one_operator_is_refused_at_its_line(function, words):
    error = _refused(scripted(function), (X,))
    assert words in error.message
    assert error.operator in ("prim::If", "prim::Loop")
    assert "test_bridge_branches.py" in error.place and error.hint


def _refused(module, inputs) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        exported(module, "forward", inputs)
    return caught.value
