"""`torchship compile`."""

import json
import os
from collections.abc import Sequence

from torchship._arguments import Parser
from torchship.archives.options import add_call_options, dynamic_of, examples_of, progress
from torchship.compiling.compile import Compiled, compile
from torchship.compiling.settings import GPU_TRIALS, TRIALS
from torchship.compiling.target import CHOICES
from torchship.compiling.work import require_numbers


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        require_numbers(given.threads, given.budget)
        dynamic = dynamic_of(given)
        sizes = [dict([_size(each)]) for each in given.size]
        examples = examples_of(given.archive, next(iter(given.method), None), given.input)
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
        progress=progress(),
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
    parser.add_argument("--device", default="cpu", metavar="DEVICE",
                        help="cpu, or cuda for a GPU like the one that is here")  # fmt: skip
    parser.add_argument("--method", action="append", default=[], metavar="NAME")
    parser.add_argument("--size", action="append", default=[], metavar="NAME=N",
                        help="an engine for that size besides")  # fmt: skip
    parser.add_argument("--budget", type=float, default=300.0, metavar="SECONDS",
                        help="after which no more settings are tried (300)")  # fmt: skip
    parser.add_argument("--trial", action="append", default=[],
                        choices=_trial_names(), help="settings to try")  # fmt: skip
    parser.add_argument("--keep-slower", action="store_true",
                        help="keep the best engine even if it is slower")  # fmt: skip
    parser.add_argument("--replace", action="store_true", help="drop the archive's other engines")
    add_call_options(parser)
    return parser


def _trial_names() -> list[str]:
    return sorted({each.name for each in (*TRIALS, *GPU_TRIALS)})


def _size(text: str) -> tuple[str, int]:
    name, _, size = text.partition("=")
    if not name or not size.isdigit():
        raise ValueError(f"--size is NAME=N, not {text!r}")
    return name, int(size)


def _describe(done: Compiled) -> str:
    beside = next((e.target.beside for tried in done.trials.values() for e in tried), "planned")
    rows = [("variant", "isa", "settings", "call", f"to `{beside}`", "")]
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
    end = f"{done.path}: nothing added: the engine `{beside}`, which needs none, is faster"
    if count:
        size = os.path.getsize(done.path) / 1e6
        end = f"{done.path}: {count} engine{'' if count == 1 else 's'} added, {size:.1f} MB"
    return "\n".join([*lines, "", end])


def _time(seconds: float) -> str:
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.2f} {unit}"
    return f"{seconds:.2f} s"
