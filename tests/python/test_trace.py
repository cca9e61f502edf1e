"""torchship.trace: what it takes and gives, what it leaves alone, what it reports and refuses."""

import random
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torchship
from support import check_message
from torch import Tensor, nn
from torchship import TraceError, trace
from torchship.tracing.findings import HINTS

X = torch.tensor([[1.2, 3.0, 0.1]])
FINDINGS = Path(__file__).parents[2] / "docs" / "findings.md"


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))


class Pair(NamedTuple):
    scores: Tensor
    best: Tensor


class Many(nn.Module):
    """Takes and gives everything that may cross a model's boundary."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(
        self, x: Tensor, parts: dict, mode: str = "sum", scale: float = 1.0, mask: Tensor = None
    ) -> dict:
        y = self.linear(x) * scale + parts["shift"]
        for each in parts["more"]:
            y = y + each
        if mask is not None:
            y = y * mask
        best = y.sum(1) if mode == "sum" else y.max(1).values
        return {"pair": Pair(y, best), "all": [x, y], "mode": mode, "rows": x.shape[0], "no": None}

    def encode(self, x: Tensor) -> Tensor:
        return self.linear(x).relu()


def parts(rows: int = 4) -> dict:
    return {"shift": torch.randn(rows, 2), "more": [torch.randn(rows, 2), torch.randn(1, 2)]}


# What goes in and comes out.


def test_result_is_called_like_the_original():
    module = network().eval()
    traced = trace(module, X)
    torch.testing.assert_close(traced(torch.ones(5, 3)), module(torch.ones(5, 3)))
    torch.testing.assert_close(traced(input=torch.ones(5, 3)), module(torch.ones(5, 3)))


def test_nested_values_and_arguments_by_name():
    module = Many().eval()
    traced = trace(module, (torch.randn(4, 3), parts()), kwargs={"mode": "max", "scale": 2.0})
    given = torch.randn(7, 3), parts(7)
    got = traced(*given, mode="max", scale=2.0)
    expected = module(*given, mode="max", scale=2.0)
    assert list(got) == list(expected)
    assert type(got["pair"]).__name__ == "Pair" and got["pair"]._fields == Pair._fields
    torch.testing.assert_close(got["pair"].best, expected["pair"].best)
    torch.testing.assert_close(got["all"][1], expected["all"][1])
    assert (got["mode"], got["rows"], got["no"]) == ("max", 7, None)


def test_gap_among_the_arguments():
    module = Many().eval()
    examples = {"x": torch.randn(4, 3), "parts": parts(), "mask": torch.ones(4, 2)}
    traced = trace(module, examples)
    given = {"x": torch.randn(2, 3), "parts": parts(2), "mask": torch.zeros(2, 2)}
    torch.testing.assert_close(traced(**given)["all"][1], torch.zeros(2, 2))


def test_plain_arguments_are_fixed_and_say_so():
    traced = trace(Many().eval(), (torch.randn(4, 3), parts(), "max", 2.0))
    notes = [found.message for found in traced.report.findings if found.code == "baked-argument"]
    assert len(notes) == 2 and "'mode' is 'max' for ever" in notes[0]
    with pytest.raises(torch.jit.Error, match="mode was traced as 'max'"):
        traced(torch.randn(4, 3), parts(), "sum", 2.0)


def test_several_methods():
    module = Many().eval()
    traced = trace(module, (X, parts(1)), methods={"encode": X})
    assert traced.methods == ["forward", "encode"]
    torch.testing.assert_close(traced.encode(X), module.encode(X))
    with pytest.raises(AttributeError, match="no method 'decode'; it has forward, encode"):
        _ = traced.decode


def test_methods_without_forward():
    module = Many().eval()
    traced = trace(module, methods={"encode": X})
    torch.testing.assert_close(traced(X), module.encode(X))


def test_scripted_function_keeps_its_branch():
    def plain(x: Tensor) -> Tensor:
        if bool(x.sum() > 0):
            return x
        return -x

    either = warned(torch.jit.script, plain)
    traced = trace(lambda x: 2 * either(x), torch.ones(3))
    assert traced.report.findings == []
    assert torch.equal(traced(-torch.ones(3)), 2 * torch.ones(3))


def test_scripted_module_is_taken_as_it_is():
    scripted = warned(torch.jit.script, network().eval())
    traced = trace(scripted, X)
    assert traced.module is scripted
    torch.testing.assert_close(traced(torch.ones(5, 3)), scripted(torch.ones(5, 3)))


def warned(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return function(*arguments)


# The article.


def test_graph_of_the_article_has_one_constant_and_nothing_unused():
    def f(x):
        a, b = 4, 5
        d = a * b
        e = x * 2  # noqa: F841
        return x + d

    traced = trace(f, torch.ones(3))
    add = next(node for node in traced.graph.nodes() if node.kind() == "aten::add")
    assert {node.kind() for node in traced.graph.nodes()} == {"prim::Constant", "aten::add"}
    assert list(add.inputs())[1].toIValue() == 20
    assert torch.equal(traced(torch.ones(3)), torch.full((3,), 21.0))


def test_branch_of_the_article_is_caught_without_a_warning():
    def f(x):
        if sum(x) > 0:
            return x
        return -x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(TraceError) as caught:
            trace(f, torch.ones(3))
    check_message(
        caught.value, "lost-branch", "test_trace.py", "if sum(x) > 0:", "torch.jit.script"
    )
    (found,) = caught.value.report.findings
    assert found.source == "if sum(x) > 0:"
    assert found.line == f.__code__.co_firstlineno + 1


# What is left as it was.


@pytest.mark.parametrize("training", [True, False])
def test_mode_of_every_part_is_put_back(training):
    module = network().train(training)
    module[2].train(not training)
    trace(module, X)
    assert [module.training, module[1].training, module[2].training] == [
        training,
        training,
        not training,
    ]


def test_random_numbers_are_where_they_were():
    module = network()
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    expected = torch.rand(1), random.random(), np.random.rand()
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    trace(module, X)
    assert (torch.rand(1), random.random(), np.random.rand()) == expected


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.calls = 0
        self.seen = []

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.calls += 1
        self.seen.append(len(self.seen))
        return x * self.count


def test_state_is_put_back():
    module = Counting()
    seen = module.seen
    traced = trace(module, X, strict=False)
    assert (module.count.item(), module.calls, module.seen) == (0, 0, [])
    assert module.seen is seen
    assert torch.equal(traced(X), X) and torch.equal(traced(X), 2 * X)


def test_nothing_is_warned_or_printed(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(network(), X)
    assert capfd.readouterr() == ("", "")


def test_inputs_are_not_changed():
    example = X.clone()
    trace(lambda x: x.add_(1), example, strict=False)
    assert torch.equal(example, X)


# Modes.


def test_training_mode_for_those_who_mean_it():
    traced = trace(network().eval(), torch.randn(4, 3), mode="train")
    assert {found.severity for found in traced.report.findings} == {"note"}
    assert not torch.equal(traced(torch.ones(4, 3)), traced(torch.ones(4, 3)))


def test_both_modes_are_r_torchs_pair():
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5))
    traced = trace(module, X, mode="both")
    assert traced.methods == ["evalforward", "trainforward"]
    torch.testing.assert_close(traced(X), module.eval()(X))
    many = torch.ones(100, 3)
    assert (traced.trainforward(many) == 0).any() and not (traced.evalforward(many) == 0).any()


# What is refused, in which words.


def test_every_finding_that_changes_results_is_in_one_error():
    def f(x):
        n = float(x.abs().max())
        if x.sum() > 0:
            return nn.functional.dropout(x / n)
        return x

    with pytest.raises(TraceError) as caught:
        trace(f, torch.ones(4, 3))
    codes = {found.code for found in caught.value.report.of("error")}
    assert {"baked-value", "lost-branch", "train-mode"} <= codes
    check_message(caught.value, "things change its results", *codes)


def test_single_codes_can_be_accepted():
    def f(x):
        return x + torch.rand_like(x)

    with pytest.raises(TraceError, match="random"):
        trace(f, X)
    assert [found.code for found in trace(f, X, allow=["random"]).report.findings] == ["random"]


def test_own_inputs_are_replayed():
    def f(x):
        return x if bool((x < 1e6).all()) else -x

    traced = trace(f, torch.ones(3), strict=False)
    message = traced.report.findings[0].message
    assert "every replay took the same way" in message
    with pytest.raises(TraceError, match=r"with replay\[0\] \(x=.*\), the result is off by"):
        trace(f, torch.ones(3), replay=[torch.full((3,), 1e7)])


def test_own_inputs_of_other_methods():
    traced = trace(Many().eval(), methods={"encode": X}, replay={"encode": [torch.ones(4, 3)]})
    assert [each.outcome for each in traced.report.replays if each.inputs == "replay[0]"] == [
        "agrees"
    ]
    with pytest.raises(TypeError, match=r"replay\[0\] is not like the examples of forward"):
        trace(network(), X, replay=[torch.ones(3)])


def test_trace_that_cannot_be_taken_twice_is_compared_all_the_same():
    def f(x):
        if torch.overrides._get_current_function_mode() is not None:
            raise RuntimeError("not while somebody listens")
        return x if x.sum() > 0 else -x

    with pytest.raises(TraceError, match="mismatch: with signs flipped"):
        trace(f, torch.ones(3))


def test_scripted_module_is_looked_at_too():
    class Drops(nn.Module):
        def forward(self, x: Tensor, mode: str) -> Tensor:
            return nn.functional.dropout(x, 0.5, True) if mode == "drop" else x

    with pytest.raises(TraceError, match="train-mode"):
        trace(warned(torch.jit.script, Drops().eval()), (X, "drop"))


def test_model_that_fails_on_its_examples():
    with pytest.raises(TraceError, match="the model itself fails on the examples: RuntimeError"):
        trace(network(), torch.ones(1, 5))


@pytest.mark.parametrize(
    ("subject", "examples", "words"),
    [
        (1, X, "takes a function or a module, not 1"),
        (nn.Linear, X, "make an instance of a module's class first"),
        (network(), (X, X), r"forward\(input\): the examples do not fit"),
        (network(), None, "missing a required argument: 'input'"),
        (lambda x: x, object(), "a object cannot cross a model's boundary"),
        (lambda x: "text", X, "holds no tensor"),
        (lambda x: {1.5j: x}, X, "dict keys are str or numbers"),
    ],
)
def test_misuse(subject, examples, words):
    with pytest.raises(TypeError, match=words):
        trace(subject, examples)


def test_loop_that_never_ends_on_made_up_inputs():
    def f(x):
        while x.abs().sum() < 100:
            x = x * 2
        return x

    with pytest.raises(TraceError, match="lost-branch") as caught:
        trace(f, torch.ones(3))
    refused = [each for each in caught.value.report.replays if each.outcome == "refused"]
    assert any("not finished" in each.detail for each in refused)


def test_every_code_is_documented():
    documented = re.findall(r"^\| `([a-z-]+)` \|", FINDINGS.read_text(), re.MULTILINE)
    assert set(documented) == {*HINTS, "refused-size"} and len(documented) == len(set(documented))


def test_archive_without_samples_is_noted():
    def f(indices):
        table = torch.arange(10.0)
        return table[indices] if bool((indices == torch.tensor([3, 1, 4])).all()) else table[99]

    found = trace(f, torch.tensor([3, 1, 4]), strict=False).report.findings
    assert "no-samples" in {each.code for each in found}
    traced = trace(f, torch.tensor([3, 1, 4]), strict=False, keep_examples=True)
    assert "no-samples" not in {each.code for each in traced.report.findings}


def test_report_reads_well():
    text = str(trace(network(), X).report)
    assert "replays agree with the eager model" in text
    assert "batch: 1 or more; proven at 1, 2, 3" in text
    assert repr(trace(network(), X)) == "<torchship.Traced forward: no findings>"
    assert torchship.trace is trace
