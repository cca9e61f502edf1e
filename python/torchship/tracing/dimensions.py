"""Which sizes may vary: declared by the author or found by trying, and always tried."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from torchship.tracing.inputs import Sizes, resized

Key = tuple[int, int]
"""Number of the tensor among the examples, and dimension."""


@dataclass(frozen=True)
class Dim:
    """A size that may vary, for `trace(..., dynamic={"x": {0: Dim("batch", max=64)}})`."""

    name: str
    min: int | None = None
    max: int | None = None


@dataclass
class Dimension:
    """Sizes that vary together, with what was tried."""

    name: str
    members: list[Key]
    size: int  # of the examples
    declared: Dim | None = None
    taken: Dim | None = None  # by the program, where it takes less than the model
    multiple_of: int = 1
    min: int = 1
    max: int | None = None
    tried: list[int] = field(default_factory=list)

    def at(self, size: int) -> Sizes:
        return {member: size for member in self.members}

    def takes(self, size: int) -> bool:
        """Whether the program takes a size, as far as it says."""
        taken = self.taken or Dim(self.name)
        is_small = taken.min is not None and size < taken.min
        return not is_small and (taken.max is None or size <= taken.max)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "min": self.min,
            "max": self.max,
            "multiple_of": self.multiple_of,
            "tried": sorted(set(self.tried)),
        }

    def __str__(self) -> str:
        sizes = ", ".join(map(str, sorted(set(self.tried))))
        limit = "or more" if self.max is None else f"to {self.max}"
        step = f", a multiple of {self.multiple_of}" if self.multiple_of > 1 else ""
        return f"{self.name}: {self.min} {limit}{step}; proven at {sizes}"


Works = Callable[[Sizes], bool]
"""Whether the eager model takes inputs of these sizes."""


def declared_dimensions(
    dynamic: Mapping[str, Any], names: Sequence[str], examples: Sequence[Tensor]
) -> list[Dimension]:
    """The author's own. Raises ValueError naming what does not fit the examples."""
    found: dict[str, Dimension] = {}
    for path, given in dynamic.items():
        if path not in names:
            raise ValueError(f"dynamic: no input tensor is named {path!r}; there are {list(names)}")
        tensor = names.index(path)
        for dimension, dim in _entries(path, given):
            shape = examples[tensor].shape
            if not -len(shape) <= dimension < len(shape):
                raise ValueError(f"dynamic: {path!r} has no dimension {dimension}: {list(shape)}")
            member = (tensor, dimension % len(shape))
            size = shape[dimension]
            known = found.setdefault(dim.name, Dimension(dim.name, [], size, dim))
            if known.size != size:
                raise ValueError(
                    f"dynamic: {dim.name!r} is {known.size} in one example and {size} in {path!r}"
                )
            known.members.append(member)
            known.min, known.max = dim.min if dim.min is not None else 1, dim.max
    return list(found.values())


def _entries(path: str, given: Any) -> Iterator[tuple[int, Dim]]:
    if isinstance(given, Mapping):
        for dimension, dim in given.items():
            yield dimension, _dim(dim)
    else:
        for dimension in given:
            yield dimension, Dim("batch" if dimension == 0 else f"{path}_{dimension}")


def _dim(given: Any) -> Dim:
    if isinstance(given, str):
        return Dim(given)
    if isinstance(given, Dim):
        return given
    name = getattr(given, "__name__", None)  # torch.export.Dim
    if name is None:
        raise ValueError(f"dynamic: {given!r} is neither a name nor a torchship.Dim")
    limit = getattr(given, "max", None)
    return Dim(name, getattr(given, "min", None), limit if limit and limit < 2**31 else None)


def find_dimensions(
    names: Sequence[str], examples: Sequence[Tensor], works: Works
) -> list[Dimension]:
    """Every dimension whose size the eager model lets vary, found by trying.

    Dimensions that only work when they change together are one; those that work each by itself
    but not with different sizes at once (as broadcasting allows for size 1) are one too. So is one
    that works by itself with its like that does not: a mask may be longer than what it masks.
    """
    keys = [(t, d) for t, example in enumerate(examples) for d in range(example.dim())]
    sizes = {key: examples[key[0]].shape[key[1]] for key in keys}
    keys = [key for key in keys if sizes[key] > 0]
    alone = [key for key in keys if works({key: sizes[key] + 1})]
    coupled = _coupled(keys, alone, sizes, works)
    keys = [key for key in keys if not any(key in group for group in coupled)]
    alone = [key for key in alone if key in keys]
    groups = [[key] for key in alone]
    if len(groups) > 1 and not works(_all_different(groups, sizes)):
        groups = _by(alone, lambda key: (key[1], sizes[key]))
        if not works(_all_different(groups, sizes)):
            groups = _by(alone, lambda key: sizes[key])
    rest = [key for key in keys if key not in alone]
    for same in (lambda key: (key[1], sizes[key]), lambda key: sizes[key]):
        for group in _by(rest, same):
            if len(group) > 1 and works({key: sizes[key] + 1 for key in group}):
                groups.append(group)
        rest = [key for key in rest if not any(key in group for group in groups)]
    found = [_named(group, names, sizes[group[0]]) for group in sorted(coupled + groups)]
    return _distinct(found + _stepped(rest, names, sizes, works))


