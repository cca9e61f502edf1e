"""An end to calls that have none: a loop may never finish on inputs that were made up."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from torchship.tracing.places import is_authors

T = TypeVar("T")


class Endless(RuntimeError):
    """A call that goes on for much longer than the example's."""


class LineLimit:
    """Runs calls, and ends those that execute too many lines of the author's code."""

    def __init__(self) -> None:
        self._most: int | None = None  # known once a first call has ended
        self._count = 0
        self.on_enter: Callable[[FrameType], None] | None = None  # told of the author's functions

    def run(self, call: Callable[[], T]) -> T:
        """Call; raises Endless after 1000 and 50 times as many lines as the first call took."""
        self._count = 0
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            result = call()
        finally:
            sys.settrace(before)
        if self._most is None:
            self._most = 1000 + 50 * self._count
        return result

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not is_authors(frame.f_code.co_filename):
            return None
        if self.on_enter is not None:
            self.on_enter(frame)
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self._count += 1
        if self._most is not None and self._count > self._most:
            raise Endless(f"not finished after {self._most} lines of code")
        return self._line
