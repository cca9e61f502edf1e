"""torchship.trace(..., via="export"): programs that keep their branches, and what is refused."""

import functools
import random
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torchship
from support import check_message, legacy
from test_trace import Many, X, network, parts
from torch import Tensor, nn
from torchship import Dim, TraceError, trace

DOCS = Path(__file__).parents[2] / "docs" / "export.md"


def exported(subject, examples=None, **options) -> torchship.TracedProgram:
    return trace(subject, examples, via="export", **options)


def codes(traced) -> list[str]:
    return [each.code for each in traced.report.findings]


def ranges(traced) -> dict[str, tuple[int, int | None, int]]:
    return {
        each.name: (each.min, each.max, each.multiple_of)
        for each in traced.report.dimensions["forward"]
    }


# What goes in and comes out.


def test_program_is_called_like_the_original():
    module = network().eval()
    traced = exported(module, X)
    assert isinstance(traced.program, torch.export.ExportedProgram)
    torch.testing.assert_close(traced(torch.ones(5, 3)), module(torch.ones(5, 3)))
    torch.testing.assert_close(traced(input=torch.ones(5, 3)), module(torch.ones(5, 3)))
    torch.testing.assert_close(traced.forward(X), traced.module(X))
    assert (traced.methods, traced.default_method) == (["forward"], "forward")
    assert repr(traced) == "<torchship.TracedProgram forward: no findings>"
    assert "exported with strict=False" in str(traced.report)


def test_nested_values_and_arguments_by_name():
    module = Many().eval()
    traced = exported(module, (torch.randn(4, 3), parts()), kwargs={"mode": "max", "scale": 2.0})
    given = torch.randn(7, 3), parts(7)
    got = traced(*given, mode="max", scale=2.0)
    expected = module(*given, mode="max", scale=2.0)
    assert list(got) == list(expected)
    assert type(got["pair"]).__name__ == "Pair" and got["pair"]._fields == ("scores", "best")
    torch.testing.assert_close(got["pair"].best, expected["pair"].best)
    torch.testing.assert_close(got["all"][1], expected["all"][1])
    assert (got["mode"], got["rows"], got["no"]) == ("max", 7, None)
    assert codes(traced) == ["export-text", "baked-argument", "baked-argument"]
    with pytest.raises(AssertionError, match="Guard failed: mode == 'max'"):
        traced(*given, mode="sum", scale=2.0)


def test_gap_among_the_arguments():
    examples = {"x": torch.randn(4, 3), "parts": parts(), "mask": torch.ones(4, 2)}
    traced = exported(Many().eval(), examples)
    given = {"x": torch.randn(2, 3), "parts": parts(2), "mask": torch.zeros(2, 2)}
    torch.testing.assert_close(traced(**given)["all"][1], torch.zeros(2, 2))
    torch.testing.assert_close(traced(*given.values())["all"][1], torch.zeros(2, 2))


class Corner(NamedTuple):
    x: Tensor
    y: Tensor


def test_named_tuples_go_in_and_out_without_being_registered():
    def moved(corner, by):
        return Corner(corner.x + by, corner.y)

    corner = Corner(torch.ones(2), torch.zeros(2))
    got = exported(moved, (corner, torch.ones(2)))(corner, torch.ones(2))
    assert torch.equal(got.x, torch.full((2,), 2.0)) and got._fields == ("x", "y")


def test_functions_builtins_and_bound_methods():
    assert torch.equal(exported(torch.relu, -X)(-X), torch.zeros(1, 3))
    module = Many().eval()
    torch.testing.assert_close(exported(module.encode, X)(X), module.encode(X))


def test_names_of_outputs():
    traced = exported(lambda x: (x, 2 * x), X, names={"outputs": ["same", "twice"]})
    assert torch.equal(traced(X).twice, 2 * X)


# Control flow.


