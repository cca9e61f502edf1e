"""Sizes that vary: what torch.export is told, what it makes of it, and what is reported."""

import pytest
import torch
from bridge_support import BATCH, bridged, operators, scripted, traced
from r_torch import same
from support import legacy, since_torch
from torch import Tensor, nn
from torchship.compiling.bridge import Range, exported
from torchship.compiling.bridge.sizes import Sizes

TIME = Range("time")


def sizes(self, x: Tensor):
    b, t, _ = x.shape
    y = x.reshape(b * t, -1)
    scale = float(t) ** 0.5 + b / 2
    padding = torch.zeros(b, max(t, 4) - 3, x.size(2))
    return torch.cat([x, padding], 1), y * scale, b, t // 2, x.numel(), (t + 1) % 3, -b


@since_torch("2.13", "fixes sizes that numbers are computed from")
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_any_batch_whatever_the_example(batch):
    made = bridged(
        scripted(sizes),
        (torch.randn(batch, 5, 2),),
        *[(torch.randn(b, t, 2),) for b, t in ((1, 1), (1, 6), (4, 1), (4, 5))],
        dynamic=[{0: BATCH, 1: TIME}],
    )
    assert made.restrictions == []
    assert made.ranges == {"batch": BATCH, "time": TIME}
    assert made.output["items"][2] == {"kind": "int", "ref": 2}


class Sized(nn.Module):
    """What a trace keeps of sizes: tensors of numbers."""

    def forward(self, x: Tensor):
        b, t, c = x.shape
        half = t // 2
        y = x.reshape(b * t, c).reshape(b, t, c)
        up = nn.functional.interpolate(x.transpose(1, 2), scale_factor=2.0)
        even = torch.arange(t, device=x.device)
        return y.sum(1), x[:, half], up, even * t, x.new_zeros(b, t * 3 - 1) + t / 2


def test_sizes_of_a_trace_stay_related():
    module = traced(Sized(), torch.randn(2, 6, 3))
    assert "NumToTensor" in str(module.graph)
    made = bridged(
        module,
        (torch.randn(2, 6, 3),),
        *[(torch.randn(b, t, 3),) for b, t in ((1, 4), (5, 9), (3, 1))],
        dynamic=[{0: BATCH, 1: TIME}],
    )
    assert made.restrictions == []
    assert "item.default" not in operators(made)


def test_one_name_is_one_size_and_one_tensor_twice_is_two():
    x = torch.randn(2, 3)

    def add(self, a: Tensor, b: Tensor):
        return a + b

    made = bridged(
        scripted(plus), (x, x), (torch.randn(7, 3), torch.randn(7, 3)), dynamic=[{0: BATCH}] * 2
    )
    assert made.restrictions == []
    with pytest.raises((RuntimeError, AssertionError)):
        made.program.module()(torch.randn(7, 3), torch.randn(6, 3))


def plus(self, a: Tensor, b: Tensor):
    return a + b


def test_names_that_must_be_the_same():
    dynamic = [{0: Range("rows")}, {0: Range("lines")}]
    made = bridged(scripted(plus), (torch.randn(4, 3), torch.randn(4, 3)), dynamic=dynamic)
    assert [str(each).split(":")[0] for each in made.restrictions] in (
        ["lines must be the size of rows"],
        ["rows must be the size of lines"],
    )


