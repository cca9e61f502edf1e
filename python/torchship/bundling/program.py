"""Asks the executable: what is in an archive, which LibTorch is here, whether a bundle runs."""

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from torchship import cli
from torchship.bundling.contents import OPERATORS
from torchship.errors import ArchiveError, Error


def describe_archive(archive: Path) -> dict:
    """What `torchship info` says; refuses what is no model."""
    done = _run(cli.EXECUTABLE, "info", archive, "--json")
    if done.returncode != 0:
        raise ArchiveError(*_complaint(done))
    return json.loads(done.stdout)


def describe_machine() -> dict:
    """What `torchship doctor` says of this machine."""
    done = _run(cli.EXECUTABLE, "doctor", "--json")
    if not done.stdout:
        raise Error(*_complaint(done))
    return json.loads(done.stdout)


def check_bundle(
    folder: Path, archive: str, operators: Iterable[str], with_samples: bool, device: str
) -> str:
    """Runs the bundle where it lies; returns what was done. Refuses one that does not work.

    On CUDA the executable is started and nothing more: there need be no such device here.
    """
    program = folder / "bin" / "torchship"
    if device != "cpu":
        _must_run(program, "--version")
        return "starts"
    libtorch = Path(json.loads(_must_run(program, "doctor", "--json"))["libtorch"]["path"])
    if folder.resolve() not in libtorch.resolve().parents:
        raise Error(f"the bundle does not work: it takes up {libtorch}, which is outside of it")
    libraries = [
        part for name in operators for part in ("--op-library", str(folder / OPERATORS / name))
    ]
    if with_samples:
        _must_run(program, "check", folder / archive, *libraries)
        return "its samples give the results they had at home"
    _must_run(program, "lint", folder / archive, "--deny", "error", *libraries)
    return "starts and reads the archive, which has no samples to check"


def _must_run(program: Path, *arguments: object) -> str:
    """The output of a bundle's program, which must do without this machine's other libraries."""
    outside = ("LD_LIBRARY_PATH", "LD_PRELOAD")
    environment = {key: value for key, value in os.environ.items() if key not in outside}
    done = _run(program, *arguments, environment=environment)
    if done.returncode != 0:
        message, hint = _complaint(done)
        raise Error(
            f"the bundle does not work: torchship {arguments[0]}: {message}",
            hint or "torchship check says more of the archive; --no-check makes the bundle anyway",
        )
    return done.stdout


def _run(
    program: Path, *arguments: object, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def _complaint(done: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """The message and the hint of a failed run."""
    lines = done.stderr.strip().splitlines()
    hint = ""
    if lines and lines[-1].startswith("torchship: hint: "):
        hint = lines.pop().removeprefix("torchship: hint: ")
    if lines:
        return lines[-1].removeprefix("torchship: error: "), hint
    said = done.stdout.strip().splitlines()
    return said[-1] if said else f"ended with status {done.returncode}", hint
