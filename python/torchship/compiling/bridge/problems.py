"""What stops a TorchScript method from becoming an exported program, and where in its source."""

import re

import torch

from torchship.errors import Error
from torchship.tracing.places import is_authors

_TRACED = re.compile(r"^(?P<file>[^\n]+)\((?P<line>\d+)\): ", re.MULTILINE)
_SCRIPTED = re.compile(
    r"^(?:Serialized)? *File \"(?P<file>[^\"]+)\", line (?P<line>\d+)", re.MULTILINE
)


class BridgeError(Error):
    """The method cannot be made an exported program: which operator, at which line, and why.

    `operator` ("aten::item", "prim::SetAttr") and `place` ("model.py:12") may be empty.
    """

    def __init__(self, message: str, hint: str = "", operator: str = "", place: str = "") -> None:
        super().__init__(message, hint)
        self.operator = operator
        self.place = place


class BranchError(Exception):
    """Two ways of a branch, or the rounds of a loop, that cannot be one operator."""


def place_of(source: str) -> str:
    """The line that a node's source range names first, the author's own if there is one."""
    found = [*_TRACED.finditer(source), *_SCRIPTED.finditer(source)]
    places = [(each["file"], each["line"]) for each in found]
    own = [each for each in places if is_authors(each[0]) and not each[0].startswith("code/")]
    return ":".join((own or places or [("", "")])[0]).strip(":")


def refused(node: torch._C.Node, why: str, hint: str = "") -> BridgeError:
    """The error that names a node: `why` says what is the matter with it."""
    place = place_of(node.sourceRange())
    where = f" ({place})" if place else ""
    return BridgeError(f"{node.kind()}{where}: {why}", hint, node.kind(), place)
