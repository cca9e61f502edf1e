"""torchship.lint: for every code a file that has it, at its line, and one that has not."""

import json
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchship
from handmade import add_manifest, manifest, method, read_records, tensor, write_records
from hazards import CASES, CLEAN, SEVERITY, Case
from hazards.findings import verdict
from support import check_failure, check_message, cli, cli_json, legacy, scripted
from test_corpus import CORPUS, NEGATIVE, POSITIVE
from torch import Tensor, nn

HERE = Path(__file__).name
REPOSITORY = Path(__file__).parents[2]


def line_of(marker: str) -> int:
    """The line of this file that ends with `# MARKER`."""
    lines = Path(__file__).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.endswith(f"# {marker}"))


def trace(function, *examples, path: Path) -> Path:
    """Write an archive as torch's own tracer makes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = legacy(torch.jit.trace, function, examples, check_trace=False)
    legacy(torch.jit.save, traced, str(path))
    return path


class Wrapped(nn.Module):
    """A function as a module, of which torch keeps the shapes of the examples."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def script(module: nn.Module, path: Path) -> Path:
    legacy(torch.jit.save, scripted(module), str(path))
    return path


def edit(source: Path, target: Path, old: str, new: str) -> Path:
    """Copy an archive with a change in its code."""
    records = {
        name: content.replace(old.encode(), new.encode()) if name.endswith(".py") else content
        for name, content in read_records(source).items()
    }
    assert records != read_records(source), f"there is no {old}"
    return write_records(target, records)


def found(path: Path, code: str, **options) -> list:
    return [each for each in torchship.lint(path, **options) if each.code == code]


def only(path: Path, code: str):
    [finding] = found(path, code)
    assert finding.message and "\n" not in finding.message
    assert finding.hint
    return finding


@pytest.fixture
def net(tmp_path):
    return tmp_path / "net.pt"


class Inner(nn.Module):
    def __init__(self, p: float = 0.3) -> None:
        super().__init__()
        self.drop = nn.Dropout(p)
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.linear(x))  # dropped


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(Inner(), Inner(), Inner())

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layers(x))  # relu


# missing-operator, uncompilable


def without_operator(tmp_path: Path) -> Path:
    script(Outer().eval(), tmp_path / "whole.pt")
    return edit(
        tmp_path / "whole.pt",
        tmp_path / "net.pt",
        "torch.relu((layers).forward(x, ))",
        "ops.torchvision.deform_conv2d(ops.torchvision.nms((layers).forward(x, ), x, 0.5))",
    )


def test_missing_operators_are_named_all_at_once_with_their_libraries(tmp_path):
    findings = found(without_operator(tmp_path), "missing-operator")
    assert [each.severity for each in findings] == ["error", "error"]
    names = {re.search(r"operator (\S+)", each.message)[1]: each for each in findings}
    assert set(names) == {"torchvision::nms", "torchvision::deform_conv2d"}
    for each in findings:
        assert "torchvision" in each.hint and "--op-library" in each.hint
        assert "called once" in each.message
        assert Path(each.file).name == HERE and each.line == line_of("relu")
        assert each.source == "return torch.relu(self.layers(x))  # relu"


def test_what_does_not_use_a_missing_operator_is_still_seen(tmp_path):
    class Stuck(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.dropout(x, 0.5, True)  # stuck

    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stuck = Stuck()

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.stuck(x))

    whole = script(Around().eval(), tmp_path / "whole.pt")
    path = edit(whole, tmp_path / "net.pt", "torch.relu(", "ops.torchvision.nms(")
    assert only(path, "missing-operator").severity == "error"
    stuck = only(path, "train-mode")
    assert (stuck.place, stuck.line) == ("stuck", line_of("stuck"))
    assert not found(path, "uncompilable")


def test_whole_archive_has_no_missing_operator(tmp_path):
    path = script(Outer().eval(), tmp_path / "whole.pt")
    assert not found(path, "missing-operator") + found(path, "uncompilable")


def test_missing_class_of_a_library_is_found(tmp_path):
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    path = edit(
        whole,
        tmp_path / "net.pt",
        "  layers : ",
        "  decoder : __torch__.torch.classes.torchaudio.Decoder\n  layers : ",
    )
    finding = only(path, "missing-operator")
    assert "class torch.classes.torchaudio.Decoder" in finding.message
    assert "torchaudio" in finding.hint


def test_code_that_does_not_compile_is_found(tmp_path):
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    path = edit(whole, tmp_path / "net.pt", "torch.relu(", "torch.relu(3, ")
    finding = only(path, "uncompilable")
    assert finding.severity == "error"
    assert "relu" in finding.message and "0x" not in finding.message


# version-skew