def _coupled(
    keys: Sequence[Key], alone: Sequence[Key], sizes: Mapping[Key, int], works: Works
) -> list[list[Key]]:
    """Like dimensions of which only some work by themselves, and which work together."""
    likes = _by(keys, lambda key: (key[1], sizes[key]))
    mixed = [like for like in likes if 0 < sum(key in alone for key in like) < len(like)]
    return [like for like in mixed if works({key: sizes[key] + 1 for key in like})]


def _by(keys: Sequence[Key], same: Callable[[Key], Any]) -> list[list[Key]]:
    groups: dict[Any, list[Key]] = {}
    for key in keys:
        groups.setdefault(same(key), []).append(key)
    return list(groups.values())


def _all_different(groups: Sequence[Sequence[Key]], sizes: Mapping[Key, int]) -> Sizes:
    """New sizes for all groups at once, no two the same, and none much larger than before: they
    multiply."""
    used = set(sizes.values())
    found: dict[Key, int] = {}
    for group in groups:
        size = next(size for size in itertools.count(sizes[group[0]] + 1) if size not in used)
        used.add(size)
        found.update(dict.fromkeys(group, size))
    return found


def _stepped(
    keys: Sequence[Key], names: Sequence[str], sizes: Mapping[Key, int], works: Works
) -> list[Dimension]:
    """Dimensions that must be multiples of something, as images often must."""
    found = []
    for key in keys:
        size = sizes[key]
        if size < 4 or not works({key: 2 * size}):
            continue
        step = 2
        while step < size and not (size % step == 0 and works({key: size + step})):
            step *= 2
        if size % step == 0:
            found.append(_named([key], names, size))
            found[-1].multiple_of = step
    return found


def _named(group: list[Key], names: Sequence[str], size: int) -> Dimension:
    tensor, dimension = group[0]
    name = "batch" if dimension == 0 else f"{names[tensor]}_{dimension}"
    return Dimension(name, list(group), size)


def _distinct(found: list[Dimension]) -> list[Dimension]:
    """No two of the same name."""
    used: set[str] = set()
    for each in found:
        name, number = each.name, 2
        while each.name in used:
            each.name = f"{name}{number}"
            number += 1
        used.add(each.name)
    return found


def sizes_to_try(dimension: Dimension) -> list[int]:
    """Small ones, one more, and about twice as much; and the limits that were declared."""
    step, size = dimension.multiple_of, dimension.size
    wanted = [step, 2 * step, 3 * step, size + step, 2 * size + step]
    declared = dimension.declared
    low = declared.min if declared and declared.min is not None else 0
    high = declared.max if declared and declared.max is not None else max(wanted)
    limits = [low, high] if declared else []
    inside = [s for s in wanted + limits if low <= s <= high and s != size and s >= 0]
    inside = [s for s in inside if dimension.takes(s)]
    return sorted(
        set(inside) - ({0} if low == 0 and not (declared and declared.min == 0) else set())
    )


def settle_range(dimension: Dimension, refused: Sequence[int], works: Works) -> None:
    """Set the range by what worked, and find the limits where the eager model refused sizes."""
    good = sorted({*dimension.tried, dimension.size})
    declared = dimension.declared or Dim(dimension.name)
    below = [size for size in refused if size < good[0]]
    above = [size for size in refused if size > good[-1]]
    dimension.min = good[0]
    if declared.min is not None:
        dimension.min = declared.min
    elif below:
        dimension.min = _limit(dimension, good[0], max(below), works)
    dimension.max = declared.max
    if declared.max is None and above:
        dimension.max = _limit(dimension, good[-1], min(above), works)
    taken = dimension.taken or Dim(dimension.name)
    if taken.min is not None:
        dimension.min = max(dimension.min, taken.min)
    if taken.max is not None:
        dimension.max = taken.max if dimension.max is None else min(dimension.max, taken.max)


def _limit(dimension: Dimension, good: int, bad: int, works: Works) -> int:
    """The last size on the way from a good one to a bad one that works."""
    step = dimension.multiple_of
    while abs(good - bad) > step:
        middle = (good + bad) // 2 // step * step
        if middle in (good, bad):
            break
        good, bad = (middle, bad) if works(dimension.at(middle)) else (good, middle)
    return good


def works_with(eager: Callable[[Sequence[Tensor]], bool], examples: Sequence[Tensor]) -> Works:
    """Whether the eager model takes any inputs of the sizes asked for; answers are kept."""
    known: dict[tuple[tuple[Key, int], ...], bool] = {}

    def works(sizes: Sizes) -> bool:
        asked = tuple(sorted(sizes.items()))
        if asked not in known:
            random = torch.Generator().manual_seed(0)
            known[asked] = any(map(eager, resized(examples, sizes, random)))
        return known[asked]

    return works
