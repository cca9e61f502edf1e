"""`torchship convert`."""

import json
from collections.abc import Sequence

from torchship._arguments import Parser
from torchship.archives.options import add_call_options, dynamic_of, examples_of, progress
from torchship.converting.convert import Converted, convert


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        dynamic = dynamic_of(given)
        examples = examples_of(given.archive, given.method, given.input)
    except ValueError as error:
        parser.error(str(error))
    done = convert(
        given.archive,
        given.target,
        to=given.to,
        method=given.method,
        dynamic=dynamic,
        examples=examples,
        keep_examples=given.keep_examples,
        operator_libraries=given.op_library,
        progress=progress(),
    )
    print(json.dumps(done.to_json(), indent=2) if given.json else _describe(done))
    return 0


def _parser() -> Parser:
    parser = Parser(
        "convert", "Make a TorchScript archive of an exported program, or the other way round."
    )
    parser.add_argument("archive", metavar="FILE", help="the archive to convert")
    parser.add_argument("target", metavar="TARGET", help="the file to write")
    parser.add_argument("--to", choices=("torchscript", "program"),
                        help="by default the format that the archive does not have")  # fmt: skip
    parser.add_argument("--method", metavar="NAME",
                        help="by default the one of plain calls")  # fmt: skip
    parser.add_argument("--keep-examples", action="store_true",
                        help="put the inputs of -i, or the program's own, into it")  # fmt: skip
    add_call_options(parser)
    return parser


def _describe(done: Converted) -> str:
    agreed = ", ".join(done.checked)
    return "\n".join(
        [
            f"{done.path}: {done.target_format}, {_size(done.target_size)}, "
            f"from {done.source_format}, {_size(done.source_size)}",
            f"same results: {agreed or 'nothing was tried'}",
            *(f"note: {each}" for each in done.notes),
        ]
    )


def _size(count: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"
