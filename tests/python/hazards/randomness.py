"""Models that answer the same question in different ways."""

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hazards.registry import hazard


@hazard(lambda n: torch.randn(n, 4))
class NoisyInput(nn.Module):
    """Noise for training that was left in."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.1 * torch.randn_like(x)  # hazard: random
        return self.linear(x)


@hazard(lambda n: torch.randn(n, 6))
class VariationalAutoencoder(nn.Module):
    """The reparameterisation of a VAE."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 4), nn.Linear(2, 6)

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.encoder(x).chunk(2, -1)
        deviation = (0.5 * log_variance).exp()
        noise = torch.randn_like(deviation)  # hazard: random
        return self.decoder(mean + noise * deviation)


def _vae_methods(n: int) -> dict[str, Tensor]:
    return {"encode": torch.randn(n, 6), "decode": torch.randn(n, 2)}


@hazard(_vae_methods, methods=("encode", "decode"))
class SamplingDecoder(nn.Module):
    """Two methods, one of which draws."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 2), nn.Linear(2, 6)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x).tanh()

    def decode(self, code: Tensor) -> Tensor:
        probability = self.decoder(code).sigmoid()
        return torch.bernoulli(probability)  # hazard: random


@hazard(lambda n: torch.randn(n, 8))
class StochasticDepth(nn.Module):
    """A block that Python's random skips, in evaluation too."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        if random.random() < 0.5:  # hazard: random
            x = x + self.block(x).relu()
        return x


@hazard(lambda n: torch.rand(n, 3, 4, 4))
def jittered_brightness(image: Tensor) -> Tensor:
    """An augmentation by NumPy's random numbers."""
    factor = float(np.random.uniform(0.8, 1.2))  # hazard: random
    return (image * factor).clamp(0, 1)


@hazard(lambda n: torch.randn(n, 5))
class GumbelChoice(nn.Module):
    """A discrete choice by Gumbel noise."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.gumbel_softmax(self.logits(x), tau=0.5)  # hazard: random


@hazard(lambda n: torch.randn(n, 8, 4))
class MaskedAutoencoder(nn.Module):
    """Patches in random order, half of them kept."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(4, 4)

    def forward(self, patches: Tensor) -> Tensor:
        order = torch.rand_like(patches[..., 0]).argsort(1)  # hazard: random
        kept = order[:, :4].unsqueeze(-1).expand(-1, -1, 4)
        return self.encoder(patches.gather(1, kept))


@hazard(lambda n: torch.randn(n, 7))
def sampled_token(logits: Tensor) -> Tensor:
    """The next word, drawn."""
    return torch.multinomial(logits.softmax(-1), 1)  # hazard: random