def test_branch_is_refused_with_the_condition_for_torch_cond():
    def f(x):
        if bool(x.sum() > 0):
            return x
        return -x

    with pytest.raises(TraceError) as caught:
        exported(f, torch.ones(3))
    (found,) = caught.value.report.findings
    assert (found.code, found.severity) == ("export-data-dependent", "error")
    assert found.line == f.__code__.co_firstlineno + 1
    assert found.source == "if bool(x.sum() > 0):"
    assert "torch.cond(x.sum() > 0, if_true, if_false, (x,))" in found.hint
    check_message(caught.value, "exporting f: torch.export refuses it", "test_trace_export.py")


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_both_ways_of_cond_are_kept(sign):
    def f(x):
        return torch.cond(x.sum() > 0, lambda x: 2 * x, lambda x: x - 1, (x,))

    traced = exported(f, sign * torch.ones(3))
    assert traced.report.findings == []
    assert ranges(traced) == {"batch": (1, None, 1)}
    assert torch.equal(traced(torch.ones(5)), torch.full((5,), 2.0))
    assert torch.equal(traced(-torch.ones(1)), torch.full((1,), -2.0))
    operators = [str(node.target) for node in traced.program.graph.nodes]
    assert "cond" in operators


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.mean() > 0, self.one, self.other, (x,))


def test_branches_with_weights_of_their_own():
    module = Experts().eval()
    traced = exported(module, torch.randn(4, 3))
    for x in (torch.ones(2, 3), -torch.ones(2, 3)):
        torch.testing.assert_close(traced(x), module(x))
    assert set(traced.program.state_dict) == set(module.state_dict())


def doubled_until_large(x):
    def is_small(steps, x):
        return x.sum() < 100

    def body(steps, x):
        return steps + 1, 2 * x

    start = torch.zeros((), dtype=torch.int64)
    return torch.while_loop(is_small, body, (start, x.abs() + 1))


def test_rounds_of_while_loop_are_kept():
    traced = exported(doubled_until_large, torch.ones(3))
    assert traced.report.findings == []
    for x in (torch.zeros(2), torch.full((4,), 30.0)):
        got, expected = traced(x), doubled_until_large(x)
        assert [got[0].item(), *got[1]] == [expected[0].item(), *expected[1]]
    assert traced(torch.zeros(2))[0].item() == 6


def test_numbers_of_the_data_stay_alive():
    traced = exported(lambda x: x * x.sum().item(), torch.ones(3))
    assert torch.equal(traced(torch.full((2,), 3.0)), torch.full((2,), 18.0))


def test_strict_mode_where_the_other_fails():
    traced = exported(lambda x: x / float(x.abs().max()), torch.ones(3))
    (found,) = traced.report.findings
    assert (found.code, found.severity) == ("export-strict", "note")
    assert "float(x.abs().max())" in found.source
    assert "exported with strict=True" in str(traced.report)
    assert torch.equal(traced(torch.full((2,), 3.0)), torch.ones(2))


# Sizes.


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(20, 4), nn.Parameter(torch.randn(16, 4))

    def forward(self, ids: Tensor) -> Tensor:
        return (self.words(ids) + self.places[: ids.shape[1]]).mean(1)


def test_batch_and_sequence_are_found():
    traced = exported(Text().eval(), torch.randint(0, 20, (3, 7)))
    assert ranges(traced) == {"batch": (1, None, 1), "ids_1": (1, 16, 1)}
    assert codes(traced) == []


def test_batch_and_sequence_are_declared():
    sizes = {"ids": {0: "batch", 1: Dim("time", max=16)}}
    traced = exported(Text().eval(), torch.randint(0, 20, (3, 7)), dynamic=sizes)
    assert ranges(traced) == {"batch": (1, None, 1), "time": (1, 16, 1)}
    sizes["ids"][1] = Dim("time", max=32)
    with pytest.raises(TraceError, match="refused-size"):
        exported(Text().eval(), torch.randint(0, 20, (3, 7)), dynamic=sizes)


def test_every_size_can_be_fixed():
    traced = exported(network(), X, dynamic={})
    assert ranges(traced) == {}
    with pytest.raises(AssertionError, match="Guard failed"):
        traced(torch.ones(2, 3))


def test_sizes_inside_containers():
    sizes = {"parts.shift": {0: "rows"}, "parts.more.0": {0: "rows"}, "x": {0: "rows"}}
    traced = exported(Many().eval(), (torch.randn(4, 3), parts()), dynamic=sizes)
    assert ranges(traced) == {"rows": (1, None, 1)}
    assert traced(torch.randn(6, 3), parts(6))["rows"] == 6


