"""torchship.lint: devices, sizes, precision, inputs and results, weights and records."""

import pytest
import torch
import torchship
from handmade import read_records, write_records
from lint_support import Outer, Wrapped, found, line_of, only, script, trace
from torch import Tensor, nn


@pytest.fixture
def net(tmp_path):
    return tmp_path / "net.pt"


# baked-device, baked-size


class OnCpu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.arange(x.shape[-1], device="cpu")  # on cpu


def test_baked_device(net):
    finding = only(trace(OnCpu(), torch.ones(2, 3), path=net), "baked-device")
    assert (finding.severity, finding.line) == ("warning", line_of("on cpu"))
    assert "cpu" in finding.message


def test_device_of_the_input_in_a_script_is_not_baked(net):
    class OnItsDevice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.arange(x.shape[-1], device=x.device)

    assert not found(script(OnItsDevice(), net), "baked-device")


def test_scalar_on_the_cpu_is_no_hazard(net):
    def add(x: Tensor) -> Tensor:
        return x + torch.zeros((), device="cpu")

    assert not found(trace(add, torch.ones(2), path=net), "baked-device")


def flattened(x: Tensor) -> Tensor:
    return x.reshape(int(x.shape[0]), -1)  # flattened


def with_state(x: Tensor) -> Tensor:
    return torch.cat([x, torch.zeros(int(x.shape[0]), 1)], 1)  # with state


@pytest.mark.parametrize(
    ("function", "marker"), [(flattened, "flattened"), (with_state, "with state")]
)
def test_baked_size(net, function, marker):
    shape = (5, 2, 3) if function is flattened else (5, 3)
    finding = only(trace(Wrapped(function), torch.ones(shape), path=net), "baked-size")
    assert (finding.severity, finding.line) == ("warning", line_of(marker))
    assert "5" in finding.message


def test_batch_of_one_needs_a_whole_shape(net):
    def reshaped(x: Tensor) -> Tensor:
        return x.reshape(1, 6)

    def opened(x: Tensor) -> Tensor:
        return x.mean(0).reshape(1, -1)

    assert only(trace(Wrapped(reshaped), torch.ones(1, 2, 3), path=net), "baked-size")
    assert not found(trace(Wrapped(opened), torch.ones(1, 2, 3), path=net), "baked-size")


def test_size_of_the_input_is_not_baked(net):
    def free(x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1)

    assert not found(trace(Wrapped(free), torch.ones(5, 2, 3), path=net), "baked-size")


def test_batch_that_the_manifest_proves_to_vary_is_not_baked(net):
    # Three groups that happen to be as many as the rows of the example.
    def grouped(x: Tensor) -> Tensor:
        return x.reshape(3, -1).sum()

    torchship.trace(grouped, torch.randn(3, 6)).save(net)
    sizes = torchship.info(net).methods[0].inputs[0].shape
    assert sizes[0].symbol >= 0
    assert not found(net, "baked-size")


# double-precision


