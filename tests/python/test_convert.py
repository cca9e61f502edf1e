"""`torchship.convert`: the same model in the other format, proven before it is written."""

import io
import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
import torchship
from exported.checking import require_same
from support import check_failure, check_message, cli_ok, legacy
from torch import Tensor, nn
from torchship._archive import read_manifest
from torchship.converting import command as convert_command
from torchship.converting import making

FILES = Path(__file__).parent / "exported_files"
DOCS = Path(__file__).parents[2] / "docs" / "convert.md"
ROWS = ({0: torch.export.Dim.DYNAMIC},)


class Experts(nn.Module):
    """Two ways, with weights of their own."""

    def __init__(self):
        super().__init__()
        self.yes, self.no = nn.Linear(3, 2), nn.Linear(3, 2)
        self.register_buffer("shift", torch.tensor([10.0, -10.0]))

    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: self.yes(x) + self.shift, self.no, (x,))


class Halving(nn.Module):
    def forward(self, x):
        def body(k, x):
            return k + 1, x / 2

        steps = torch.zeros((), dtype=torch.int64)
        return torch.while_loop(lambda k, x: x.norm() > 0.5, body, (steps, x))


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x):
        self.calls.add_(1)
        return x * self.calls


class Nested(nn.Module):
    def forward(self, pair, table, count, *, mode="sum", extra=None):
        x, (y, z) = pair
        total = (x + y * count) if mode == "sum" else x
        return {"total": total, "parts": [z, table["a"]], "pair": (total.sum(), count, extra)}


def nested_inputs(seed: float = 0.0):
    x = torch.arange(6.0).reshape(2, 3) + seed
    return (x, [x * 2, x[0]]), {"a": x.mean(1)}, 3


@pytest.fixture
def program(tmp_path):
    """Write an exported program that stock PyTorch wrote."""

    def write(module, args, shapes=None, **options):
        path = tmp_path / "program.pt2"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = torch.export.export(module.eval(), args, dynamic_shapes=shapes, **options)
            torch.export.save(made, path)
        return path

    return write


def stock_program(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.load(path).module()


def stock_torchscript(path):
    return legacy(torch.jit.load, path)


def records(path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2] for name in archive.namelist()}


def check_whole(path) -> None:
    """What torchship itself says of a file that it wrote."""
    report = torchship.check(path)
    assert report.passed and report.samples, str(report)


# From programs to TorchScript.


@pytest.mark.parametrize(
    ("module", "calls", "shapes"),
    [
        (Experts(), [(torch.ones(2, 3),), (-torch.ones(2, 3),), (torch.ones(5, 3),)], ROWS),
        (Halving(), [(torch.ones(3),), (torch.full((3,), 40.0),), (torch.zeros(3),)], None),
        (Counter(), [(torch.ones(2),)] * 3, None),
        (Nested(), [nested_inputs(), nested_inputs(5.0)], None),
    ],
    ids=["cond", "while_loop", "state", "containers"],
)
def test_stock_torchscript_gives_what_the_program_gives(program, tmp_path, module, calls, shapes):
    source, target = program(module, calls[0], shapes), tmp_path / "model.pt"
    done = torchship.convert(source, target)
    assert (done.source_format, done.target_format) == ("exported program", "torchscript")
    expected, got, own = stock_program(source), stock_torchscript(target), torchship.load(target)
    for call in calls:
        wanted = expected(*call)
        require_same(got(*call), wanted, None, "stock")
        require_same(own(*call), wanted, 1e-5, "torchship")
    check_whole(target)


def test_both_ways_of_a_branch_were_tried(program, tmp_path):
    source = program(Experts(), (torch.ones(2, 3),), ROWS)
    done = torchship.convert(source, tmp_path / "model.pt")
    assert {"the example", "signs flipped", "s77=1"} <= set(done.checked)
    assert done.notes == []


def test_arguments_of_a_program_keep_their_names_and_constants(program, tmp_path):
    source = program(Nested(), nested_inputs(), kwargs={"mode": "sum", "extra": None})
    torchship.convert(source, tmp_path / "model.pt")
    pair, table, count = nested_inputs(1.0)
    model = stock_torchscript(tmp_path / "model.pt")
    got = model(pair=pair, table=table, count=count, mode="sum", extra=None)
    assert list(got) == ["total", "parts", "pair"] and got["pair"][1:] == (3, None)
    with pytest.raises(torchship.SignatureError, match="count"):
        torchship.load(tmp_path / "model.pt")(pair, table, 4, "sum", None)


