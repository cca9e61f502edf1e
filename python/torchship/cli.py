"""The `torchship` that pip puts on PATH.

Commands that run a model belong to the native executable, which needs no Python; this one hands
them over. It must not import torch: the executable starts faster than Python's torch does.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
EXECUTABLE = PACKAGE / "bin" / "torchship"
CMAKE_DIR = PACKAGE / "lib" / "cmake" / "torchship"

PKG_CONFIG_DIR = PACKAGE / "lib" / "pkgconfig"

PATHS = {
    "--cmake-dir": CMAKE_DIR,
    "--pkg-config-dir": PKG_CONFIG_DIR,
    "--cli-path": EXECUTABLE,
}

# Commands that need Python: what they do, and the module whose main() takes their arguments.
COMMANDS = {
    "compile": ("Add compiled engines to an archive", "torchship.compiling.command"),
    "convert": (
        "Make a TorchScript archive of an exported program, or the other way round",
        "torchship.converting.command",
    ),
    "bundle": (
        "Make a folder that runs an archive on a bare machine",
        "torchship.bundling.command",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) == 1 and arguments[0] in PATHS:
        print(PATHS[arguments[0]])
        return 0
    if arguments and arguments[0] in COMMANDS:
        return _build_command(arguments[0], arguments[1:])
    if arguments in (["--help"], ["-h"]):
        return _help()
    if sys.stdout is not None:  # as it is where it was closed
        sys.stdout.flush()
    os.execv(EXECUTABLE, [str(EXECUTABLE), *arguments])


def _help() -> int:
    done = subprocess.run([EXECUTABLE, "--help"])
    print("COMMANDS THAT NEED PYTHON:")
    for name, (summary, _) in COMMANDS.items():
        print(f"  {name:<24}{summary}")
    return done.returncode


def _build_command(name: str, arguments: Sequence[str]) -> int:
    """Runs a command of the Python side: every failure is one message, as the executable's are."""
    module = import_module(COMMANDS[name][1])
    from torchship.errors import Error

    try:
        with _ending_in_order():
            return module.main(arguments)
    except KeyboardInterrupt:
        return _report("interrupted", "", 130)
    except Error as error:
        return _report(error.message, error.hint, 1)
    except (OSError, ValueError, TypeError) as error:
        return _report(str(error), "", 1)


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGTERM, and SIGHUP, end the command like an exception: temporary files and children go."""

    def end(number: int, frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)  # A second one would leave the rest behind.
        raise SystemExit(128 + number)

    # One that is ignored stays so: nohup.
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(message: str, hint: str, status: int) -> int:
    print(f"torchship: error: {message}", file=sys.stderr)
    if hint:
        print(f"torchship: hint: {hint}", file=sys.stderr)
    return status
