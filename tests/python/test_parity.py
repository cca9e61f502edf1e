"""The binding and the executable give the same bits; stock torch.jit.load too, unless optimized."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchship
from support import cli_ok, legacy

sys.path.insert(0, str(Path(__file__).parents[2] / "models"))

import digits_cnn
import text_gru
import toy_mlp


def tokens(*shape: int) -> torch.Tensor:
    return torch.randint(1, 256, shape)


CASES = [
    *((toy_mlp, torch.randn, (rows, 3)) for rows in (1, 2, 32, 1000)),
    *((digits_cnn, torch.rand, (images, 1, 8, 8)) for images in (1, 2, 7, 64)),
    *((text_gru, tokens, shape) for shape in ((1, 1), (1, 300), (5, 30), (9, 217))),
]


def name_of(part) -> str:
    return getattr(part, "__name__", None) or str(part)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The eager model and the archive of each script, by its name."""
    folder = tmp_path_factory.mktemp("models")
    models = {}
    for script in (toy_mlp, digits_cnn, text_gru):
        model = script.build()
        if script is not text_gru:  # a whole epoch of it takes seconds
            script.train(model, epochs=1)
        path = folder / f"{script.__name__}.pt"
        script.export(model, path)
        models[script.__name__] = model.eval(), path
    return models


def as_dict(result, model: torchship.Model) -> dict[str, torch.Tensor]:
    name = model.info.methods[0].output.name or "output"
    return result if isinstance(result, dict) else {name: result}


def from_executable(archive: Path, x: torch.Tensor, folder: Path, kind: str):
    """Return the outputs by name, passed through files."""
    np.save(folder / "x.npy", x.numpy())
    name = torchship.info(archive).methods[0].inputs[0].name
    out = folder / f"out.{kind}"
    given = f"{name}=@{folder / 'x.npy'}"
    cli_ok("run", archive, "-i", given, "-o", out, "--threads", 1)
    loaded = np.load(out)
    if kind == "npy":
        return as_dict(torch.from_numpy(loaded), torchship.load(archive))
    with loaded:
        return {key: torch.from_numpy(loaded[key]) for key in loaded.files}


@pytest.mark.parametrize(("script", "make", "shape"), CASES, ids=name_of)
def test_the_ways_agree(exported, tmp_path, script, make, shape):
    eager, archive = exported[script.__name__]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = make(*shape)
    shipped = torchship.load(archive)
    with torch.no_grad():
        stock = as_dict(legacy(torch.jit.load, archive)(x), shipped)
        python = as_dict(eager(x), shipped)
    first = as_dict(shipped(x), shipped)
    recorded = as_dict(torchship.load(archive, optimize=False)(x), shipped)
    ways = {"again": as_dict(shipped(x), shipped)}
    for kind in ("npz",) if len(stock) > 1 else ("npy", "npz"):
        ways[kind] = from_executable(archive, x, tmp_path, kind)
    for way, result in ways.items():
        assert list(result) == list(stock), way
        assert all(torch.equal(result[name], first[name]) for name in stock), way
    for name in stock:
        assert torch.equal(recorded[name], stock[name])
        torch.testing.assert_close(first[name], stock[name], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(stock[name], python[name], rtol=1e-5, atol=1e-5)
