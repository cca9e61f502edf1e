"""Data that leaves torch and comes back as a constant."""

import numpy as np
import torch
from torch import Tensor, nn

from hazards.registry import hazard


def lengths_of(n: int) -> Tensor:
    """Return `n` lengths in falling order, the longest of them n + 2."""
    return torch.arange(n + 2, 2, -1)


@hazard(lambda n: torch.randn(n, 4))
def peak_normalised(wave: Tensor) -> Tensor:
    """Normalisation by the largest value, as a Python number."""
    peak = wave.abs().max().item()  # hazard: baked-value
    return wave / (peak + 1e-6)


@hazard(lambda n: torch.rand(n, 3, 4, 4))
class NumpyPreprocessing(nn.Module):
    """Preprocessing that goes through NumPy."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        image = torch.from_numpy(np.tanh(image.numpy()))  # hazard: baked-value
        return self.conv(image)


@hazard(lambda n: torch.randn(n, 8))
class QuantileClip(nn.Module):
    """Outliers are clipped at a quantile of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        limit = float(x.abs().quantile(0.8))  # hazard: baked-value
        return x.clamp(-limit, limit)


@hazard(lambda n: (torch.randn(n, 5), torch.tensor(4)))
def annealed_softmax(logits: Tensor, step: Tensor) -> Tensor:
    """A temperature that follows the step."""
    temperature = 1.0 / (1 + int(step))  # hazard: baked-value
    return (logits / temperature).softmax(-1)


@hazard(lambda n: torch.randn(1, 9))
def largest_of_the_positive(scores: Tensor) -> Tensor:
    """As many of the largest as are positive."""
    k = int((scores > 0).sum())  # hazard: baked-value
    return scores.topk(k).values


@hazard(lambda n: (torch.randn(n, n + 2, 3), lengths_of(n)))
class PackedByPythonLengths(nn.Module):
    """Sequences packed by lengths that went through a list."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        sizes = lengths.tolist()  # hazard: baked-value
        packed = nn.utils.rnn.pack_padded_sequence(x, sizes, batch_first=True)
        _, (hidden, _) = self.lstm(packed)
        return hidden[-1]


@hazard(lambda n: (torch.randn(4, 6, 3), torch.tensor([2, 6, 4, 3])))
class SortedByPython(nn.Module):
    """The longest sequence first, by Python's sort."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        keys = lengths.numpy()  # hazard: baked-value
        order = sorted(range(4), key=lambda i: -keys[i])
        out, _ = self.gru(x[order])
        return out


@hazard(lambda n: torch.randn(n, 4))
class StandardisedByBatch(nn.Module):
    """Mean and deviation of the batch as a new tensor of Python numbers."""

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.tensor([x.mean().item(), x.std().item()])  # hazard: baked-value
        return (x - scale[0]) / scale[1]
