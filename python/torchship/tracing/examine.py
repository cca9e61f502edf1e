"""One traced method put to the test: replays, sizes, and what they show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from torchship.tracing.compare import compare
from torchship.tracing.dimensions import (
    Dimension,
    declared_dimensions,
    find_dimensions,
    settle_range,
    sizes_to_try,
    works_with,
)
from torchship.tracing.findings import Finding, Replay, finding
from torchship.tracing.hazards import Evidence
from torchship.tracing.inputs import VARIANTS, Sizes, changed, resized
from torchship.tracing.observe import first_difference
from torchship.tracing.places import random_line
from torchship.tracing.replay import Comparison, Pair
from torchship.tracing.state import Calls, GlobalState, calls_of


@dataclass
class Examination:
    """What is known of one method."""

    pair: Pair
    dimensions: list[Dimension] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)  # the examples', of all that was tried
    comparisons: list[Comparison] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def replays(self) -> Iterator[Replay]:
        for each in self.comparisons:
            outcome = "refused" if each.refused else "differs" if each.differs else "agrees"
            detail = each.eager.error or each.difference.problem
            yield Replay(
                self.pair.method.name,
                each.inputs,
                each.sizes,
                outcome,
                each.difference.largest,
                detail,
            )


def examine(
    pair: Pair,
    calls: Calls,
    dimensions: Sequence[Dimension],
    replay: Sequence[Sequence[Tensor]],
    kind: type[Evidence] = Evidence,
) -> Examination:
    """Replay a method at other values and sizes, and work out what its trace lost."""
    made = Examination(pair, list(dimensions))
    evidence = kind(pair, calls.functions)
    _look_at_state(pair, evidence)
    _look_at_randomness(pair, evidence, calls)
    made.sizes = {each.name: each.size for each in made.dimensions}
    settled = [pair.compared("the example", pair.examples, _sizes(made, {}), is_synthetic=False)]
    settled += _values(made)
    settled += _own_replays(made, replay)
    settled += _sized(made)
    made.comparisons = settled
    for each in settled:
        evidence.add(each)
    made.findings = [*evidence.findings(), *_settle(made)]
    return made


def learn(pair: Pair) -> Calls:
    """Find out which functions a call of the eager method enters, and keep what they share."""
    calls = calls_of(lambda: pair.eager(pair.examples), pair.limit)
    pair.globals = GlobalState(calls.functions)
    return calls


def _look_at_state(pair: Pair, evidence: Evidence) -> None:
    pair.eager(pair.examples)
    evidence.changes = list(map(evidence.kept, pair.changes))
    if any(change.kind != "buffer" for change in evidence.changes):
        random = torch.Generator().manual_seed(pair.seed)
        variants = (changed(pair.examples, variant, random) for variant in VARIANTS[:3])
        inputs = [pair.examples, *(each for each in variants if each), pair.examples]
        alone = [pair.eager(tensors) for tensors in inputs]
        in_a_row = pair.eager_in_a_row(inputs)
        evidence.results_depend_on_changes = any(
            one.error != other.error or bool(compare(one.result, other.result).problem)
            for one, other in zip(alone, in_a_row, strict=True)
        )


def _look_at_randomness(pair: Pair, evidence: Evidence, calls: Calls) -> None:
    one, other = pair.eager(pair.examples), pair.eager(pair.examples, seed=pair.seed + 1)
    evidence.is_random = bool(other.error) or bool(compare(one.result, other.result).problem)
    if evidence.is_random:
        again = pair.observed(pair.examples, seed=pair.seed + 1)
        difference = first_difference(evidence.base, again) if again else None
        written = random_line(called.code for called in calls.functions)
        evidence.random_place = calls.random_place or written or difference


def dimensions_of(pair: Pair, dynamic: Mapping[str, Any] | None) -> list[Dimension]:
    """The sizes that vary: the author's own, or found by trying the eager model."""
    names = pair.method.arguments.tensor_names()
    if dynamic is not None:
        return declared_dimensions(dynamic, names, pair.examples)
    works = works_with(lambda tensors: not pair.eager(tensors).error, pair.examples)
    return find_dimensions(names, pair.examples, works)


