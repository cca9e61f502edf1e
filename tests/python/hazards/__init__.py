"""Small models that a trace gets wrong (CASES), and ones that it gets right (CLEAN)."""

from hazards import (  # noqa: F401
    clean_language,
    clean_other,
    clean_vision,
    control_flow,
    decoding,
    devices_and_inputs,
    modes,
    randomness,
    sizes,
    state,
    values,
)
from hazards.registry import CASES, CLEAN, SEVERITY, Case, call

__all__ = ["CASES", "CLEAN", "SEVERITY", "Case", "call"]
