"""Which sizes may vary: found by trying, declared, and always tried."""

import pytest
import torch
from test_trace import Many, X, network
from torch import Tensor, nn
from torchship import Dim, TraceError, trace


def ranges(traced, method="forward"):
    return {each.name: each for each in traced.report.dimensions[method]}


def test_sizes_that_vary_are_found_and_proven():
    traced = trace(nn.GRU(3, 4, batch_first=True), torch.randn(2, 5, 3))
    found = ranges(traced)
    assert set(found) == {"batch", "input_1"}
    assert {1, 2, 3} <= set(found["batch"].tried) and found["batch"].min == 1


def test_sizes_that_go_together_are_one():
    traced = trace(lambda a, b: a + b, (torch.randn(4, 3), torch.randn(4, 3)))
    assert [each.members for each in traced.report.dimensions["forward"]] == [
        [(0, 0), (1, 0)],
        [(0, 1), (1, 1)],
    ]


def test_mask_that_may_be_longer_goes_with_what_it_masks():
    def f(x, mask):
        rows = torch.arange(x.shape[0], device=x.device)
        return x * mask[rows]

    traced = trace(f, (torch.randn(4, 3), torch.randn(4, 3)))
    assert ranges(traced)["batch"].members == [(0, 0), (1, 0)]


def test_limits_of_the_model_are_found():
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(9, 4)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.table(torch.arange(x.shape[1], device=x.device))

    found = ranges(trace(Positions(), torch.randn(2, 5, 4)))
    assert (found["x_1"].min, found["x_1"].max) == (1, 9)


def test_multiples_are_found():
    class UNet(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            small = nn.functional.avg_pool2d(x, 4)
            return x + nn.functional.interpolate(small, scale_factor=4.0)

    found = ranges(trace(UNet(), torch.randn(1, 2, 8, 8)))
    assert found["x_2"].multiple_of == 4 and found["x_3"].multiple_of == 4


def test_declared_sizes_are_tried_up_to_their_limits():
    dynamic = {"input": {0: Dim("rows", min=1, max=64)}}
    found = ranges(trace(network(), X, dynamic=dynamic))["rows"]
    assert (found.min, found.max) == (1, 64) and {1, 64} <= set(found.tried)


@pytest.mark.parametrize("mode", ["eval", "both"])
def test_declaration_is_about_every_method_with_such_an_input(mode):
    dynamic = {"input": {0: "rows"}}
    traced = trace(network(), torch.randn(4, 3), mode=mode, dynamic=dynamic)
    assert [list(ranges(traced, name)) for name in traced.methods] == [["rows"]] * len(
        traced.methods
    )


def test_declaration_about_one_method():
    module, methods = Many().eval(), {"encode": X, "decode": X}
    module.decode = module.encode
    traced = trace(module, methods=methods, dynamic={"decode.x": {0: "rows"}})
    assert ranges(traced, "encode") == {} and list(ranges(traced, "decode")) == ["rows"]
    with pytest.raises(ValueError, match="no input tensor is named 'decode.y'"):
        trace(module, methods=methods, dynamic={"decode.y": [0]})


def test_declared_size_that_the_model_refuses():
    def f(x):
        return x + torch.zeros(9, 1)[: x.shape[0]]

    with pytest.raises(TraceError, match="refused-size.*declared to reach 20"):
        trace(f, torch.ones(3, 2), dynamic={"x": {0: Dim("rows", max=20)}})


@pytest.mark.parametrize(
    ("dynamic", "words"),
    [
        ({"y": [0]}, "no input tensor is named 'y'"),
        ({"input": [5]}, "'input' has no dimension 5"),
        ({"input": {0: 7}}, "7 is neither a name nor a torchship.Dim"),
        ({"input": {0: "n", 1: "n"}}, "'n' is 1 in one example and 3"),
    ],
)
def test_declarations_that_make_no_sense(dynamic, words):
    with pytest.raises(ValueError, match=words):
        trace(network(), X, dynamic=dynamic)


def test_batch_size_that_was_baked_in_is_fixed_in_the_report():
    def f(x):
        return x.reshape(int(x.shape[0]), -1)

    with pytest.raises(TraceError, match="baked-size"):
        trace(f, torch.ones(2, 3, 4))
    traced = trace(f, torch.ones(2, 3, 4), strict=False)
    assert "batch" not in ranges(traced)
    traced = trace(f, torch.ones(2, 3, 4), dynamic={})
    assert traced.report.of("error") == []
