"""Public architectures with random weights; a call takes 1 to 100 ms on a core."""

from architectures import (  # noqa: F401
    language,
    others,
    pictures,
    recognition,
    sound,
    transformers_hub,
)
from architectures.registry import NETWORKS, Network

__all__ = ["NETWORKS", "Network"]
