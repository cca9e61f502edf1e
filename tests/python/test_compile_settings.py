"""What the compiler is told to try, and what it makes of tanh."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
import torchship
from support import wait_until
from torchship._archive import extract, read_manifest
from torchship.compiling import command as compile_command
from torchship.compiling import decompositions, process, target, trial, work
from torchship.compiling.compile import Compiled
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


@pytest.fixture
def doubled(tmp_path) -> Path:
    path = tmp_path / "doubled.pt"
    torchship.trace(torch.nn.Linear(3, 2), torch.ones(4, 3)).save(path)
    return path


@pytest.fixture
def compiler(monkeypatch) -> list[str]:
    """The settings that a compiler was called with, which makes empty packages."""
    called = []

    def compile_program(program, settings, target, package, **options):
        called.append(settings.name)
        package.write_bytes(b"")
        return False

    monkeypatch.setattr(work, "compile_program", compile_program)
    return called


def test_code_that_cannot_be_tried_is_compiled_once(doubled, compiler, monkeypatch):
    monkeypatch.setattr(target, "level_offered", lambda level: level != "x86-64-v4")
    said = []
    done = torchship.compile(doubled, isa="x86-64-v4", threads=1, progress=said.append)
    assert compiler == ["freezing"] and done.engines == ["forward-x86-64-v4-1t"]
    assert not any("measuring" in text for text in said)


def test_one_string_or_mapping_is_a_list_of_itself(doubled, compiler, monkeypatch):
    monkeypatch.setattr(target, "level_offered", lambda level: False)
    loaded = []
    monkeypatch.setattr(torch.ops, "load_library", loaded.append)
    done = torchship.compile(
        doubled, isa="x86-64-v2", threads=1, methods="forward", trials="plain",
        sizes={"batch": 1}, operator_libraries=Path("own.so"),
    )  # fmt: skip
    assert compiler == ["plain", "plain"] and loaded == ["own.so"]
    assert done.engines == ["forward-x86-64-v2-1t", "forward-batch1-x86-64-v2-1t"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads is 1 or more, not 0"),
        ({"threads": -1}, "threads is 1 or more, not -1"),
        ({"budget": math.nan}, "budget is seconds, 0 or more, not nan"),
        ({"budget": -1}, "budget is seconds, 0 or more, not -1"),
        ({"trials": "tuned"}, "there are no settings 'tuned'"),
        ({"output": "absent/x.pt"}, "cannot save x.pt: there is no folder"),
        ({"output": "."}, "it is not a regular file"),
        ({"output": ""}, "it is not a regular file"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(doubled, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    said = []
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        torchship.compile(doubled, progress=said.append, **options)
    assert not said and os.listdir() == [doubled.name]


def test_trials_leave_nothing_in_the_users_cache(tmp_path, monkeypatch):
    program = tmp_path / "torchship"
    program.write_text("""#!/bin/sh\nprintf '{"cache": "%s"}' "$TORCHSHIP_CACHE"\n""")
    program.chmod(0o755)
    monkeypatch.setattr(trial, "EXECUTABLE", program)
    monkeypatch.setenv("TORCHSHIP_CACHE", "/the/users")
    work_folder = tmp_path / "work"
    made = trial.Trial(None, None, None, work_folder)
    assert made._torchship("check") == {"cache": str(work_folder / "cache")}


def test_a_compiler_ends_with_its_children():
    script = "import subprocess; subprocess.run(['sleep', '987.125'])"
    with pytest.raises(subprocess.TimeoutExpired):
        process.run([sys.executable, "-c", script], dict(os.environ), 1)
    assert not commands_with("987.125")


def commands_with(text: str) -> list[bytes]:
    """Of processes that run; those that have ended have no command any more."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_bytes())
    return [each for each in found if text.encode() in each]


@pytest.mark.skipif(not target.level_offered("x86-64-v3"), reason="this CPU has no AVX2")
def test_sigterm_leaves_nothing(doubled, tmp_path):
    """Sent while the compiler's compiler runs."""
    own = tmp_path / "temporary"
    own.mkdir()
    before = doubled.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-m", "torchship", "compile", doubled, "--trial", "plain"],
        env={**os.environ, "TMPDIR": str(own)}, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        wait_until(lambda: any(b"cc1plus" in c for c in commands_with(str(own))), seconds=120)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 143
    # PyTorch's own cache, a folder of each user, stays.
    assert not [each for each in own.iterdir() if not each.name.startswith("torchinductor_")]
    assert not commands_with(str(own))
    assert doubled.read_bytes() == before and sorted(tmp_path.iterdir()) == [doubled, own]


def test_the_table_says_beside_what_the_times_are(tmp_path):
    settings = TRIALS[0]
    made = {"id": "x", "settings": settings, "method": {}, "copied": [], "package": tmp_path}
    engine = trial.Engine(target=target.Target("x86-64-v3", 1), records="", **made)
    engine.checked, engine.seconds, engine.ratio = True, 0.001, 0.5
    done = Compiled(tmp_path, trials={"forward": [engine]})
    header, row = compile_command._describe(done).splitlines()[:2]
    assert header.split()[-2:] == ["to", "`planned`"] and "0.500" in row
    (tried,) = done.to_json()["trials"]["forward"]
    assert (tried["ratio"], tried["beside"]) == (0.5, "planned")


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