def test_example_of_size_one_varies():
    assert ranges(exported(lambda x, y: x + y, (torch.ones(1, 2), torch.ones(1, 2)))) == {
        "batch": (1, None, 1),
        "x_1": (1, None, 1),
    }


def short(x):
    if x.shape[0] > 10:
        return x
    return -x


def test_branch_on_a_size_narrows_it():
    traced = exported(short, torch.ones(4))
    assert ranges(traced) == {"batch": (1, 10, 1)}
    (found,) = traced.report.findings
    assert (found.code, found.severity) == ("export-specialised", "warning")
    assert found.source == "if x.shape[0] > 10:"
    assert found.message == "batch is 1 to 10 in the program, and the model takes 11 as well"


def test_declared_size_that_the_program_does_not_take_is_an_error():
    with pytest.raises(TraceError, match="export-specialised at .*if x.shape"):
        exported(short, torch.ones(4), dynamic={"x": {0: Dim("batch", max=64)}})
    traced = exported(short, torch.ones(4), dynamic={"x": {0: Dim("batch", max=10)}})
    assert (ranges(traced), codes(traced)) == ({"batch": (1, 10, 1)}, [])


def rows(x):
    total = 0
    for row in x:
        total = total + row
    return total


def test_loop_over_rows_fixes_their_number():
    traced = exported(rows, torch.ones(4, 3))
    assert ranges(traced) == {"x_1": (1, None, 1)}
    (found,) = traced.report.findings
    assert (found.code, found.source) == ("export-specialised", "for row in x:")
    with pytest.raises(TraceError, match="batch is 4 for ever in the program"):
        exported(rows, torch.ones(4, 3), dynamic={"x": [0]})


# State.


