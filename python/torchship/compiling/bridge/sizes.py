"""Which sizes may vary, what torch.export makes of that, and inputs of other sizes."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from torchship.tracing.inputs import resized

Dynamic = Sequence[Mapping[int, "Range"]]
"""For each flat input tensor, the dimensions whose size may vary."""


@dataclass(frozen=True)
class Range:
    """Sizes that vary together with all others of the same name."""

    name: str
    min: int = 1
    max: int | None = None
    multiple_of: int = 1

    def __contains__(self, size: int) -> bool:
        in_limits = size >= self.min and (self.max is None or size <= self.max)
        return in_limits and size % self.multiple_of == 0

    def __str__(self) -> str:
        limit = "or more" if self.max is None else f"to {self.max}"
        step = f", a multiple of {self.multiple_of}" if self.multiple_of > 1 else ""
        return f"{self.min} {limit}{step}"


@dataclass(frozen=True)
class Restriction:
    """A size that was to vary, and cannot or not so much; `range` is None where it is fixed."""

    name: str
    wanted: Range
    range: Range | None
    size: int = 0  # where it is fixed
    why: str = ""

    def __str__(self) -> str:
        what = f"is fixed at {self.size}" if self.range is None else f"must be {self.range}"
        if self.range is not None and self.range.name != self.name:
            what = f"must be the size of {self.range.name}"
        return f"{self.name} {what}{f': {self.why}' if self.why else ''}"


class Sizes:
    """The sizes of all names, narrowed step by step as torch.export asks for it."""

    def __init__(self, dynamic: Dynamic) -> None:
        self.dynamic = [dict(each) for each in dynamic]
        self.ranges: dict[str, Range] = {}
        for entry in self.dynamic:
            for each in entry.values():
                self.ranges.setdefault(each.name, each)
        self.fixed: set[str] = set()
        self.same: dict[str, str] = {}
        self._aliases = {name: _alias(name, i) for i, name in enumerate(self.ranges)}
        self._names = {alias: name for name, alias in self._aliases.items()}

    def copy(self) -> "Sizes":
        made = Sizes(self.dynamic)
        made.ranges, made.fixed = dict(self.ranges), set(self.fixed)
        made.same = dict(self.same)
        return made

    def fix_all(self, but: str = "") -> "Sizes":
        made = self.copy()
        made.fixed = set(self.ranges) - {but}
        return made

    def members(self) -> dict[str, list[tuple[int, int]]]:
        """Number of the tensor and dimension, by name."""
        found: dict[str, list[tuple[int, int]]] = {}
        for number, entry in enumerate(self.dynamic):
            for dimension, each in entry.items():
                found.setdefault(each.name, []).append((number, dimension))
        return found

    def spec(self) -> tuple[dict[int, Any] | None, ...]:
        """What torch.export takes as dynamic_shapes."""
        made: dict[str, Any] = {}
        for name, each in self.ranges.items():
            if name in self.fixed or name in self.same:
                continue
            step, alias = each.multiple_of, self._aliases[name]
            high = None if each.max is None else each.max // step
            dim = Dim(alias if step == 1 else f"_{alias}", min=-(-each.min // step), max=high)
            made[name] = dim if step == 1 else step * dim
        return tuple(self._entry(entry, made) for entry in self.dynamic)

    def _entry(self, entry: dict[int, Range], dims: dict[str, Any]) -> dict[int, Any] | None:
        found = {d: dims.get(self.root(each.name)) for d, each in entry.items()}
        return {d: dim for d, dim in found.items() if dim is not None} or None

    def root(self, name: str) -> str:
        seen = {name}
        while name in self.same and self.same[name] not in seen:
            name = self.same[name]
            seen.add(name)
        return name

    def narrow(self, message: str) -> bool:
        """Do what an error of torch.export suggests; False if it suggests nothing new."""
        _, _, fixes = message.partition("Suggested fixes:")
        before = (dict(self.ranges), set(self.fixed), dict(self.same))
        for match in _FIX.finditer(fixes):
            self._apply(match["name"], match["fix"].strip())
        if not fixes:
            for match in _UNFIT.finditer(message):
                self._give_up(match["name"].removeprefix("_"))
        return before != (self.ranges, self.fixed, self.same)

    def raise_min(self, name: str, size: int | None) -> None:
        """Take away the sizes below one; None: all but the example's."""
        if size is None:
            self.fixed.add(name)
        else:
            self.ranges[name] = replace(self.ranges[name], min=max(size, self.ranges[name].min))

    def _give_up(self, alias: str) -> None:
        """Take the smallest sizes, which are often special, from a name; else all but one."""
        if alias in self._names:
            name = self._names[alias]
            self.raise_min(name, 2 if self.ranges[name].min < 2 else None)

    def _apply(self, alias: str, fix: str) -> None:
        """One suggestion: "b = 3", "b = 2*_b", "b = t", "b = Dim('b', min=2)"."""
        is_part = alias not in self._names  # "_b", of which the size is a multiple
        name = self._names.get(alias.removeprefix("_"))
        if name is None:
            return
        step = self.ranges[name].multiple_of if is_part else 1
        limits, multiple = _LIMITS.match(fix), _MULTIPLE.match(fix)
        if limits:
            if not is_part or step > 1:
                self._limit(name, limits, step)
        elif multiple and multiple["alias"] == self._aliases[name]:
            self.ranges[name] = replace(self.ranges[name], multiple_of=int(multiple["step"]))
        elif fix in self._names:
            self.same[name] = self._names[fix]
        else:
            self.fixed.add(name)

    def _limit(self, name: str, limits: re.Match[str], step: int) -> None:
        old = self.ranges[name]
        if limits["min"]:
            old = replace(old, min=max(old.min, step * int(limits["min"])))
        if limits["max"]:
            high = step * int(limits["max"])
            old = replace(old, max=high if old.max is None else min(old.max, high))
        self.ranges[name] = old

    def supported(self, program: ExportedProgram) -> dict[str, Range | int]:
        """What the program itself says of each name: the range of its size, or its only size."""
        shapes = _input_shapes(program)
        found: dict[str, Range | int] = {}
        for name, members in self.members().items():
            number, dimension = members[0]
            size = shapes[number][dimension]
            if isinstance(size, int):
                found[name] = size
            else:
                old = self.ranges[self.root(name)]
                limits = _limits(program, size)
                name_here = self.root(name)
                found[name] = Range(name_here, limits[0], limits[1], old.multiple_of)
        return found

    def restrictions(self, program: ExportedProgram) -> list[Restriction]:
        return self.restricted(self.supported(program))

    def restricted(self, supported: Mapping[str, Range | int]) -> list[Restriction]:
        """What does not vary as it was to, where these sizes are supported."""
        wanted = {each.name: each for entry in self.dynamic for each in entry.values()}
        found = []
        for name, now in supported.items():
            if isinstance(now, int):
                found.append(Restriction(name, wanted[name], None, now))
            elif not _covers(now, wanted[name]):
                found.append(Restriction(name, wanted[name], now))
        return found


