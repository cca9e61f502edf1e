"""`torchship compile`."""

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import torchship
from torchship._arguments import Parser
from torchship.compiling.compile import Compiled, compile
from torchship.compiling.examples import read_examples
from torchship.compiling.settings import TRIALS
from torchship.compiling.target import CHOICES


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        dynamic = {} if given.fixed else _dynamic(given.dynamic)
        sizes = [dict([_size(each)]) for each in given.size]
        examples = _examples(given.archive, given.method, given.input)
    except ValueError as error:
        parser.error(str(error))
    done = compile(
        given.archive,
        given.output,
        isa=given.isa,
        threads=given.threads,
        device=given.device,
        methods=given.method,
        dynamic=dynamic,
        sizes=sizes,
        examples=examples,
        budget=given.budget,
        trials=given.trial,
        keep_slower=given.keep_slower,
        replace=given.replace,
        operator_libraries=given.op_library,
        progress=_progress(),
    )
    print(json.dumps(done.to_json(), indent=2) if given.json else _describe(done))
    return 0


def _parser() -> Parser:
    parser = Parser("compile", "Add compiled engines to an archive.")
    parser.add_argument("archive", metavar="FILE", help="the model's archive")
    parser.add_argument("-o", "--output", metavar="FILE", help="by default the archive itself")
    parser.add_argument("--isa", action="append", default=[], choices=CHOICES,
                        help="what to compile for; may be given again")  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", help="threads that a call will have")
    parser.add_argument("--device", default="cpu", metavar="DEVICE")
    parser.add_argument("--method", action="append", default=[], metavar="NAME")
    parser.add_argument("--dynamic", action="append", default=[],
                        metavar="INPUT:DIM=NAME[:MIN:MAX]",
                        help="a size that varies, instead of those of the manifest")  # fmt: skip
    parser.add_argument("-i", "--input", action="append", default=[], metavar="NAME=VALUE",
                        help="an input of the method, for archives without samples: [[1,2]], "
                        "@file.npy, @file.npz, @file.safetensors")  # fmt: skip
    parser.add_argument("--fixed", action="store_true", help="no size varies")
    parser.add_argument("--size", action="append", default=[], metavar="NAME=N",
                        help="an engine for that size besides")  # fmt: skip
    parser.add_argument("--budget", type=float, default=300.0, metavar="SECONDS",
                        help="after which no more settings are tried (300)")  # fmt: skip
    parser.add_argument("--trial", action="append", default=[],
                        choices=[each.name for each in TRIALS], help="settings to try")  # fmt: skip
    parser.add_argument("--keep-slower", action="store_true",
                        help="keep the best engine even if the interpreter is faster")  # fmt: skip
    parser.add_argument("--replace", action="store_true", help="drop the archive's other engines")
    parser.add_argument("--op-library", action="append", default=[], metavar="FILE",
                        help="a shared library with operators that the model needs")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    return parser


def _dynamic(given: Sequence[str]) -> dict[str, Any] | None:
    from torchship.tracing.dimensions import Dim

    found: dict[str, dict[int, Dim]] = {}
    for text in given:
        place, _, dim = text.partition("=")
        name, _, dimension = place.rpartition(":")
        label, *limits = dim.split(":")
        if not name or not label or len(limits) not in (0, 2):
            raise ValueError(f"--dynamic is INPUT:DIM=NAME or INPUT:DIM=NAME:MIN:MAX, not {text!r}")
        least, most = map(int, limits) if limits else (None, None)
        found.setdefault(name, {})[int(dimension)] = Dim(label, least, most)
    return found or None


def _examples(archive: str, methods: Sequence[str], given: Sequence[str]) -> list[Any] | None:
    if not given:
        return None
    info = torchship.info(archive)
    name = methods[0] if methods else info.default_method
    for method in info.methods:
        if method.name == name:
            return read_examples(method, given)
    raise ValueError(f"{archive}: has no method {name!r}")


def _size(text: str) -> tuple[str, int]:
    name, _, size = text.partition("=")
    if not name or not size.isdigit():
        raise ValueError(f"--size is NAME=N, not {text!r}")
    return name, int(size)


def _progress() -> Any:
    """Lines on a terminal or in a log, with the time that has passed."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:5.0f} s  {text}", file=sys.stderr, flush=True)

    return say


def _describe(done: Compiled) -> str:
    rows = [("variant", "isa", "settings", "call", "of interpreter", "")]
    for variant, tried in done.trials.items():
        for each in tried:
            call = "" if each.seconds is None else _time(each.seconds)
            ratio = "" if each.ratio is None else f"{each.ratio:.3f}"
            note = "kept" if each.id in done.engines else each.problem
            if not note and not each.checked:
                note = "cannot be tried here"
            rows.append((variant, each.target.isa, each.settings.name, call, ratio, note))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
             for row in rows]  # fmt: skip
    count = len(done.engines)
    end = f"{done.path}: nothing added: the interpreter is faster"
    if count:
        size = os.path.getsize(done.path) / 1e6
        end = f"{done.path}: {count} engine{'' if count == 1 else 's'} added, {size:.1f} MB"
    return "\n".join([*lines, "", end])


def _time(seconds: float) -> str:
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.2f} {unit}"
    return f"{seconds:.2f} s"