def _sizes(made: Examination, changed_sizes: Sizes) -> dict[str, int]:
    return {each.name: changed_sizes.get(each.members[0], each.size) for each in made.dimensions}


def _values(made: Examination) -> Iterator[Comparison]:
    """Other values at the examples' own sizes."""
    random = torch.Generator().manual_seed(made.pair.seed)
    fresh = ("fresh values", "other fresh values")
    for variant in VARIANTS:
        tensors = changed(made.pair.examples, variant, random)
        if tensors is not None:
            yield made.pair.compared(
                variant.name, tensors, _sizes(made, {}), is_synthetic=variant.name in fresh
            )


def _own_replays(made: Examination, replay: Sequence[Sequence[Tensor]]) -> Iterator[Comparison]:
    for number, tensors in enumerate(replay):
        sizes: Sizes = {
            member: tensors[member[0]].shape[member[1]]
            for each in made.dimensions
            for member in each.members
        }
        yield made.pair.compared(
            f"replay[{number}]",
            list(tensors),
            _sizes(made, sizes),
            is_synthetic=False,
            sizes_changed=sizes != {m: each.size for each in made.dimensions for m in each.members},
        )


def _sized(made: Examination) -> Iterator[Comparison]:
    """Every dimension at other sizes, and all of them at once."""
    for each in made.dimensions:
        for size in sizes_to_try(each):
            yield _at(made, each.at(size), f"{each.name}={size}", each.name)
    if len(made.dimensions) > 1:
        sizes: Sizes = {}
        for number, each in enumerate(made.dimensions):
            sizes |= each.at(each.size + each.multiple_of * (1 + number % 2))
        free = all(d.declared is None or d.declared.max is None for d in made.dimensions)
        if free and all(d.takes(sizes[d.members[0]]) for d in made.dimensions):
            names = ", ".join(f"{d.name}={sizes[d.members[0]]}" for d in made.dimensions)
            yield _at(made, sizes, names)


def _at(made: Examination, sizes: Sizes, name: str, dimension: str = "") -> Comparison:
    random = torch.Generator().manual_seed(made.pair.seed)
    refused: Comparison | None = None
    for number, tensors in enumerate(resized(made.pair.examples, sizes, random)):
        compared = made.pair.compared(
            name,
            tensors,
            _sizes(made, sizes),
            dimension=dimension,
            sizes_changed=True,
            is_synthetic=number < 2,
        )
        if not compared.refused:
            return compared
        refused = refused or compared
    assert refused is not None
    return refused


def _settle(made: Examination) -> Iterator[Finding]:
    """Keep the dimensions at whose sizes the trace agreed, each with its range."""
    works = works_with(lambda tensors: not made.pair.eager(tensors).error, made.pair.examples)
    kept = []
    for each in made.dimensions:
        own = [c for c in made.comparisons if c.dimension == each.name]
        if any(c.differs for c in own):
            continue  # baked in; the findings say where
        each.tried = [each.size, *(c.sizes[each.name] for c in own if not c.refused)]
        refused = [c for c in own if c.refused]
        settle_range(each, [c.sizes[each.name] for c in refused], works)
        yield from _refused_limits(made.pair.method.name, each, refused)
        kept.append(each)
    made.dimensions = kept


def _refused_limits(
    method: str, dimension: Dimension, refused: Sequence[Comparison]
) -> Iterator[Finding]:
    """Sizes that the author declared and the model itself does not take."""
    declared = dimension.declared
    limits = [] if declared is None else [declared.min, declared.max]
    for each in refused:
        size = each.sizes[dimension.name]
        if size in limits:
            yield finding(
                "refused-size",
                "error",
                f"{dimension.name} was declared to reach {size}, which the model itself refuses: "
                f"{each.eager.error}",
                place=None,
                method=method,
                hint="declare a smaller range: torchship.Dim(name, min=..., max=...)",
            )
