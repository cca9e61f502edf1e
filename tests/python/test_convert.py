"""`torchship.convert`: exported programs as TorchScript archives."""

import functools
from pathlib import Path

import pytest
import torch
import torchship
from convert_support import (
    ROWS,
    Experts,
    check_whole,
    records,
    stock_program,
    stock_torchscript,
    write_program,
)
from exported.checking import require_same
from torch import nn
from torchship._archive import read_manifest
from torchship.converting import probes

FILES = Path(__file__).parent / "exported_files"


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
    return functools.partial(write_program, tmp_path / "program.pt2")


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


def test_sizes_that_follow_from_others_are_tried(tmp_path):
    """Of 2 * s77 and s77 + 1 rows."""
    done = torchship.convert(FILES / "torch-2.12" / "sizes.pt2", tmp_path / "model.pt")
    assert {"s77=4", "s77=1"} <= set(done.checked)


@pytest.mark.parametrize(
    ("name", "size"), [("2*n + 1", 7), ("n // 2", 1), ("m", None), ("p.u_1", None), ("f(n)", None)]
)
def test_names_of_sizes_are_formulas_at_most(name, size):
    assert probes.computed_size(name, {"n": 3}) == size


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
