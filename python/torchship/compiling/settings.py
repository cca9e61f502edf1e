"""Settings of the compiler that are worth a trial."""

from dataclasses import dataclass, field
from typing import Any

# Constants are folded and weights packed when compiling.
_FREEZING = {"freezing": True}
# Matrix products as C++ templates with what follows them fused in, tried against LibTorch's own.
_PRODUCTS = {"max_autotune": True, "max_autotune_gemm_backends": "CPP,ATEN"}


@dataclass(frozen=True)
class Settings:
    name: str
    options: dict[str, Any] = field(hash=False)
    for_convolutions: bool = False  # of no use to programs without any

    def to_json(self) -> dict[str, str]:
        return {"name": self.name, **{key: str(value) for key, value in self.options.items()}}


# In the order in which they most often win: a budget may end before the last.
TRIALS = (
    Settings("freezing", _FREEZING),
    Settings("products", _FREEZING | _PRODUCTS),
    Settings("stack", _FREEZING | _PRODUCTS | {"aot_inductor.allow_stack_allocation": True}),
    Settings("plain", {}),
    Settings("given-layout", _FREEZING | {"layout_optimization": False}, for_convolutions=True),
)


# On a GPU: products as Triton's templates, and every kernel tried in several shapes.
GPU_TRIALS = (
    Settings("freezing", _FREEZING),
    Settings(
        "products",
        _FREEZING | {"max_autotune": True, "max_autotune_gemm_backends": "TRITON,ATEN"},
    ),
    Settings("tuned", _FREEZING | {"max_autotune": True, "coordinate_descent_tuning": True}),
    Settings("plain", {}),
    Settings("given-layout", _FREEZING | {"layout_optimization": False}, for_convolutions=True),
)


def trials_for(convolves: bool, names: tuple[str, ...] = (), on_cpu: bool = True) -> list[Settings]:
    """Those worth trying, with or without convolutions; those of `names`, where given."""
    trials = TRIALS if on_cpu else GPU_TRIALS
    unknown = set(names) - {each.name for each in trials}
    if unknown:
        known = ", ".join(each.name for each in trials)
        raise ValueError(f"there are no settings {min(unknown)!r}; there are {known}")
    return [
        each
        for each in trials
        if (each.name in names if names else convolves or not each.for_convolutions)
    ]
