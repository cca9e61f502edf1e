"""Fresh inputs like the examples: other values, other sizes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Sizes = dict[tuple[int, int], int]
"""New sizes by (number of the tensor, dimension)."""


@dataclass(frozen=True)
class Variant:
    """One way to make other values of an example."""

    name: str
    change: Callable[[Tensor, torch.Generator], Tensor]


def _is_real(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _flip(tensor: Tensor, _: torch.Generator) -> Tensor:
    return ~tensor if tensor.dtype == torch.bool else -tensor if _is_real(tensor) else tensor


def _zero(tensor: Tensor, _: torch.Generator) -> Tensor:
    return torch.zeros_like(tensor) if _is_real(tensor) else tensor


def _one_sided(sign: int) -> Callable[[Tensor, torch.Generator], Tensor]:
    def change(tensor: Tensor, _: torch.Generator) -> Tensor:
        if tensor.dtype == torch.bool:
            return torch.full_like(tensor, sign > 0)
        return sign * tensor.abs() if tensor.is_floating_point() else tensor

    return change


def _scale(factor: float) -> Callable[[Tensor, torch.Generator], Tensor]:
    return lambda tensor, _: tensor * factor if _is_real(tensor) else tensor


def _shift(by: int) -> Callable[[Tensor, torch.Generator], Tensor]:
    def change(tensor: Tensor, _: torch.Generator) -> Tensor:
        return tensor if _is_real(tensor) or tensor.dtype == torch.bool else tensor + by

    return change


def _whole(largest: bool) -> Callable[[Tensor, torch.Generator], Tensor]:
    def change(tensor: Tensor, _: torch.Generator) -> Tensor:
        if _is_real(tensor) or tensor.dtype == torch.bool or not tensor.numel():
            return tensor
        return torch.full_like(tensor, int(tensor.max() if largest else tensor.min()))

    return change


VARIANTS = (
    Variant("fresh values", lambda tensor, random: fresh(tensor, list(tensor.shape), random)),
    Variant("signs flipped", _flip),
    Variant("zeros", _zero),
    Variant("all positive", _one_sided(1)),
    Variant("all negative", _one_sided(-1)),
    Variant("100 times larger", _scale(100.0)),
    Variant("100 times smaller", _scale(0.01)),
    Variant("the smallest integer everywhere", _whole(largest=False)),
    Variant("the largest integer everywhere", _whole(largest=True)),
    Variant("every integer one larger", _shift(1)),
    Variant("every integer ten larger", _shift(10)),
    Variant("other fresh values", lambda tensor, random: fresh(tensor, list(tensor.shape), random)),
)


def changed(
    examples: Sequence[Tensor], variant: Variant, random: torch.Generator
) -> list[Tensor] | None:
    """The examples under a variant; nothing when it leaves them all as they are."""
    made = [variant.change(example, random) for example in examples]
    is_same = all(new is old for new, old in zip(made, examples, strict=True))
    return None if is_same else made


def fresh(example: Tensor, shape: Sequence[int], random: torch.Generator) -> Tensor:
    """A tensor of the example's dtype, device, and range of values, with nothing else of it.

    Floats are normal with the example's mean and deviation, kept within its range; integers are
    uniform between its smallest and largest.
    """
    with torch.no_grad():
        plain = example.detach()
        if plain.dtype == torch.bool:
            share = plain.double().mean().item() if plain.numel() else 0.5
            made = torch.rand(shape, generator=random) < share
        elif _is_real(plain):
            made = _fresh_reals(plain, shape, random)
        else:
            low, high = (int(plain.min()), int(plain.max())) if plain.numel() else (0, 1)
            made = torch.randint(low, high + 1, list(shape), generator=random)
        return made.to(dtype=plain.dtype, device=plain.device)


def _fresh_reals(plain: Tensor, shape: Sequence[int], random: torch.Generator) -> Tensor:
    if plain.is_complex():
        parts = torch.view_as_real(plain)
        real, imaginary = (_fresh_reals(parts[..., i], shape, random) for i in (0, 1))
        return torch.complex(real, imaginary)
    values = plain.double()
    values = values[values.isfinite()]
    if not values.numel():
        return torch.randn(list(shape), generator=random, dtype=torch.double)
    mean, low, high = values.mean(), values.min(), values.max()
    spread = (high - low) / 4
    # One value says nothing about a range.
    if spread == 0:
        return mean + torch.randn(list(shape), generator=random, dtype=torch.double)
    made = mean + spread * torch.randn(list(shape), generator=random, dtype=torch.double)
    return made.clamp(low, high)


def resized(
    examples: Sequence[Tensor], sizes: Sizes, random: torch.Generator
) -> Iterator[list[Tensor]]:
    """Inputs of other sizes, in the order in which they should be tried.

    Integers are often lengths or indices that must be sorted, or be like the examples': those forms
    follow, for models that refuse the first. Only the last has values of the examples.
    """
    shapes = [list(example.shape) for example in examples]
    for (tensor, dimension), size in sizes.items():
        shapes[tensor][dimension] = size
    made = [fresh(example, shape, random) for example, shape in zip(examples, shapes, strict=True)]
    yield made
    if any(not _is_real(example) and example.dtype != torch.bool for example in examples):
        yield [_descending(tensor) for tensor in made]
        pairs = zip(examples, made, shapes, strict=True)
        yield [new if _is_real(old) else _repeated(old, shape) for old, new, shape in pairs]


def _descending(tensor: Tensor) -> Tensor:
    if _is_real(tensor) or tensor.dtype == torch.bool or tensor.dim() == 0:
        return tensor
    return tensor.sort(dim=0, descending=True).values


def _repeated(example: Tensor, shape: Sequence[int]) -> Tensor:
    """The example's own values, cut or repeated to another shape; sorted ones stay so."""
    made = example
    for dimension, size in enumerate(shape):
        have = made.shape[dimension]
        if size != have and have:
            index = (torch.arange(size, device=made.device) * have) // max(size, 1)
            made = made.index_select(dimension, index)
    return made