def test_what_a_program_says_becomes_a_manifest(program, tmp_path):
    """The inputs it was made with are the author's, and stay behind."""
    secret = torch.full((2, 3), 1234.5)
    source, target = program(Experts(), (secret,), ROWS), tmp_path / "model.pt"
    torchship.convert(source, target)
    [method] = torchship.info(target).methods
    assert [(d.name, d.min, d.max) for d in method.dimensions] == [("s77", 1, None)]
    assert [each.size for each in method.inputs[0].shape] == [-1, 3]
    assert [each["origin"] for each in read_manifest(target)["samples"]] == ["synthetic"]
    assert secret.numpy().tobytes() not in target.read_bytes()
    torchship.convert(source, target, keep_examples=True)
    assert [each["origin"] for each in read_manifest(target)["samples"]] == ["example"]
    assert secret.numpy().tobytes() in target.read_bytes()
    check_whole(target)


def test_manifest_of_a_program_goes_along(tmp_path):
    source, target = tmp_path / "model.pt2", tmp_path / "model.pt"
    traced = torchship.trace(
        Experts(), torch.randn(4, 3), via="export", names={"outputs": ["scores"]},
        tolerance=(1e-3, 1e-3), metadata={"task": "experts"},
    )  # fmt: skip
    traced.save(source)
    done = torchship.convert(source, target)
    before, after = read_manifest(source), read_manifest(target)
    for key in ("methods", "findings", "samples", "metadata", "default_method"):
        assert after[key] == before[key], key
    assert "extra/torchship/samples.safetensors" in records(target)
    assert not any(name.startswith("data/torchship") for name in records(target))
    assert f"sample {len(before['samples']) - 1}" in done.checked
    check_whole(target)


@pytest.mark.parametrize("release", ["2.6", "2.7", "2.8", "2.10", "2.12"])
@pytest.mark.parametrize("name", ["branch", "counting", "sizes", "decomposed", "containers"])
def test_programs_of_other_releases(tmp_path, release, name):
    target = tmp_path / "model.pt"
    torchship.convert(FILES / f"torch-{release}" / f"{name}.pt2", target)
    expected = torch.load(FILES / "expected" / f"{name}.pt", weights_only=True)
    model = stock_torchscript(target)
    for case in expected["cases"]:
        got = model(*case["args"], **case["kwargs"])
        require_same(got, case["outputs"], 1e-4, name)
    buffers = dict(model.named_buffers())
    for key, value in expected["buffers"].items():
        require_same(buffers[key], value, 1e-4, key)


# From TorchScript to programs.