class Averaging(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("count", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.5 * self.mean + x.mean(0)
        self.count += 1
        return x - self.mean + self.count


def test_buffers_change_in_the_program_and_are_put_back_here():
    module = Averaging().eval()
    traced = exported(module, torch.randn(4, 3))
    found = [each.source for each in traced.report.findings if each.code == "state-change"]
    assert found == ["self.count += 1", "self.mean = 0.5 * self.mean + x.mean(0)"]
    assert not module.mean.any() and not module.count.any()
    got = [traced(torch.ones(2, 3)) for _ in range(2)]
    torch.testing.assert_close(got, [torch.ones(2, 3), torch.full((2, 3), 1.5)])


def test_modes_random_numbers_and_forward_are_as_they_were(capfd):
    module = network().train()
    module[2].eval()
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    expected = torch.rand(1), random.random(), np.random.rand()
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exported(module, X)
    assert (torch.rand(1), random.random(), np.random.rand()) == expected
    assert [module.training, module[1].training, module[2].training] == [True, True, False]
    assert "forward" not in module.__dict__
    assert capfd.readouterr() == ("", "")


# What is refused, and at which line. The line that counts ends in "# here".

STEPS = 0


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1  # here
        return x * self.calls


def if_on_data(x):
    if x.sum() > 0:  # here
        return x
    return -x


def conditional_expression(x):
    return x if x.max() > 0 else -x  # here


def while_on_data(x):
    while x.abs().sum() < 100:  # here
        x = x * 2 + 1
    return x


def rounds_on_data(x):
    total = x
    for _ in range(int(x.abs().sum())):  # here
        total = total + x
    return total


@functools.partial(legacy, torch.jit.script)
def scripted_branch(x):
    if bool(x.sum() > 0):  # here
        return x
    return -x


def without_fake(x):
    return torch.ops.torchship_export_test.without_fake(x) * 2  # here


def array(x):
    return x * len(x.numpy().tobytes())  # here


def drawn_outside(x):
    return x + random.random()  # here


def drawn_inside(x):
    y = x * 2
    return y + torch.rand_like(y)  # here


def dropped(x):
    return nn.functional.dropout(x)  # here


def counted(x):
    global STEPS
    STEPS += 1  # here
    return x * STEPS


REFUSED = [
    (if_on_data, "export-data-dependent", "torch.cond(x.sum() > 0, "),
    (conditional_expression, "export-data-dependent", "torch.cond(x.max() > 0, "),
    (while_on_data, "export-data-dependent", "torch.while_loop"),
    (rounds_on_data, "export-data-dependent", "torch.while_loop"),
    (scripted_branch, "export-data-dependent", "torch.cond(x.sum() > 0, "),
    (without_fake, "export-unsupported", "tensor operations"),
    (array, "export-unsupported", "tensor operations"),
    (drawn_outside, "random", "draw outside"),
    (drawn_inside, "random", "draw outside"),
    (dropped, "train-mode", "training=self.training"),
    (counted, "global-state", "pass the value in"),
    (Counting(), "lost-state", "pass it in"),
]


@pytest.fixture(scope="module", autouse=True)
def operator_without_fake():
    library = torch.library.Library("torchship_export_test", "DEF")
    library.define("without_fake(Tensor x) -> Tensor")
    library.impl("without_fake", lambda x: x.clone(), "CPU")
    yield
    library._destroy()


def name_of(each):
    return each if isinstance(each, str) else getattr(each, "__name__", type(each).__name__)


@pytest.mark.parametrize(("subject", "code", "hint"), REFUSED, ids=name_of)
def test_refused_at_its_line(subject, code, hint):
    with pytest.raises(TraceError) as caught:
        exported(subject, torch.rand(4) + 1)
    found = [each for each in caught.value.report.of("error") if each.source.endswith("# here")]
    assert [each.code for each in found] == [code], caught.value.report
    assert hint in found[0].hint
    assert "jit.script" not in str(caught.value)
    check_message(caught.value, code, "test_trace_export.py")


def test_results_that_cannot_be_saved():
    traced = exported(lambda x: (x, x.sum().item(), x.shape[0]), torch.ones(3))
    assert traced(torch.ones(2))[1:] == (2.0, 2)
    with pytest.raises(TraceError, match="the result's '1' is a truth value that is computed"):
        exported(lambda x: (x, (x.sum() > 0).item()), torch.ones(3))


def test_every_branch_is_in_one_error():
    def f(x):
        if x.sum() > 0:
            x = x * 2
        if x.mean() > 0:
            x = x + 1
        return x

    with pytest.raises(TraceError) as caught:
        exported(f, torch.ones(3))
    found = caught.value.report.of("error")
    assert [each.source for each in found] == ["if x.sum() > 0:", "if x.mean() > 0:"]


def test_branches_that_do_not_fit_are_the_models_own_failure():
    def f(x):
        return torch.cond(x.sum() > 0, lambda x: x.double(), lambda x: -x, (x,))

    with pytest.raises(TraceError, match="expected same dtype but got torch.float64 and"):
        exported(f, torch.ones(3))


def test_findings_are_accepted_as_ever():
    assert codes(exported(drawn_inside, X, allow=["random"])) == ["random"]
    assert codes(exported(dropped, X, strict=False)) == ["train-mode"]


def test_a_program_that_differs_is_refused():
    class Sly(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1 if torch.compiler.is_exporting() else x

    with pytest.raises(TraceError, match="mismatch: with the example"):
        exported(Sly(), X)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"methods": {"encode": X}}, "takes one method, forward"),
        ({"mode": "train"}, "for models in eval mode, not mode='train'"),
        ({"mode": "both"}, "for models in eval mode, not mode='both'"),
        ({"record": "all"}, "records samples only, not record='all'"),
        ({"via": "onnx"}, "via is 'trace' or 'export', not 'onnx'"),
    ],
)
def test_options_that_do_not_go_together(options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        trace(Many().eval(), X, **{"via": "export", **options})


def test_torchscript_modules_are_refused():
    with pytest.raises(TypeError, match="takes no TorchScript module"):
        exported(legacy(torch.jit.script, network().eval()), X)


def test_python_blocks_of_the_documentation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(found) == 2
    for number, (source, printed) in enumerate(found):
        script = tmp_path / f"block{number}.py"
        script.write_text(source)
        exec(compile(source, str(script), "exec"), {"__name__": "block"})
        assert capsys.readouterr().out == printed