def pairs(self, x: Tensor):
    return x.view(x.size(0) // 2, 2, 3).sum(1)


def fixed(self, x: Tensor):
    return x.view(4, 3) + 1


def first_rows(self, x: Tensor):
    return x[:3] * 2 if x.size(0) > 2 else x.expand(3, 3)


def short(self, x: Tensor):
    return torch.arange(10.0)[: x.size(0)].view(x.size(0), 1) + x


def test_multiples_are_found():
    made = bridged(
        scripted(pairs), (torch.randn(4, 3),), (torch.randn(8, 3),), dynamic=[{0: BATCH}]
    )
    [restriction] = made.restrictions
    assert restriction.range.multiple_of == 2 and restriction.wanted == BATCH
    assert "a multiple of 2" in str(restriction)


def test_multiples_that_are_known():
    pairs_of = Range("batch", min=4, multiple_of=2)
    made = bridged(
        scripted(pairs), (torch.randn(4, 3),), (torch.randn(6, 3),), dynamic=[{0: pairs_of}]
    )
    assert made.restrictions == [] and made.ranges == {"batch": pairs_of}


def at_least_four(self, x: Tensor):
    return torch.cat([x, torch.zeros(max(x.size(0), 4) - x.size(0), 3)])


def test_a_smallest_size_is_found():
    made = bridged(
        scripted(at_least_four), (torch.randn(6, 3),), (torch.randn(4, 3),), dynamic=[{0: BATCH}]
    )
    [restriction] = made.restrictions
    assert str(restriction).startswith("batch must be 4 or more")


def test_a_size_that_cannot_vary_is_fixed_and_reported():
    made = bridged(scripted(fixed), (torch.randn(4, 3),), dynamic=[{0: BATCH}])
    [restriction] = made.restrictions
    assert restriction.range is None and restriction.size == 4 and restriction.why
    assert made.ranges == {"batch": 4}


def test_a_largest_size_is_found():
    made = bridged(
        scripted(short), (torch.randn(4, 3),), (torch.randn(10, 3),), dynamic=[{0: BATCH}]
    )
    [restriction] = made.restrictions
    assert restriction.range.max == 10


def test_names_of_any_form():
    dynamic = [{0: Range("batch.mask_0"), 1: Range("_time")}]
    made = bridged(
        scripted(pairs_free), (torch.randn(4, 3),), (torch.randn(1, 5),), dynamic=dynamic
    )
    assert made.restrictions == [] and list(made.ranges) == ["batch.mask_0", "_time"]


def test_limits_that_were_declared():
    limited = Range("batch", min=2, max=6)
    made = bridged(scripted(pairs_free), (torch.randn(4, 3),), dynamic=[{0: limited}])
    assert made.restrictions == [] and made.ranges == {"batch": limited}
    with pytest.raises((RuntimeError, AssertionError)):
        made.program.module()(torch.randn(7, 3))


def pairs_free(self, x: Tensor):
    return x * x.size(0)


def squeezed(self, x: Tensor):
    return x.squeeze()


def test_a_size_of_one_that_differs_is_taken_away():
    made = bridged(
        scripted(squeezed), (torch.randn(4, 3),), (torch.randn(7, 3),), dynamic=[{0: BATCH}]
    )
    supported = made.ranges["batch"]
    assert isinstance(supported, Range) and (supported.min == 2 or made.restrictions == [])
    program = made.program.module()
    try:
        got = program(torch.ones(1, 3))
    except (RuntimeError, AssertionError):
        return
    same(made.result(got), torch.ones(3))


def test_an_lstm_at_any_time_is_one_operator():
    module = traced(nn.LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3))
    made = bridged(
        module,
        (torch.randn(2, 5, 3),),
        (torch.randn(1, 1, 3),),
        (torch.randn(4, 9, 3),),
        dynamic=[{0: BATCH, 1: TIME}],
    )
    assert made.restrictions == [] and operators(made).count("lstm.input") == 1


def test_every_tensor_needs_an_entry():
    with pytest.raises(ValueError, match="one entry for each of 2 tensors, got 1"):
        exported(scripted(plus), "forward", (torch.ones(2), torch.ones(2)), [{0: BATCH}])


def test_suggestions_of_torch_export_are_understood():
    wanted = Sizes([{0: Range("b"), 1: Range("t")}, {0: Range("u"), 1: Range("v")}])
    assert wanted.narrow(
        "Constraints violated\nSuggested fixes:\n  b = 3\n  t = Dim('t', min=4, max=9)\n"
        "  u = t\n  _v = Dim('_v', min=2, max=oo)\n  v = 2*_v\n"
    )
    assert wanted.fixed == {"b"} and wanted.same == {"u": "t"}
    assert wanted.ranges["t"] == Range("t", 4, 9)
    assert wanted.ranges["v"].multiple_of == 2
    assert not wanted.narrow("something else")


def test_legacy_is_quiet():
    module = legacy(torch.jit.script, nn.ReLU().eval())
    assert exported(module, "forward", (torch.ones(2),)).restrictions == []
