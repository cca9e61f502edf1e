"""Where in the author's own source something happened."""

import ast
import dis
import inspect
import linecache
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch

_TORCH = str(Path(torch.__file__).parent)
# What torch itself calls to reason about sizes.
_TORCHS = tuple(f"{Path(_TORCH).parent}/{name}/" for name in ("sympy", "mpmath", "networkx"))
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
    if file.startswith((_TORCH, _OWN, *_TORCHS)):
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


def asking_place(frame: FrameType | None) -> Place | None:
    """The innermost line of the author's that led to a frame, unless our own code did."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_OWN):
            return None
        if is_authors(file):
            return Place(file, frame.f_lineno)
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


def innermost_statement(place: Place) -> ast.stmt | None:
    """The statement that begins last among those that a line belongs to."""
    holding = [each for each in _statements(place.file) if each.lineno <= place.line <= _end(each)]
    return max(holding, key=lambda each: each.lineno, default=None)


def _end(statement: ast.stmt) -> int:
    """The last line of a statement's own head: an `if` ends where its body begins."""
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def is_branch(place: Place) -> bool:
    """Whether the line decides what is executed next."""
    statement = innermost_statement(place)
    if isinstance(statement, ast.If | ast.While | ast.For):
        return True
    return statement is not None and any(
        isinstance(node, ast.IfExp | ast.BoolOp) for node in ast.walk(statement)
    )


def is_check(place: Place) -> bool:
    """Whether the line only refuses input: an assert, or an `if` that does nothing but raise."""
    statement = innermost_statement(place)
    if isinstance(statement, ast.Assert):
        return True
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and all(isinstance(each, ast.Raise) for each in statement.body)
    )


_CHANGING_CALLS = (
    "append", "appendleft", "extend", "insert", "pop", "popleft", "popitem", "remove", "clear",
    "update", "setdefault", "add", "discard", "sort", "reverse",
)  # fmt: skip


def changing_line(codes: Iterable[CodeType], name: str) -> Place | None:
    """The first line of functions that changes the content of a container called `name`."""
    return _first_line(codes, lambda node: _is_change(node, name))


def random_line(codes: Iterable[CodeType]) -> Place | None:
    """The first line of functions that calls something like np.random.uniform()."""
    return _first_line(codes, _is_random_call)


def _first_line(codes: Iterable[CodeType], wanted: Callable[[ast.AST], bool]) -> Place | None:
    for code in codes:
        for statement in _statements(code.co_filename):
            if code.co_firstlineno <= statement.lineno <= _last_line(code):
                for node in ast.walk(statement):
                    if wanted(node):
                        return Place(code.co_filename, node.lineno)
    return None


def _is_random_call(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    parts = ast.unparse(node.func).split(".")
    return "random" in parts[:-1] or parts[0] in ("secrets", "uuid")


def _last_line(code: CodeType) -> int:
    return max((line for *_, line in code.co_lines() if line), default=code.co_firstlineno)


def _is_change(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _CHANGING_CALLS and _is_named(node.func.value, name)
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    return isinstance(node, ast.Assign | ast.AugAssign | ast.Delete) and any(
        isinstance(each, ast.Subscript) and _is_named(each.value, name) for each in targets
    )


def _is_named(node: ast.AST, name: str) -> bool:
    return getattr(node, "id", getattr(node, "attr", None)) == name


def parameter_place(function: Callable[..., Any], name: str) -> Place | None:
    """The line where a function names one of its parameters, else its first line."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or not is_authors(code.co_filename):
        return None
    for statement in _statements(code.co_filename):
        if isinstance(statement, ast.FunctionDef) and _begins(statement, code.co_firstlineno):
            arguments = statement.args
            for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                if each.arg == name:
                    return Place(code.co_filename, each.lineno)
    return Place(code.co_filename, code.co_firstlineno)


def _begins(statement: ast.FunctionDef, line: int) -> bool:
    return line in (statement.lineno, *(each.lineno for each in statement.decorator_list))


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