def test_newer_file_format_is_an_error(tmp_path):
    records = read_records(script(Outer().eval(), tmp_path / "whole.pt"))
    version = ".data/version" if ".data/version" in records else "version"
    records[version] = b"99\n"
    [finding] = torchship.lint(write_records(tmp_path / "net.pt", records))
    assert (finding.code, finding.severity) == ("version-skew", "error")
    assert "99" in finding.message


@pytest.mark.parametrize(("torch_version", "warned"), [("99.1.0", True), ("2.0.1", False)])
def test_newer_torch_is_a_warning(tmp_path, torch_version, warned):
    producer = {"torchship": "0.1.0", "torch": torch_version, "python": "3.11.2"}
    spec = tensor("x", "float32", [3, 3])
    promise = method([spec], {**spec, "name": "y"})
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    add_manifest(whole, tmp_path / "net.pt", manifest(promise, producer=producer))
    findings = found(tmp_path / "net.pt", "version-skew")
    assert [each.severity for each in findings] == ["warning"] * warned


def test_operators_that_changed_since_are_a_note(tmp_path):
    class Halved(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / 2

    whole = script(Halved(), tmp_path / "whole.pt")
    assert not found(whole, "version-skew")
    records = {name.removeprefix(".data/v"): content for name, content in read_records(whole).items()}
    records = {"version" if name == "ersion" else name: each for name, each in records.items()}
    records["version"] = b"3\n"
    finding = only(write_records(tmp_path / "net.pt", records), "version-skew")
    assert finding.severity == "note" and "aten::div" in finding.message


# train-mode, random, state-change


def test_dropout_of_a_trace_is_one_finding_for_all_its_places(net):
    finding = only(trace(Outer(), torch.ones(2, 3), path=net), "train-mode")
    assert finding.severity == "error"
    assert finding.place == "layers.0.drop" and "the same in 3 places" in finding.message
    assert Path(finding.file).name == HERE and finding.line == line_of("dropped")
    assert finding.method == "forward"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.BatchNorm1d(3), "batch norm"),
        (nn.LSTM(3, 3, num_layers=2, dropout=0.4), "recurrent layer"),
    ],
)
def test_training_behaviour_of_other_layers(net, layer, words):
    example = torch.ones(2, 3) + torch.randn(2, 3)
    assert words in only(trace(layer, example, path=net), "train-mode").message
    trace(layer.eval(), example, path=net)
    assert not found(net, "train-mode")


def test_attention_dropout(net):
    def attend(x: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=0.2)

    assert "attention" in only(trace(attend, torch.ones(1, 2, 4), path=net), "train-mode").message


def test_module_that_asks_for_its_mode_is_only_noted(net):
    finding = only(script(Outer().train(), net), "train-mode")
    assert finding.severity == "note" and "saved in training mode" in finding.message
    assert not found(script(Outer().eval(), net), "train-mode")


def test_training_method_is_noted(net):
    class Pair(nn.Module):
        def evalforward(self, x: Tensor) -> Tensor:
            return x + 1

        def trainforward(self, x: Tensor) -> Tensor:
            return nn.functional.dropout(x, 0.5, True)

    methods = {"evalforward": torch.ones(2, 3), "trainforward": torch.ones(2, 3)}
    traced = legacy(torch.jit.trace_module, Pair(), methods, check_trace=False)
    legacy(torch.jit.save, traced, str(net))
    finding = only(net, "train-mode")
    assert (finding.severity, finding.method) == ("note", "trainforward")


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x)  # noise


@pytest.mark.parametrize("make", [scripted, lambda m: None])
def test_random_operator(net, make):
    path = script(Noisy(), net) if make is scripted else trace(Noisy(), torch.ones(3), path=net)
    finding = only(path, "random")
    assert (finding.severity, finding.line) == ("warning", line_of("noise"))
    assert "aten::randn_like" in finding.message
    assert finding.source == ("return x + torch.randn_like(x)  # noise" if make is scripted else "")


def test_dropout_in_eval_mode_is_not_random(net):
    assert not found(trace(Outer().eval(), torch.ones(2, 3), path=net), "random")
    assert not found(script(Outer().train(), net), "random")