class Mixed(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.linear = nn.Linear(30, 30)
        self.register_buffer("table", torch.arange(30.0, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.table


def test_double_buffer_in_a_model_of_floats(net):
    finding = only(trace(Mixed(torch.float64), torch.ones(1, 30), path=net), "double-precision")
    assert (finding.severity, finding.place) == ("warning", "table")
    assert "float64[30]" in finding.message


def test_model_of_one_precision_is_no_hazard(net):
    assert not found(trace(Mixed(torch.float32), torch.ones(1, 30), path=net), "double-precision")
    doubles = Mixed(torch.float64).double()
    examples = torch.ones(1, 30, dtype=torch.float64)
    assert not found(trace(doubles, examples, path=net), "double-precision")


def test_cast_to_double(net):
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x).to(torch.float64)  # cast

    finding = only(trace(Cast(), torch.ones(1, 3), path=net), "double-precision")
    assert finding.line == line_of("cast")


def test_double_constant_of_the_code(net):
    table = torch.arange(30.0, dtype=torch.float64)

    class Closed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(30, 30)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) + table

    assert only(trace(Closed(), torch.ones(1, 30), path=net), "double-precision").place == "c0"


# unused-input, number-result


def test_unused_input(net):
    def first(x: Tensor, mask: Tensor) -> Tensor:
        return x + 1

    finding = only(trace(first, torch.ones(2), torch.ones(2), path=net), "unused-input")
    assert (finding.severity, finding.place, finding.method) == ("warning", "mask", "forward")


def test_input_that_only_a_check_looks_at_is_unused(net):
    class Checked(nn.Module):
        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            if lengths.dim() != 1:
                raise ValueError("lengths")
            return x + 1

    assert only(script(Checked(), net), "unused-input").place == "lengths"


def test_input_of_a_branch_or_a_write_is_used(net):
    class Branch(nn.Module):
        def forward(self, x: Tensor, way: Tensor, times: int, value: Tensor) -> Tensor:
            if bool(way.sum() > 0):
                x = x + 1
            for _ in range(times):
                x = x * 2
            x = x.clone()
            x[0] = value
            return x

    assert not found(script(Branch(), net), "unused-input")


class Number(nn.Module):
    def forward(self, x: Tensor) -> int:
        return x.shape[0] * 2


def test_number_result(net):
    finding = only(script(Number(), net), "number-result")
    assert finding.severity == "note" and "int" in finding.message


def test_number_that_is_the_same_for_all_inputs(net):
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> int:
            return 7

    assert only(script(Fixed(), net), "number-result").severity == "warning"


def test_tensor_result_is_no_number(net):
    assert not found(script(Outer(), net), "number-result")


# weights


class Carried(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(3, 3)
        self.left = nn.Linear(30, 30)
        self.scale = nn.Parameter(torch.ones(40))

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def test_unused_parameters(net):
    findings = {each.place: each for each in found(script(Carried(), net), "unused-parameter")}
    assert set(findings) == {"left", "scale"}
    assert "2 tensors of 3720 bytes" in findings["left"].message
    assert "1 tensor of 160 bytes" in findings["scale"].message
    assert {each.severity for each in findings.values()} == {"note"}


@pytest.mark.parametrize("module", [nn.LSTM(3, 3), nn.BatchNorm1d(3), Outer()])
def test_layers_read_all_their_parameters(net, module):
    example = torch.randn(2, 3)
    assert not found(script(module.eval(), net), "unused-parameter")
    assert not found(trace(module.eval(), example, path=net), "unused-parameter")


class Twice(nn.Module):
    def __init__(self, second: Tensor) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.arange(400.0))
        self.second = nn.Parameter(second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.first + self.second


def test_weights_that_are_stored_twice(net):
    finding = only(script(Twice(torch.arange(400.0)), net), "duplicate-weights")
    assert (finding.severity, finding.place) == ("note", "first")
    assert "second" in finding.message and "1600 bytes" in finding.message


@pytest.mark.parametrize("second", [torch.arange(1.0, 401), torch.zeros(400)])
def test_other_weights_are_not_the_same(net, second):
    assert not found(script(Twice(second), net), "duplicate-weights")


def test_zeros_and_shared_weights_and_small_ones_are_no_duplicates(net):
    zeros = Twice(torch.zeros(400))
    zeros.first = nn.Parameter(torch.zeros(400))
    assert not found(script(zeros, net), "duplicate-weights")
    shared = Twice(torch.zeros(400))
    shared.second = shared.first
    assert not found(script(shared, net), "duplicate-weights")
    small = Twice(torch.arange(100.0))
    small.first = nn.Parameter(torch.arange(100.0))
    assert not found(script(small, net), "duplicate-weights")


def closure(size: int):
    table = torch.randn(size)
    return lambda x: x + table


def test_large_constant(net):
    finding = only(trace(closure(1 << 18), torch.ones(1), path=net), "large-constant")
    assert (finding.severity, finding.place) == ("note", "c0")
    assert "1048576 bytes" in finding.message
    assert not found(trace(closure((1 << 18) - 1), torch.ones(1), path=net), "large-constant")


def test_many_large_constants_are_one_finding(net):
    tables = [torch.randn(1 << 18) for _ in range(5)]
    finding = only(trace(lambda x: x + sum(tables), torch.ones(1), path=net), "large-constant")
    assert finding.place == "constants" and "5 tensors" in finding.message


# example-inputs


def test_example_inputs(tmp_path, net):
    # Torch once wrote the values of the examples; today it writes their shapes.
    records = read_records(trace(Outer().eval(), torch.ones(2, 3), path=tmp_path / "whole.pt"))
    assert records["traced_inputs/0"] == b""
    assert not found(tmp_path / "whole.pt", "example-inputs")
    records["traced_inputs/0"] = b"\0\0\x80?" * 6
    finding = only(write_records(net, records), "example-inputs")
    assert (finding.severity, finding.place) == ("warning", "traced_inputs.pkl")
    assert "24 bytes" in finding.message
