"""Parts that the zoo of the tests (tests/python/exported) has already, and the zoo itself."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests/python"))

from exported import CASES  # noqa: E402
from exported.networks_language import (  # noqa: E402
    RmsNorm,
    SelfAttention,
    buckets,
    heads,
    joined,
    rotated,
)
from exported.norms import trained  # noqa: E402
from exported.registry import NETWORKS as FAMILIES  # noqa: E402

__all__ = [
    "CASES",
    "FAMILIES",
    "RmsNorm",
    "SelfAttention",
    "buckets",
    "heads",
    "joined",
    "rotated",
    "trained",
]