class Count(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1  # counted
        return x + self.calls


def test_state_change(net):
    finding = only(script(Count(), net), "state-change")
    assert (finding.severity, finding.line) == ("warning", line_of("counted"))
    assert "'calls'" in finding.message


def test_statistics_of_training_are_no_state_change(net):
    assert not found(script(nn.Sequential(nn.BatchNorm1d(3)).train(), net), "state-change")


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

    assert only(trace(Cast(), torch.ones(1, 3), path=net), "double-precision").line == line_of("cast")


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
    assert finding.place == "constants.pkl" and "5 tensors" in finding.message


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


# What the manifest says, ignoring, order


def test_findings_of_the_tracer_come_with_their_text_and_once(net):
    torchship.trace(Noisy(), torch.ones(3), strict=False).save(net)
    finding = only(net, "random")
    assert finding.severity == "error"  # The tracer saw results differ.
    assert finding.source == "return x + torch.randn_like(x)  # noise"


def many(net: Path) -> Path:
    class Many(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(Inner())
            self.left = nn.Linear(3, 3)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            x = torch.rand_like(x)  # first
            return self.inner(x) + torch.rand_like(x)  # second

    return trace(Many(), torch.ones(2, 3), torch.ones(1), path=net)


def test_order_is_by_severity(net):
    severities = [each.severity for each in torchship.lint(many(net))]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert set(severities) == {"error", "warning", "note"}


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (["random"], 0),
        (["random@somewhere"], 2),
        ([f"random@{HERE}:{line_of('first')}"], 1),
        ([f"random@{__file__}:{line_of('second')}"], 1),
        (["rand"], 2),
        (["unused-input@mask"], 2),
    ],
)
def test_ignored_findings(net, wanted, left):
    assert len(found(many(net), "random", ignore=wanted)) == left


def test_ignored_place_is_a_module_or_an_input(net):
    assert found(many(net), "train-mode") and found(net, "unused-input")
    assert not found(net, "train-mode", ignore=["train-mode@inner.0.drop"])
    assert not found(net, "unused-input", ignore=["unused-input@mask"])
    assert not found(net, "unused-parameter", ignore=["unused-parameter@left"])


def test_finding_reads_well(net):
    [finding] = found(script(Noisy(), net), "random")
    assert str(finding).splitlines() == [
        f"warning: random: {__file__}:{line_of('noise')}: {finding.message}",
        "    return x + torch.randn_like(x)  # noise",
        f"    {finding.hint}",
    ]
    assert repr(finding) == f"<Finding warning random at {__file__}:{line_of('noise')}>"


# The suite of the tracer


def plain_trace(case: Case, path: Path) -> Path:
    """What torch's own tracer makes of a case."""
    inputs = case.inputs(3)
    options: dict = {"strict": False, "check_trace": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.methods:
            traced = torch.jit.trace_module(case.model(), inputs, **options)
        elif isinstance(inputs["forward"], dict):
            named = {"example_kwarg_inputs": inputs["forward"]}
            traced = torch.jit.trace(case.model(), **named, **options)
        else:
            traced = torch.jit.trace(case.model(), inputs["forward"], **options)
        torch.jit.save(traced, str(path))
    return path


@pytest.mark.parametrize("case", CLEAN, ids=lambda case: case.name)
def test_clean_model_is_not_accused(case, net):
    verdict(case).traced.save(net)
    accused = [each for each in torchship.lint(net) if each.severity != "note"]
    assert not accused, "\n".join(map(str, accused))


# A device that comes from an input is baked in all the same: a plain trace cannot tell.
@pytest.mark.parametrize("case", CLEAN, ids=lambda case: case.name)
def test_clean_model_of_a_plain_trace_is_accused_of_its_devices_only(case, net):
    accused = [each for each in torchship.lint(plain_trace(case, net)) if each.severity != "note"]
    assert {each.code for each in accused} <= {"baked-device"}, "\n".join(map(str, accused))


SEEN_IN_THE_GRAPH = {"baked-device", "train-mode", "random", "state-change"}
# Their examples happen not to draw.
QUIET = {"StochasticDepth", "jittered_brightness"}


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.code in SEEN_IN_THE_GRAPH and c.name not in QUIET],
    ids=lambda case: case.name,
)
def test_hazard_that_a_graph_shows_is_found_at_its_line(case, net):
    lines = [each.line for each in found(plain_trace(case, net), case.code)]
    assert case.expected_line in lines
    assert set(SEVERITY) >= {case.code}


# Hostile and other files


@pytest.mark.parametrize("growth", ['a + a', 'torch.add(a, a)', '"{}{}".format(a, a)'])
def test_texts_that_grow_while_they_are_compiled_are_refused(tmp_path, growth):
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    doubling = "\n".join(["    a = \"0123456789\""] + [f"    a = {growth}"] * 40)
    path = edit(whole, tmp_path / "net.pt", "    layers = self.layers\n",
                f"{doubling}\n    layers = self.layers\n")
    with pytest.raises(torchship.ArchiveError, match="16 MiB") as caught:
        torchship.lint(path)
    check_message(caught.value)


@pytest.mark.parametrize("wide", ['"a".ljust(1000000000000)', 'torch.zfill("a", 1000000000000)'])
def test_text_of_any_width_is_refused(tmp_path, wide):
    whole = script(Outer().eval(), tmp_path / "whole.pt")
    path = edit(whole, tmp_path / "net.pt", "    layers = self.layers\n",
                f"    a = {wide}\n    layers = self.layers\n")
    with pytest.raises(torchship.ArchiveError, match="16 MiB"):
        torchship.lint(path)


