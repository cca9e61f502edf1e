"""`torchship convert`: what it refuses and leaves as it was, the command, and its page."""

import io
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchship
from convert_support import ROWS, Experts, Scripted, saved, write_program
from support import check_failure, check_message, cli_ok, legacy
from torch import Tensor, nn
from torchship.converting import command as convert_command
from torchship.converting import making

DOCS = Path(__file__).parents[2] / "docs" / "convert.md"


def experts(folder) -> Path:
    return write_program(folder / "program.pt2", Experts(), (torch.ones(2, 3),), ROWS)


class Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


def refused(tmp_path, source, target="target", error=ValueError, **options):
    """The message of a conversion that fails, and leaves everything as it was."""
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(error) as caught:
        torchship.convert(source, tmp_path / target, **options)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert after == before
    if isinstance(caught.value, torchship.Error):
        check_message(caught.value)
    return str(caught.value)


def test_bad_requests(tmp_path):
    source = experts(tmp_path)
    model = saved(tmp_path / "model.pt", torchship.trace(nn.ReLU(), torch.ones(2)))
    (tmp_path / "text.pt").write_text("no model")
    (tmp_path / "folder").mkdir()
    gone = tmp_path / "absent" / "model.pt"
    assert "is an exported program already" in refused(tmp_path, source, to="program")
    assert "a TorchScript archive already" in refused(tmp_path, model, "b.pt")
    assert "a TorchScript archive already" in refused(tmp_path, model, to="torchscript")
    assert "'onnx'" in refused(tmp_path, model, to="onnx")
    assert "not a regular file" in refused(tmp_path, source, "folder")
    assert "there is no folder" in refused(tmp_path, source, gone, error=FileNotFoundError)
    assert "says by itself" in refused(tmp_path, source, dynamic={})
    assert "only method is forward" in refused(tmp_path, source, method="other")
    assert "no method 'other'" in refused(tmp_path, model, method="other")
    assert "text.pt" in refused(tmp_path, tmp_path / "text.pt", error=torchship.ArchiveError)
    absent = tmp_path / "absent.pt"
    assert "no such file" in refused(tmp_path, absent, error=torchship.ArchiveError)


def test_state_of_torchscript_is_refused(tmp_path):
    source = tmp_path / "model.pt"
    torchship.save(legacy(torch.jit.script, Remembering().eval()), source)
    message = refused(
        tmp_path, source, error=torchship.EngineError, examples=[torch.ones(2)], to="program"
    )
    assert "model.pt" in message and "state" in message


def test_archives_without_samples_want_an_example(tmp_path):
    source = tmp_path / "model.pt"
    torchship.save(legacy(torch.jit.script, Scripted().eval()), source)
    message = refused(tmp_path, source, error=torchship.SignatureError)
    assert "nothing tells the sizes of input 'x'" in message and "-i" in message


def test_other_results_are_not_written(tmp_path, monkeypatch):
    (tmp_path / "target").write_bytes(b"what was there")
    other = io.BytesIO()
    wrong = nn.Sequential(nn.Linear(3, 2)).eval()
    legacy(torch.jit.save, legacy(torch.jit.trace, wrong, torch.ones(2, 3)), other)
    monkeypatch.setattr(making.Subject, "torchscript", other.getvalue())
    source = experts(tmp_path)
    message = refused(tmp_path, source, error=torchship.EngineError)
    assert "differs: output: is off by up to" in message or "the result is off" in message
    assert (tmp_path / "target").read_bytes() == b"what was there"


# On the command line.


def run(*arguments):
    command = [sys.executable, "-m", "torchship", "convert", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_command(tmp_path, capsys):
    source, target = experts(tmp_path), tmp_path / "model.pt"
    done = run(source, target, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["path"], found["method"]) == (str(target), "forward")
    assert (found["from"], found["to"]) == ("exported program", "torchscript")
    assert "the example" in found["checked"] and found["notes"] == []
    assert found["target_size"] == target.stat().st_size
    assert "passed" in cli_ok("check", target)
    back = tmp_path / "back.pt2"
    assert convert_command.main([str(target), str(back), "-i", "x=[[1,2,3]]", "--fixed"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{back}: exported program, ") and "same results: " in text


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "the following arguments are required"),
        (("{}", "b.pt2", "--to", "onnx"), 2, "invalid choice: 'onnx'"),
        (("{}", "b.pt2", "-i", "y=1"), 2, "-i is NAME=VALUE, for an input of ['input']"),
        (("{}", "b.pt2", "--dynamic", "input"), 2, "--dynamic is INPUT:DIM=NAME"),
        (("{}", "b.pt"), 1, "is a TorchScript archive already"),
        (("absent.pt", "b.pt2"), 1, "absent.pt: no such file"),
    ],
)
def test_bad_usage(tmp_path, arguments, status, message):
    source = saved(tmp_path / "model.pt", torchship.trace(nn.ReLU(), torch.ones(2)))
    check_failure(run(*(each.format(source) for each in arguments)), status, message)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_python_block_of_the_docs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    [(source, printed)] = re.findall(
        r"```python\n(.*?)```\n\n```\n(.*?)```", DOCS.read_text(), re.DOTALL
    )
    (tmp_path / "block.py").write_text(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        exec(compile(source, str(tmp_path / "block.py"), "exec"), {"__name__": "block"})
    assert capsys.readouterr().out == printed


def test_docs_have_every_option():
    text = DOCS.read_text()
    for action in convert_command._parser()._actions:
        if action.dest != "help":
            assert any(name in text for name in action.option_strings or [action.metavar]), action
