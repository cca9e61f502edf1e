"""How the tests build and run programs that call torchship's C API."""

import os
import subprocess
import sys
from pathlib import Path

from torchship import cli

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "c_api"
LIBRARY = cli.PACKAGE / "lib" / "libtorchship.so"
HEADER = cli.PACKAGE / "include" / "torchship" / "c_api.h"
TOOLS_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
C99 = ("gcc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")


def run(*command: object, timeout: float = 300, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=timeout, **options
    )


def run_ok(*command: object, **options) -> str:
    done = run(*command, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cmake(*arguments: object) -> subprocess.CompletedProcess:
    return run("cmake", *arguments, env={**os.environ, "PATH": TOOLS_PATH})


def cmake_ok(*arguments: object) -> str:
    done = cmake(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def package_flags(folder: Path, name: str, *options: str) -> list[str]:
    """What pkg-config says to compile and link with a package of `folder`."""
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    return run_ok("pkg-config", "--cflags", "--libs", name, *options, env=environment).split()