def test_nothing_of_the_file_is_run(tmp_path):
    class Raises(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.ones(3)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.weight

        @torch.jit.export
        def __getstate__(self) -> tuple[Tensor, bool]:
            return self.weight, self.training

        @torch.jit.export
        def __setstate__(self, state: tuple[Tensor, bool]) -> None:
            assert state[0].sum() > 100, "it was run"
            self.weight = state[0]
            self.training = state[1]

    path = script(Raises(), tmp_path / "net.pt")
    with pytest.raises(torchship.ArchiveError, match="it was run"):
        torchship.load(path)
    assert [each for each in torchship.lint(path) if each.severity == "error"] == []


def test_pickle_of_another_kind_is_no_model(net):
    net.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(torchship.ArchiveError):
        torchship.lint(net)


@pytest.mark.corpus
@pytest.mark.parametrize("record", POSITIVE, ids=lambda record: record["file"])
def test_archive_of_the_corpus(record):
    findings = torchship.lint(CORPUS / record["file"])
    assert [str(each) for each in findings if each.severity == "error"] == []
    assert all(each.message and "\n" not in each.message for each in findings)


@pytest.mark.corpus
@pytest.mark.parametrize("record", NEGATIVE, ids=lambda record: record["file"])
def test_file_of_the_corpus_that_does_not_load(record):
    """What is no archive is an ArchiveError; an archive that LibTorch refuses has an error."""
    try:
        findings = torchship.lint(CORPUS / record["file"])
    except torchship.ArchiveError as error:
        check_message(error)
    else:
        assert findings[0].severity == "error"


# The executable


def test_report_of_the_executable(tmp_path):
    path = without_operator(tmp_path)
    done = cli("lint", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{path}\n")
    assert f"    | return torch.relu(self.layers(x))  # relu\n" in done.stdout
    assert "error missing-operator  torchvision::nms, " in done.stdout
    assert done.stdout.endswith("\n2 errors, 0 warnings, 0 notes\n")
    assert "\x1b" not in done.stdout


def test_archive_without_findings(net):
    script(Outer().eval(), net)
    assert cli("lint", net, "--deny", "note").stdout == f"{net}\nnothing found\n"


@pytest.mark.parametrize(("level", "status"), [("error", 0), ("warning", 1), ("note", 1)])
def test_denied_level(net, level, status):
    script(Noisy(), net)
    assert cli("lint", net, "--deny", level).returncode == status
    assert cli("lint", net, "--deny", level, "--ignore", "random").returncode == 0


def test_unknown_level_is_bad_usage(net):
    check_failure(cli("lint", script(Noisy(), net), "--deny", "fatal"), 2, "--deny")


def test_json_of_the_executable(net):
    report = cli_json("lint", script(Noisy(), net))
    assert report["passed"] is True
    assert report["counts"] == {"error": 0, "warning": 1, "note": 0}
    [finding] = report["findings"]
    assert finding == {
        name: getattr(torchship.lint(net)[0], name)
        for name in ("code", "severity", "message", "hint", "method", "place", "file", "line",
                     "source")
    }
    denied = cli("lint", net, "--json", "--deny", "warning")
    assert denied.returncode == 1 and json.loads(denied.stdout)["passed"] is False


def test_names_out_of_the_file_do_not_control_the_terminal(tmp_path):
    path = script(Noisy(), tmp_path / "whole.pt")
    records = read_records(path)
    debug = next(name for name in records if name.endswith(".debug_pkl"))
    records[debug] = records[debug].replace(HERE.encode(), b"\x1b[31m" + HERE.encode()[5:])
    done = cli("lint", write_records(tmp_path / "net.pt", records))
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_colour_on_a_terminal_only(net, no_colour):
    script(Noisy(), net)
    code = "import pty, sys; pty.spawn(sys.argv[1:])"
    command = [sys.executable, "-c", code, str(torchship.cli.EXECUTABLE), "lint", str(net)]
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": no_colour}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert ("\x1b[1;33mwarning\x1b[0m" in done.stdout) == (no_colour == "")


# docs/lint.md


def test_every_code_is_documented():
    sources = (REPOSITORY / "cpp" / "src" / "lint").glob("*.cpp")
    codes = {
        code
        for source in sources
        for code in re.findall(r'(?:make_finding\(\s*|code = )"([a-z-]+)"', source.read_text())
    }
    assert len(codes) == 15
    documented = re.findall(r"^## ([a-z-]+)$", (REPOSITORY / "docs" / "lint.md").read_text(), re.M)
    assert set(documented) == codes
