"""The command `torchship bundle`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from torchship._arguments import Parser
from torchship.bundling.listing import Bundle, size_text
from torchship.bundling.make import DEVICES, bundle
from torchship.bundling.readme import command_line


def _parser() -> Parser:
    parser = Parser("bundle", "Make a folder that runs an archive on a bare machine.")
    parser.add_argument("archive", metavar="ARCHIVE", help="the model")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        required=True,
        help="the folder to make; a name in .tar, .tar.gz or .tgz makes a tar file",
    )
    parser.add_argument("--tar", action="store_true", help="make DIR.tar.gz, which unpacks to DIR")
    parser.add_argument(
        "--device", choices=DEVICES, default="cpu", help="where the model will run; cpu"
    )
    parser.add_argument(
        "--libc",
        action="store_true",
        help="take the C library along: for machines with an older one, another one or none",
    )
    parser.add_argument(
        "--op-library",
        metavar="FILE",
        action="append",
        default=[],
        dest="operator_libraries",
        help="take along a shared library with operators that the model needs",
    )
    parser.add_argument("--sdk", action="store_true", help="take the headers along")
    parser.add_argument(
        "--no-strip", action="store_false", dest="strip", help="keep symbols and debug sections"
    )
    parser.add_argument(
        "--no-check", action="store_false", dest="check", help="do not run the finished bundle"
    )
    parser.add_argument("--force", action="store_true", help="replace an earlier bundle")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    return parser


class _Line:
    """One line on a terminal that says what is being done, and is gone at the end."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def say(self, text: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{text[:78]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        self.say("")


def main(arguments: Sequence[str]) -> int:
    options = vars(_parser().parse_args(arguments))
    as_json = options.pop("json")
    line = _Line()
    try:
        made = bundle(progress=line.say, **options)
    finally:
        line.clear()
    print(_json(made) if as_json else _text(made), end="")
    return 0


def _json(made: Bundle) -> str:
    content = {"path": str(made.path), "packed": made.packed, **made.to_json()}
    return json.dumps(content, indent=2) + "\n"


def _text(made: Bundle) -> str:
    text = made.to_text()
    name = _shown(made.path)
    if made.packed:
        return text + f"\n{name} is made, {size_text(made.packed)}\n"
    return text + f"\n{name} is made: {command_line(made, 'run', f'{name}/')} ...\n"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
