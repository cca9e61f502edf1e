"""Options that `compile` and `convert` share, and what they say meanwhile."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torchship
from torchship._arguments import Parser
from torchship.archives.examples import read_examples
from torchship.tracing.dimensions import Dim


def add_call_options(parser: Parser) -> None:
    parser.add_argument("--dynamic", action="append", default=[],
                        metavar="INPUT:DIM=NAME[:MIN:MAX]",
                        help="a size that varies, instead of those of the manifest")  # fmt: skip
    parser.add_argument("--fixed", action="store_true", help="no size varies")
    parser.add_argument("-i", "--input", action="append", default=[], metavar="NAME=VALUE",
                        help="an input of the method, for archives without samples: [[1,2]], "
                        "@file.npy, @file.npz, @file.safetensors")  # fmt: skip
    parser.add_argument("--op-library", action="append", default=[], metavar="FILE",
                        help="a shared library with operators that the model needs")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def dynamic_of(given: Any) -> dict[str, Any] | None:
    """The sizes that vary; None: those of the manifest. Raises ValueError."""
    if given.fixed:
        return {}
    found: dict[str, dict[int, Dim]] = {}
    for text in given.dynamic:
        place, _, dim = text.partition("=")
        name, _, dimension = place.rpartition(":")
        label, *limits = dim.split(":")
        if not name or not label or len(limits) not in (0, 2):
            raise ValueError(f"--dynamic is INPUT:DIM=NAME or INPUT:DIM=NAME:MIN:MAX, not {text!r}")
        least, most = map(int, limits) if limits else (None, None)
        found.setdefault(name, {})[int(dimension)] = Dim(label, least, most)
    return found or None


def examples_of(archive: str, method: str | None, given: Sequence[str]) -> list[Any] | None:
    """The inputs given of a method, by default the one for plain calls. Raises ValueError."""
    if not given:
        return None
    info = torchship.info(archive)
    name = method or info.default_method
    for each in info.methods:
        if each.name == name:
            return read_examples(each, given)
    raise ValueError(f"{archive}: has no method {name!r}")


def progress() -> Callable[[str], None]:
    """Lines on a terminal or in a log, with the time that has passed."""
    started = time.monotonic()

    def say(text: str) -> None:
        if sys.stderr is not None:  # as it is where it was closed: print would take stdout then
            print(f"{time.monotonic() - started:5.0f} s  {text}", file=sys.stderr, flush=True)

    return say
