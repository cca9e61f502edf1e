"""A model that needs a custom operator: missing without the operator's library, whole with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torchship
from support import MAKE_SCALED, check_failure, check_message, cli, cli_ok

BUILT = Path(__file__).parents[2] / "build" / "make" / "tests" / "cpp"
LIBRARY = BUILT / "libtorchship_test_operators.so"

pytestmark = pytest.mark.skipif(
    not LIBRARY.exists(), reason="the C++ tests are not built in build/make"
)

NAMES = ("torchship_test::scale", "torchship_test.Counter")

# Operators stay in a process for good: what makes the archive and what loads it are others.
MAKE = MAKE_SCALED + """
class Counted(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        counter = torch.classes.torchship_test.Counter()
        return x + counter.next(2) + counter.next(3)

torch.jit.save(torch.jit.script(Counted().eval()), sys.argv[3])
"""

LOAD = """
import sys
import torch, torchship
library, *archives = sys.argv[1:]
for archive in archives:
    try:
        torchship.load(archive)
    except torchship.ArchiveError as error:
        print(error.message, error.hint)
assert all(f.code == "missing-operator" for f in torchship.lint(archives[0]))
for archive in archives:
    model = torchship.load(archive, operator_libraries=[library])
    print(model(torch.ones(2)).tolist())
assert torchship.lint(archives[0]) == []
"""


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("custom")
    paths = [folder / "scaled.pt", folder / "counted.pt"]
    script = folder / "make.py"  # Scripting needs source in a file.
    script.write_text(MAKE)
    subprocess.run([sys.executable, script, LIBRARY, *paths], check=True, timeout=120)
    return paths


def test_python(archives):
    command = [sys.executable, "-c", LOAD, LIBRARY, *archives]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    missing, missing_class, scaled, counted = done.stdout.splitlines()
    assert "torchship_test::scale" in missing
    assert "a class that this process does not have" in missing_class
    assert (scaled, counted) == ("[4.0, 4.0]", "[8.0, 8.0]")


def test_executable_runs_with_the_library_only(archives):
    check_failure(cli("run", archives[0], "-i", "x=1,2"), 1, "torchship_test::scale")
    printed = cli_ok("run", archives[0], "-i", "x=1,2", "--op-library", LIBRARY)
    assert "[4, 7]" in printed


MAKE_PROGRAM = """
import sys
import torch

torch.ops.load_library(sys.argv[1])


class Scaled(torch.nn.Module):
    def forward(self, x):
        return torch.ops.torchship_test.scale(x, 3.0) + 1


program = torch.export.export(Scaled(), (torch.ones(2),))
torch.export.save(program, sys.argv[2])
"""


def test_exported_programs_call_the_library(tmp_path):
    path = tmp_path / "scaled.pt2"
    command = [sys.executable, "-W", "ignore", "-c", MAKE_PROGRAM, LIBRARY, path]
    subprocess.run(command, check=True, timeout=120)
    check_failure(cli("run", path, "-i", "x=1,2"), 1, "torchship_test::scale")
    assert "[4, 7]" in cli_ok("run", path, "-i", "x=1,2", "--op-library", LIBRARY)
    assert "missing-operator" in cli("lint", path, "--deny", "error").stdout
    strict = ("--policy", "strict", "--op-library", LIBRARY)
    assert "[4, 7]" in cli_ok("run", path, "-i", "x=1,2", *strict)


def test_executable_lints_with_the_library(archives):
    for archive, name in zip(archives, NAMES, strict=True):
        alone = cli("lint", archive, "--deny", "error")
        assert alone.returncode == 1
        assert "missing-operator" in alone.stdout and name in alone.stdout
        assert "a library of the model's maker" in alone.stdout
        assert cli_ok("lint", archive, "--op-library", LIBRARY, "--deny", "note").endswith(
            "nothing found\n"
        )


def test_check_takes_the_library(archives):
    check_failure(cli("check", archives[0]), 1, "torchship_test::scale")
    check_failure(cli("check", archives[0], "--op-library", LIBRARY), 1, "no samples")


@pytest.mark.parametrize("content", [None, b"", b"no library at all"])
def test_file_that_is_no_library(tmp_path, archives, content):
    path = tmp_path / "library.so"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(torchship.ArchiveError) as caught:
        torchship.load(archives[0], operator_libraries=[path])
    check_message(caught.value, path)
    check_failure(cli("lint", archives[0], "--op-library", path), 1, path)


def test_name_without_a_folder_is_a_file_here(tmp_path, archives):
    """As of a file, not as of a library that the system may have somewhere."""
    (tmp_path / "here.so").symlink_to(LIBRARY)
    ran = cli("run", archives[0], "-i", "x=1", "--op-library", "here.so", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    away = cli("run", archives[0], "-i", "x=1", "--op-library", "libm.so.6", cwd=tmp_path)
    check_failure(away, 1, "libm.so.6")
    assert os.path.exists(LIBRARY)


@pytest.mark.slow
def test_compiled_code_calls_the_library(archives, tmp_path):
    """By name, through LibTorch's dispatcher."""
    path = tmp_path / "compiled.pt"
    done = subprocess.run(
        [sys.executable, "-m", "torchship", "compile", archives[0], "-o", path, "--threads", "1",
         "--trial", "plain", "--keep-slower", "-i", "x=[1,2]", "--op-library", LIBRARY],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    options = ("--engine", "compiled", "--threads", "1", "--op-library", LIBRARY)
    said = cli_ok("run", path, "-i", "x=1,2", *options)
    assert "[4, 7]" in said
    assert cli("check", path, *options).returncode == 0
