"""What torchship.trace(..., via="export") refuses, and at which line.

The line that counts ends in "# here".
"""

import functools
import random
import re

import pytest
import torch
from support import check_message, legacy, since_torch
from test_trace import Many, X, network
from test_trace_export import codes, exported
from torch import Tensor, nn
from torchship import TraceError, trace

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


WITH_LINES = since_torch("2.13", "does not tell the lines of operators here")
REFUSED = [
    (if_on_data, "export-data-dependent", "torch.cond(x.sum() > 0, "),
    (conditional_expression, "export-data-dependent", "torch.cond(x.max() > 0, "),
    (while_on_data, "export-data-dependent", "torch.while_loop"),
    (rounds_on_data, "export-data-dependent", "torch.while_loop"),
    (scripted_branch, "export-data-dependent", "torch.cond(x.sum() > 0, "),
    (without_fake, "export-unsupported", "tensor operations"),
    (array, "export-unsupported", "tensor operations"),
    (drawn_outside, "random", "draw outside"),
    pytest.param(drawn_inside, "random", "draw outside", marks=WITH_LINES),
    pytest.param(dropped, "train-mode", "training=self.training", marks=WITH_LINES),
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
    check_message(caught.value, code, "test_export_refused.py")


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
