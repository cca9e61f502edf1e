"""Models that torch.export takes, which torchship must run as torch does."""

from exported import (  # noqa: F401
    activations,
    boundaries,
    control_flow,
    convolutions,
    creation,
    indexing,
    networks_language,
    networks_other,
    networks_sound,
    networks_vision,
    norms,
    pointwise,
    products,
    recurrent,
    reductions,
    shapes,
    state,
    symbolic,
)
from exported.registry import CASES, FAMILIES, Call, Case, Variant, variants

__all__ = ["CASES", "FAMILIES", "Call", "Case", "Variant", "variants"]
