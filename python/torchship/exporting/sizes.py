"""Which sizes a program lets vary, beside those that were wanted."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from torchship.compiling.bridge.sizes import Range, Restriction, Sizes
from torchship.exporting.calls import GUARD, ProgramCall
from torchship.tracing.dimensions import Dim, Dimension, Works, sizes_to_try
from torchship.tracing.findings import Finding, finding
from torchship.tracing.hazards import deciding_place
from torchship.tracing.inputs import Sizes as Given
from torchship.tracing.inputs import resized
from torchship.tracing.observe import Observation
from torchship.tracing.places import Place
from torchship.tracing.replay import Pair


def wanted_sizes(dimensions: Sequence[Dimension], tensors: int) -> Sizes:
    """The sizes to ask torch.export for."""
    entries: list[dict[int, Range]] = [{} for _ in range(tensors)]
    for each in dimensions:
        declared = each.declared or Dim(each.name)
        low = 1 if declared.min is None else declared.min
        wanted = Range(each.name, low, declared.max, each.multiple_of)
        for tensor, dimension in each.members:
            entries[tensor][dimension] = wanted
    return Sizes(entries)


Supported = dict[str, Range | int]
"""By name the range of a size, or its only one."""


def accepted(
    pair: Pair, call: ProgramCall, dimensions: Sequence[Dimension], supported: Supported
) -> Supported:
    """The sizes that the program takes when it is run: its guards know more than its ranges."""
    pair.trace = call
    found = dict(supported)
    for each in dimensions:
        now = supported[each.name]
        if not isinstance(now, Range) or now.name != each.name:
            continue
        alike = [other for other in dimensions if _root(supported[other.name]) == each.name]
        members = [member for other in alike for member in other.members]
        sizes = [size for size in sizes_to_try(each) if size in now]
        refused = [size for size in sizes if _is_refused(pair, dict.fromkeys(members, size))]
        below = [size for size in refused if size < each.size]
        above = [size for size in refused if size > each.size]
        if below:
            now = replace(now, min=max(below) + each.multiple_of)
        if above:
            now = replace(now, max=min(above) - each.multiple_of)
        found[each.name] = now
    return found


def _is_refused(pair: Pair, sizes: Given) -> bool:
    tensors = _inputs_of(pair, sizes)
    return tensors is not None and GUARD in pair.traced(tensors).error


@dataclass(frozen=True)
class Loss:
    """A size that varies less in the program than in the model."""

    dimension: Dimension
    restriction: Restriction
    example: Given  # sizes that the model takes and the program does not

    @property
    def weight(self) -> int:
        return 10 if self.restriction.range is None else 1

    def finding(self, place: Place | None, method: str) -> Finding:
        """An error where the author asked for these sizes, a warning where they were found."""
        severity = "error" if self._is_declared() else "warning"
        size = next(iter(self.example.values()))
        message = f"{self._what()}, and the model takes {size} as well"
        return finding("export-specialised", severity, message, place=place, method=method)

    def _is_declared(self) -> bool:
        declared, now = self.dimension.declared, self.restriction.range
        if declared is None:
            return False
        if now is None or now.name != declared.name:
            return True
        if declared.min is not None and now.min > declared.min:
            return True
        return declared.max is not None and now.max is not None and now.max < declared.max

    def _what(self) -> str:
        name, now = self.dimension.name, self.restriction.range
        if now is None:
            return f"{name} is {self.restriction.size} for ever in the program"
        if now.name != name:
            return f"{name} has to be the same as {now.name} in the program"
        return f"{name} is {now} in the program"


def losses(
    dimensions: Sequence[Dimension], restrictions: Sequence[Restriction], works: Works
) -> list[Loss]:
    """What the program does not let vary although the model does."""
    known = {each.name: each for each in dimensions}
    found = []
    for each in restrictions:
        dimension = known[each.name]
        for size in _outside(dimension, each):
            if works(dimension.at(size)):
                found.append(Loss(dimension, each, dimension.at(size)))
                break
    return found


def loss_findings(
    pair: Pair, found: Sequence[Loss], places: Mapping[str, Place]
) -> Iterator[Finding]:
    """Each with the line that decides by the size, else with the one that torch.export named."""
    base = pair.observed(pair.examples) if found else None
    for each in found:
        other = _observed_at(pair, each.example)
        deciding = deciding_place(base, other) if base and other else None
        yield each.finding(deciding or places.get(each.dimension.name), pair.method.name)


def _observed_at(pair: Pair, sizes: Given) -> Observation | None:
    tensors = _inputs_of(pair, sizes)
    return pair.observed(tensors) if tensors else None


def _inputs_of(pair: Pair, sizes: Given) -> list[Tensor] | None:
    """Inputs of these sizes that the model takes."""
    random = torch.Generator().manual_seed(pair.seed)
    made = resized(pair.examples, sizes, random)
    return next((each for each in made if not pair.eager(each).error), None)


def _outside(dimension: Dimension, restriction: Restriction) -> Iterator[int]:
    """Wanted sizes that the program does not take."""
    now, wanted, step = restriction.range, restriction.wanted, dimension.multiple_of
    sizes = [dimension.size + step, dimension.size - step, dimension.size + 2 * step]
    if now is not None and now.name == dimension.name:
        sizes += [now.min - step, *([now.max + step] if now.max is not None else [])]
        sizes = [size for size in sizes if size not in now]
    yield from (size for size in sizes if size >= 1 and size in wanted)


def settled(
    dimensions: Sequence[Dimension], supported: Supported, lost: Collection[str]
) -> list[Dimension]:
    """The dimensions as the program has them; `lost` are those that vary less than the model's."""
    found: dict[str, Dimension] = {}
    # Those that others have to be the same as come first.
    for each in sorted(dimensions, key=lambda each: _root(supported[each.name]) != each.name):
        now = supported[each.name]
        if isinstance(now, int):
            continue
        if now.name in found:
            found[now.name].members += each.members
            continue
        declared = each.declared or Dim(each.name)
        is_free = each.name not in lost
        each.multiple_of = now.multiple_of
        # Limits that the author asked for are tried all the same: the model may refuse them too.
        low = None if now.min <= 1 or (is_free and declared.min is not None) else now.min
        high = None if is_free and declared.max is not None else now.max
        each.taken = Dim(each.name, low, high)
        found[now.name] = each
    return list(found.values())


def _root(supported: Range | int) -> str:
    return supported.name if isinstance(supported, Range) else ""
