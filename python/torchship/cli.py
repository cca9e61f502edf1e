"""The `torchship` that pip puts on PATH.

Commands that run a model belong to the native executable, which needs no Python; this one hands
them over. It must not import torch: the executable starts faster than Python's torch does.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
EXECUTABLE = PACKAGE / "bin" / "torchship"
CMAKE_DIR = PACKAGE / "lib" / "cmake" / "torchship"

PATHS = {"--cmake-dir": CMAKE_DIR, "--cli-path": EXECUTABLE}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) == 1 and arguments[0] in PATHS:
        print(PATHS[arguments[0]])
        return 0
    sys.stdout.flush()
    os.execv(EXECUTABLE, [str(EXECUTABLE), *arguments])
