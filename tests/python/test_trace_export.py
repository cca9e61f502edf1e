"""torchship.trace(..., via="export"): programs that keep their branches."""

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


# The page.


def test_python_blocks_of_the_documentation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(found) == 2
    for number, (source, printed) in enumerate(found):
        script = tmp_path / f"block{number}.py"
        script.write_text(source)
        exec(compile(source, str(script), "exec"), {"__name__": "block"})
        assert capsys.readouterr().out == printed
