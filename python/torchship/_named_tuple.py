"""Named tuples for results that have field names."""

from collections import namedtuple
from functools import cache


@cache
def named_tuple(names: tuple[str, ...]) -> type:
    return namedtuple("Result", names, rename=True)
