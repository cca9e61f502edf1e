"""Options that take several of something."""

import os
from collections.abc import Iterable, Mapping
from typing import Any


def listed(given: Any) -> list[Any]:
    """As a list; a string, a path or a mapping alone stands for a list of itself."""
    if isinstance(given, str | bytes | os.PathLike | Mapping):
        return [given]
    items: Iterable[Any] = given
    return list(items)
