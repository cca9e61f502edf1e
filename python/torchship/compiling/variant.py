"""A method for all of its sizes, or for some that are fixed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torchship.archives.calls import Call, Dynamic, Method


@dataclass(frozen=True)
class Variant:
    """A method for some of its sizes."""

    method: Method
    sizes: Mapping[str, int]  # those that are fixed

    @property
    def name(self) -> str:
        return "-".join([self.method.name, *(f"{k}{v}" for k, v in self.sizes.items())])

    @property
    def dynamic(self) -> Dynamic:
        """The sizes that vary."""
        return [
            {d: each for d, each in entry.items() if each.name not in self.sizes}
            for entry in self.method.dynamic
        ]

    def call(self) -> Call:
        return self.method.sized(self.sizes)


def variants_of(
    methods: Sequence[Method], sizes: Sequence[Mapping[str, int]]
) -> Iterator[Variant]:
    for method in methods:
        yield Variant(method, {})
        for fixed in sizes:
            ranges = method.ranges()
            for name, size in fixed.items():
                if name not in ranges:
                    raise ValueError(
                        f"sizes: {method.name} has no size {name!r} that varies; "
                        f"there are {sorted(ranges)}"
                    )
                if size < ranges[name].min or size > (ranges[name].max or size):
                    raise ValueError(f"sizes: {name}={size} is none that {method.name} takes")
            yield Variant(method, dict(fixed))
