"""What LibTorch would read beyond its memory for is an error of torchship's."""

import itertools
import warnings

import pytest
import torch
import torchship
from support import legacy
from torch import nn


def archive_of(module, path, *examples):
    """An archive without promises: nothing but the code tells what the inputs must be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = legacy(torch.jit.trace, module.eval(), examples, check_trace=False)
    torchship.save(traced, path)
    return path


numbers = itertools.count()

LSTMS = [
    nn.LSTM(3, 2),
    nn.LSTM(3, 2, num_layers=2, bidirectional=True, batch_first=True),
    nn.LSTM(3, 2, num_layers=2, bias=False),
    nn.LSTM(3, 4, proj_size=2),
]


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("lstm", LSTMS, ids=str)
def test_lstm_of_the_right_width_answers_as_the_eager_one(tmp_path, lstm):
    x = torch.randn(5, 4, 3)
    model = torchship.load(archive_of(lstm, tmp_path / "lstm.pt", x))
    with torch.no_grad():
        expected = lstm(x)
    answer = model(x)
    torch.testing.assert_close(answer[0], expected[0])
    torch.testing.assert_close(answer[1], expected[1])


@pytest.mark.parametrize("width", [4, 5, 300])
def test_lstm_of_a_greater_width_is_an_error_and_no_answer(tmp_path, width):
    model = torchship.load(archive_of(nn.LSTM(3, 2), tmp_path / "lstm.pt", torch.ones(5, 4, 3)))
    with pytest.raises(torchship.EngineError, match=r"the weight of the input of layer 0"):
        model(torch.ones(5, 4, width))


class NoSuchDtype(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(2147483647)


def test_dtype_that_does_not_exist_is_refused_at_load(tmp_path):
    torchship.save(legacy(torch.jit.script, NoSuchDtype().eval()), tmp_path / "net.pt")
    with pytest.raises(torchship.ArchiveError, match="dtype number 2147483647"):
        torchship.load(tmp_path / "net.pt")


def empty_module():
    """Of a class of its own: methods cannot be defined twice for one."""
    return type(f"Module{next(numbers)}", (torch.jit.ScriptModule,), {})()


def calls_of(tmp_path, step):
    """An archive whose forward calls functions that call each other: 2 to the power of 39 calls."""
    module = empty_module()
    code = ["def f0(self, x):\n    return x + 1\n"]
    for i in range(1, 40):
        code.append(f"def f{i}(self, x):\n    return {step.format(i - 1)}\n")
    for text in [*code, "def forward(self, x):\n    return self.f39(x)\n"]:
        legacy(module.define, text)
    torchship.save(module.eval(), tmp_path / "net.pt")
    return tmp_path / "net.pt"


def test_functions_that_call_each_other_without_end_are_refused(tmp_path):
    with pytest.raises(torchship.ArchiveError, match="too often to be inlined"):
        torchship.load(calls_of(tmp_path, "self.f{0}(x) + self.f{0}(x)"))


def test_chains_that_no_stack_is_deep_enough_for_are_refused(tmp_path):
    with pytest.raises(torchship.ArchiveError, match="operators follow one another"):
        torchship.load(calls_of(tmp_path, "self.f{0}(self.f{0}(x))"))


def test_long_functions_open(tmp_path):
    lines = "    x = x + 1\n" * 3900
    module = empty_module()
    legacy(module.define, f"def forward(self, x):\n{lines}    return x\n")
    torchship.save(module.eval(), tmp_path / "long.pt")
    assert torchship.load(tmp_path / "long.pt")(torch.zeros(1)).item() == 3900
