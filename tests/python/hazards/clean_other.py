"""Functions, small networks and forms of input and output that a trace keeps whole."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from support import legacy
from torch import Tensor, nn

from hazards.registry import clean


@clean(lambda n: torch.randn(n, 3))
class ArticleMlp(nn.Module):
    """The article's network, with its dropouts in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(3, 8), nn.Linear(8, 16), nn.Linear(16, 1)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(F.relu(self.first(x)))
        x = F.dropout(F.relu(self.second(x)), 0.2, training=self.training)
        return self.third(x)


@clean(lambda n: torch.rand(n))
def article_function(x: Tensor) -> Tensor:
    """The article's function with a local that nobody uses."""
    a, b = 5, 10
    d = 20  # noqa: F841
    return a * x + b * torch.cos(x)


@clean(lambda n: torch.randn(n, 4))
def leaky(x: Tensor) -> Tensor:
    """torch.where instead of a branch."""
    return torch.where(x > 0, x, 0.1 * x)


@clean(lambda n: torch.randn(n + 6))
def positive_part(x: Tensor) -> Tensor:
    """An output whose size depends on the data, by a mask."""
    return x[x > 0].exp()


@clean(lambda n: torch.randn(n, 4), factory=True)
def closure_over_weights() -> Callable[[Tensor], Tensor]:
    """A function that closes over its weights."""
    weight, bias = torch.randn(4, 2), torch.randn(2)

    def affine(x: Tensor) -> Tensor:
        return x @ weight + bias

    return affine


def _halved_if_large(x: Tensor) -> Tensor:
    if bool(x.abs().sum() > 4.0):
        return x / 2
    return x


# As @torch.jit.script, but silent about its age.
_halved_if_large = legacy(torch.jit.script, _halved_if_large)


@clean(lambda n: torch.randn(n, 4))
class ScriptedBranch(nn.Module):
    """A branch that is kept, because its function is scripted."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return _halved_if_large(self.linear(x))


@clean(lambda n: torch.randn(n, 6))
class ResidualMlp(nn.Module):
    """A loop over modules, with a setting that is fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
        self.norm = nn.LayerNorm(6)
        self.normalise = True

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + F.gelu(block(x))
        return self.norm(x) if self.normalise else x


@clean(lambda n: ({"image": torch.randn(n, 4), "meta": torch.randn(n, 2)},))
class DictInDictOut(nn.Module):
    """A dict in, a dict out."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        logits = self.head(torch.cat([batch["image"], batch["meta"]], 1))
        return {"logits": logits, "probabilities": logits.softmax(-1)}


class Gaussian(NamedTuple):
    """What GaussianEncoder returns."""

    mean: Tensor
    deviation: Tensor


@clean(lambda n: torch.randn(n, 6))
class GaussianEncoder(nn.Module):
    """A NamedTuple out."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Gaussian:
        mean, log_variance = self.linear(x).chunk(2, -1)
        return Gaussian(mean, (0.5 * log_variance).exp())


def _autoencoder_methods(n: int) -> dict[str, Tensor]:
    return {"encode": torch.randn(n, 6), "decode": torch.randn(n, 2)}


@clean(_autoencoder_methods, methods=("encode", "decode"))
class Autoencoder(nn.Module):
    """Two methods and no forward."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 2), nn.Linear(2, 6)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x).tanh()

    def decode(self, code: Tensor) -> Tensor:
        return self.decoder(code)


@clean(lambda n: (torch.randn(n, 4), torch.randn(7, 4)))
class Contrastive(nn.Module):
    """Similarities by a learned temperature, as in CLIP."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 3), nn.Linear(4, 3)
        self.log_scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        left, right = F.normalize(self.left(images), dim=-1), F.normalize(self.right(texts), dim=-1)
        return self.log_scale.exp() * left @ right.T


@clean(lambda n: torch.rand(n, 4) + 0.5)
def scaled_by_tensor(x: Tensor) -> Tensor:
    """Normalisation by the largest value that stays a tensor."""
    return x / (x.abs().amax() + 1e-6)


@clean(lambda n: torch.randn(n, 4))
class OptionalMask(nn.Module):
    """An argument that is left out, and a branch on that."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.linear(x)
        return x if mask is None else x.masked_fill(mask, 0.0)
