"""Where in the author's own source something happened."""

import ast
import dis
import linecache
import re
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

import torch

_TORCH = str(Path(torch.__file__).parent)
_OWN = str(Path(__file__).parent.parent)
_STDLIB = sysconfig.get_path("stdlib")
_SITE = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))


@dataclass(frozen=True)
class Place:
    """A line of source."""

    file: str
    line: int

    @property
    def text(self) -> str:
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@cache
def is_authors(file: str) -> bool:
    """Whether a source file is the author's, and not torch's, torchship's or Python's."""
    if file.startswith("<") and not file.startswith("<ipython"):
        return False
    if file.startswith((_TORCH, _OWN)):
        return False
    return not file.startswith(_STDLIB) or file.startswith(_SITE)


def current_place() -> Place | None:
    """The innermost line of the author's that is being executed."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if is_authors(frame.f_code.co_filename):
            return Place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def calling_place(depth: int) -> Place | None:
    """The line of the caller's caller and so on, if it is the author's."""
    frame = sys._getframe(depth + 1)
    file = frame.f_code.co_filename
    return Place(file, frame.f_lineno) if is_authors(file) else None


_STACK_LINE = re.compile(r"^(?P<file>.*)\((?P<line>\d+)\): ", re.MULTILINE)


def place_of(node: torch._C.Node) -> Place | None:
    """The author's line that a node of a graph was traced from."""
    for match in _STACK_LINE.finditer(node.sourceRange()):
        if is_authors(match["file"]):
            return Place(match["file"], int(match["line"]))
    return None


@cache
def _statements(file: str) -> list[ast.stmt]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def _innermost(place: Place) -> ast.stmt | None:
    """The statement that begins last among those that a line belongs to."""
    holding = [
        each for each in _statements(place.file) if each.lineno <= place.line <= _end(each)
    ]
    return max(holding, key=lambda each: each.lineno, default=None)


def _end(statement: ast.stmt) -> int:
    """The last line of a statement's own head: an `if` ends where its body begins."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def is_branch(place: Place) -> bool:
    """Whether the line decides what is executed next."""
    statement = _innermost(place)
    if isinstance(statement, ast.If | ast.While | ast.For):
        return True
    return statement is not None and any(
        isinstance(node, ast.IfExp | ast.BoolOp) for node in ast.walk(statement)
    )


def is_check(place: Place) -> bool:
    """Whether the line only refuses input: an assert, or an `if` that does nothing but raise."""
    statement = _innermost(place)
    if isinstance(statement, ast.Assert):
        return True
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and all(isinstance(each, ast.Raise) for each in statement.body)
    )


def line_with(codes: Iterable[CodeType], opnames: tuple[str, ...], name: str) -> Place | None:
    """The first line whose bytecode does one of `opnames` with `name`."""
    for code in codes:
        line = code.co_firstlineno
        for instruction in dis.get_instructions(code):
            starts = instruction.starts_line
            # Python 3.13 has a bool there, and the number beside it.
            number = getattr(instruction, "line_number", None) if starts is True else starts
            line = number or line
            if instruction.opname in opnames and instruction.argval == name:
                return Place(code.co_filename, line)
    return None
