"""What the compiler is told to try, and what it makes of tanh."""

import zipfile
from pathlib import Path

import pytest
import torch
import torchship
from torchship._archive import extract, read_manifest
from torchship.compiling import command as compile_command
from torchship.compiling import decompositions, target
from torchship.compiling.settings import GPU_TRIALS, TRIALS, trials_for


def test_settings_are_known():
    for_all = ["freezing", "products", "stack", "plain"]
    assert [each.name for each in trials_for(["aten.relu.default"])] == for_all
    everything = ["aten.conv2d.default", "aten.tanh.default"]
    assert len(trials_for(everything)) == len(TRIALS)
    with pytest.raises(ValueError, match="no settings 'x'"):
        trials_for([], ("x",))


def test_tanh_of_its_own_is_right_at_every_size():
    x = torch.arange(0, 2**31, 9973).to(torch.int32).view(torch.float32)
    x = torch.cat([x, -x])
    expected = torch.tanh(x.double())
    step = torch.nextafter(expected.float().abs(), torch.tensor(2.0)) - expected.float().abs()
    finite = x.isfinite()
    error = (decompositions.tanh(x).double() - expected).abs() / step.double()
    assert finite.sum() > 400_000 and error[finite].max() < 2
    special = decompositions.tanh(torch.tensor([float("inf"), -float("inf"), float("nan"), -0.0]))
    assert special[:2].tolist() == [1, -1] and special[2].isnan()
    assert special[3] == 0 and special[3].signbit()
    assert decompositions.tanh(torch.ones(1, dtype=torch.float64)) is NotImplemented


@pytest.mark.slow
@pytest.mark.skipif(not target.level_offered("x86-64-v3"), reason="this CPU has no AVX2")
def test_tanh_of_its_own_replaces_that_of_libtorch(tmp_path):
    class Tanh(torch.nn.Module):
        def forward(self, x):
            return torch.tanh(x * 2) + 1

    path, calls = tmp_path / "tanh.pt", {}
    torchship.trace(Tanh(), torch.randn(300, 70)).save(path)
    for name in ("freezing", "tanh"):
        torchship.compile(path, threads=1, trials=[name], keep_slower=True, replace=True)
        engine = read_manifest(path)["engines"][0]
        assert engine["settings"]["name"] == name and engine["checked"]
        with zipfile.ZipFile(extract(path, engine["record"], tmp_path)) as package:
            (library,) = (n for n in package.namelist() if n.endswith(".so"))
            calls[name] = b"tanh" in package.read(library)
    assert calls == {"freezing": True, "tanh": False}


def test_the_docs_have_every_setting_and_option():
    text = (Path(__file__).parents[2] / "docs" / "compile.md").read_text()
    for each in (*TRIALS, *GPU_TRIALS):
        assert f"| `{each.name}` |" in text
    for action in compile_command._parser()._actions:
        if action.dest == "help":
            continue
        assert any(name in text for name in action.option_strings or ["ARCHIVE"]), action