class Scripted(nn.Module):
    """A branch and a loop on data, in TorchScript's own words."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        if bool(x.sum() > 0):
            x = self.linear(x)
        else:
            x = x * 2
        k = torch.zeros_like(n)
        while bool(k < n):
            x = x / 2
            k = k + 1
        return x, k


def saved(path, traced) -> Path:
    traced.save(path)
    return path


def test_branches_and_loops_of_torchscript_are_in_the_program(tmp_path):
    source, target = tmp_path / "model.pt", tmp_path / "model.pt2"
    scripted = legacy(torch.jit.script, Scripted().eval())
    torchship.save(scripted, source)
    examples = [torch.ones(2, 3), torch.tensor(2)]
    done = torchship.convert(source, target, examples=examples, dynamic={"x": {0: "rows"}})
    assert {"rows=1", "signs flipped"} <= set(done.checked)
    with pytest.raises(EOFError):
        with zipfile.ZipFile(target) as archive:
            torch.load(io.BytesIO(archive.read("archive/data/sample_inputs/model.pt")))
    model, own = stock_program(target), torchship.load(target)
    for sign, steps, rows in ((1, 0, 3), (-1, 3, 1), (1, 5, 2)):
        given = (torch.ones(rows, 3) * sign, torch.tensor(steps))
        expected = scripted(*given)
        require_same(model(*given), expected, None, "stock")
        require_same(own(*given), expected, 1e-5, "torchship")
    [method] = torchship.info(target).methods
    assert [each.name for each in method.dimensions] == ["rows"]
    check_whole(target)


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(6, 5)
        self.register_buffer("scale", torch.arange(3.0))

    def forward(self, batch: dict[str, Tensor], shift: float):
        hidden = torch.tanh(self.body(batch["x"])) + shift
        pair = (self.scale * 2, hidden.shape[0])
        return {"hidden": [hidden * batch["mask"].unsqueeze(1)], "pair": pair}


def batch(rows: int):
    generator = torch.Generator().manual_seed(rows)
    return {"x": torch.randn(rows, 6, generator=generator), "mask": torch.ones(rows)}


def test_containers_constants_and_numbers_of_a_trace(tmp_path):
    module = Heads().eval()
    traced = torchship.trace(module, (batch(4), 0.5), metadata={"task": "heads"})
    source, target = saved(tmp_path / "heads.pt", traced), tmp_path / "heads.pt2"
    torchship.convert(source, target)
    for model in (stock_program(target), torchship.load(target)):
        for rows in (1, 4, 9):
            require_same(model(batch(rows), 0.5), module(batch(rows), 0.5), 1e-5, "result")
    before, after = read_manifest(source), read_manifest(target)
    assert after["samples"] == before["samples"] and after["metadata"] == {"task": "heads"}
    assert after["methods"] == before["methods"]
    assert {"body.weight", "body.bias", "scale"} == set(torch.export.load(target).state_dict)
    check_whole(target)


def test_there_and_back(tmp_path):
    module = Heads().eval()
    source = saved(tmp_path / "a.pt", torchship.trace(module, (batch(4), 0.5)))
    torchship.convert(source, tmp_path / "b.pt2")
    torchship.convert(tmp_path / "b.pt2", tmp_path / "c.pt")
    require_same(
        stock_torchscript(tmp_path / "c.pt")(batch(3), 0.5), module(batch(3), 0.5), 1e-6, "back"
    )
    assert read_manifest(tmp_path / "c.pt")["samples"] == read_manifest(source)["samples"]


def test_a_method_of_several(tmp_path):
    class Several(nn.Module):
        def forward(self, x):
            return x + 1

        def twice(self, x):
            return x * 2

    source, target = tmp_path / "model.pt", tmp_path / "model.pt2"
    examples = {"forward": torch.ones(2, 3), "twice": torch.ones(4)}
    torchship.trace(Several(), methods=examples).save(source)
    torchship.convert(source, target, method="twice")
    assert torch.equal(stock_program(target)(torch.ones(4)), torch.full((4,), 2.0))
    assert {each["method"] for each in read_manifest(target)["samples"]} == {"forward"}
    check_whole(target)


def test_sizes_can_be_fixed(tmp_path):
    source = saved(tmp_path / "a.pt", torchship.trace(nn.Linear(3, 2).eval(), torch.ones(2, 3)))
    torchship.convert(source, tmp_path / "b.pt2", dynamic={})
    [method] = torchship.info(tmp_path / "b.pt2").methods
    assert not method.dimensions
    with pytest.raises(torchship.SignatureError):
        torchship.load(tmp_path / "b.pt2")(torch.ones(5, 3))
    check_whole(tmp_path / "b.pt2")


# What is refused, and what is left then.


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


def test_bad_requests(program, tmp_path):
    source = program(Experts(), (torch.ones(2, 3),), ROWS)
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


def test_other_results_are_not_written(program, tmp_path, monkeypatch):
    (tmp_path / "target").write_bytes(b"what was there")
    other = io.BytesIO()
    wrong = nn.Sequential(nn.Linear(3, 2)).eval()
    legacy(torch.jit.save, legacy(torch.jit.trace, wrong, torch.ones(2, 3)), other)
    monkeypatch.setattr(making.Subject, "torchscript", other.getvalue())
    source = program(Experts(), (torch.ones(2, 3),), ROWS)
    message = refused(tmp_path, source, error=torchship.EngineError)
    assert "differs: output: is off by up to" in message or "the result is off" in message
    assert (tmp_path / "target").read_bytes() == b"what was there"


# On the command line.


def run(*arguments):
    command = [sys.executable, "-m", "torchship", "convert", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_command(program, tmp_path, capsys):
    source, target = program(Experts(), (torch.ones(2, 3),), ROWS), tmp_path / "model.pt"
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


def test_docs_have_every_option():
    text = DOCS.read_text()
    for action in convert_command._parser()._actions:
        if action.dest != "help":
            assert any(name in text for name in action.option_strings or [action.metavar]), action