_FIX = re.compile(r"^  (?P<name>\w+) = (?P<fix>.+)$", re.MULTILINE)
_UNFIT = re.compile(r"Not all values of (?P<name>\w+) = ")
_LIMITS = re.compile(r"Dim\('\w+'(?:, min=(?P<min>\d+))?(?:, max=(?:(?P<max>\d+)|oo))?\)")
_MULTIPLE = re.compile(r"(?P<step>\d+)\*_(?P<alias>\w+)$")


def _alias(name: str, number: int) -> str:
    """A name that torch.export takes, and that is no part's."""
    return name if name.isidentifier() and not name.startswith("_") else f"size_{number}"


def _covers(now: Range, wanted: Range) -> bool:
    high = now.max is None or (wanted.max is not None and wanted.max <= now.max)
    step = wanted.multiple_of % now.multiple_of == 0
    return now.name == wanted.name and now.min <= wanted.min and high and step


def _input_shapes(program: ExportedProgram) -> list[torch.Size]:
    names = set(program.graph_signature.user_inputs)
    nodes = [node for node in program.graph.nodes if node.op == "placeholder"]
    return [node.meta["val"].shape for node in nodes if node.name in names]


def _limits(program: ExportedProgram, size: torch.SymInt) -> tuple[int, int | None]:
    expression = size.node.expr
    ranges = program.range_constraints
    low, high = expression, expression
    for symbol in expression.free_symbols:
        low = low.subs(symbol, ranges[symbol].lower)
        high = high.subs(symbol, ranges[symbol].upper)
    # Infinity has a number of its own in torch.
    is_number = high.is_finite and high.is_number and high < 2**62
    return int(low), int(high) if is_number else None


