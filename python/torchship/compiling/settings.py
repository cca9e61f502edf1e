"""Settings of the compiler that are worth a trial."""

from collections.abc import Collection
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
    decompositions: tuple[str, ...] = ()  # of decompositions.py
    # Of no use to programs without one of these in an operator's name.
    wanted_by: tuple[str, ...] = ()

    def suits(self, operators: Collection[str]) -> bool:
        return not self.wanted_by or any(
            word in operator for word in self.wanted_by for operator in operators
        )

    def to_json(self) -> dict[str, str]:
        options = {key: str(value) for key, value in self.options.items()}
        if self.decompositions:
            options["decompositions"] = ", ".join(self.decompositions)
        return {"name": self.name, **options}


_GIVEN_LAYOUT = Settings(
    "given-layout", _FREEZING | {"layout_optimization": False}, wanted_by=("conv",)
)

# In the order in which they most often win: a budget may end before the last.
TRIALS = (
    Settings("freezing", _FREEZING),
    Settings("products", _FREEZING | _PRODUCTS),
    Settings("stack", _FREEZING | _PRODUCTS | {"aot_inductor.allow_stack_allocation": True}),
    Settings(
        "tanh", _FREEZING | _PRODUCTS, decompositions=("tanh",), wanted_by=("tanh", "lstm", "gelu")
    ),
    Settings("plain", {}),
    _GIVEN_LAYOUT,
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
    _GIVEN_LAYOUT,
)


def trials_for(
    operators: Collection[str], names: tuple[str, ...] = (), on_cpu: bool = True
) -> list[Settings]:
    """Those worth trying for a program of these operators; those of `names`, where given."""
    trials = TRIALS if on_cpu else GPU_TRIALS
    unknown = set(names) - {each.name for each in trials}
    if unknown:
        known = ", ".join(each.name for each in trials)
        raise ValueError(f"there are no settings {min(unknown)!r}; there are {known}")
    return [each for each in trials if (each.name in names if names else each.suits(operators))]