def traced_sizes(sizes: Sizes, tensors: Sequence[Tensor]) -> dict[str, int]:
    """A size for each name to trace with: no 0 or 1, which are special, and no two the same."""
    chosen: dict[str, int] = {}
    taken = {size for tensor in tensors for size in tensor.shape}
    members = sizes.members()
    for name in sorted(members, key=lambda name: sizes.root(name) != name):
        number, dimension = members[name][0]
        own, root = tensors[number].shape[dimension], sizes.root(name)
        if root in chosen:
            chosen[name] = chosen[root]
            continue
        allowed = sizes.ranges[name]
        if name in sizes.fixed or (own >= 2 and own in allowed and own not in chosen.values()):
            chosen[name] = own
            continue
        free = [size for size in _candidates(allowed, own) if size >= 2]
        unlike = [size for size in free if size not in taken | set(chosen.values())]
        chosen[name] = next(iter(unlike or free), own)
    return chosen


def _candidates(allowed: Range, own: int) -> Iterator[int]:
    step = allowed.multiple_of
    start = max(allowed.min, 2, own)
    for size in range(-(-start // step) * step, start + 40 * step, step):
        if size in allowed:
            yield size
    for size in range(2, start):
        if size in allowed:
            yield size


def fits(allowed: Range | int, size: int) -> bool:
    return size in allowed if isinstance(allowed, Range) else size == allowed


def sizes_to_check(
    supported: Mapping[str, Range | int], now: Mapping[str, int]
) -> list[tuple[str, int]]:
    """For each name one larger size and the smallest, where that is another."""
    found = []
    for name, allowed in supported.items():
        if isinstance(allowed, Range) and allowed.name == name:
            step = allowed.multiple_of
            sizes = [now[name] + step, now[name] + 2 * step, _smallest(allowed)]
            good = [size for size in dict.fromkeys(sizes) if size in allowed and size != now[name]]
            found += [(name, size) for size in [*good[:1], *good[1:][-1:]]]
    return found


def _smallest(allowed: Range) -> int:
    return -(-max(allowed.min, 1) // allowed.multiple_of) * allowed.multiple_of


def smallest(supported: Mapping[str, Range | int]) -> dict[str, int]:
    """The smallest size of all names at once, where there are several."""
    ranges = {
        n: each for n, each in supported.items() if isinstance(each, Range) and each.name == n
    }
    return {n: _smallest(each) for n, each in ranges.items()} if len(ranges) > 1 else {}


def inputs_of(
    sizes: Sizes,
    tensors: Sequence[Tensor],
    wanted: Mapping[str, int],
    takes: Callable[[list[Tensor]], bool],
) -> list[Tensor] | None:
    """Inputs of other sizes that the method takes, if any can be made."""
    members = {
        (number, dimension): wanted[name]
        for name, places in sizes.members().items()
        for number, dimension in places
        if name in wanted
    }
    if all(tensors[number].shape[d] == size for (number, d), size in members.items()):
        return list(tensors)
    random = torch.Generator().manual_seed(0)
    return next((made for made in resized(tensors, members, random) if takes(made)), None)
