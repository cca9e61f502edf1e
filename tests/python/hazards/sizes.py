"""Batch and sequence sizes that become constants."""

import math

import torch
from torch import Tensor, nn

from hazards.registry import hazard


@hazard(lambda n: torch.randn(n, n + 2, 8))
class CausalAttention(nn.Module):
    """Attention whose causal mask has the length of the example."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        length = int(x.shape[1])  # hazard: baked-size
        mask = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
        scores = (q @ k.transpose(1, 2) / math.sqrt(8)).masked_fill(~mask, -math.inf)
        return scores.softmax(-1) @ v


@hazard(lambda n: torch.randint(0, 30, (n, n + 2)))
class PositionsOfTheExample(nn.Module):
    """Learned positions, as many as the example had."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(30, 8), nn.Embedding(64, 8)

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(int(ids.shape[1]), device=ids.device)  # hazard: baked-size
        return self.words(ids) + self.positions(places)


@hazard(lambda n: torch.randn(n, 2, 4, 4))
class FlattenedByPython(nn.Module):
    """A view whose batch size is a Python number."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.view(int(x.size(0)), -1))  # hazard: baked-size


@hazard(lambda n: torch.randn(n, n + 2, 3))
class ZeroHiddenState(nn.Module):
    """An initial state made for the example's batch."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        batch = int(x.size(0))  # hazard: baked-size
        hidden = torch.zeros(1, batch, 4, dtype=x.dtype, device=x.device)
        return self.gru(x, hidden)[0]


@hazard(lambda n: torch.randn(n + 2, 4))
class Chunked(nn.Module):
    """Rows in chunks of two, to save memory."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        parts = []
        for start in range(0, len(x), 2):  # hazard: baked-size
            parts.append(self.linear(x[start : start + 2]))
        return torch.cat(parts)


@hazard(lambda n: torch.randn(n, n + 2, 3))
class UnrolledCell(nn.Module):
    """A recurrent cell in a loop over time."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = x.new_zeros(x.shape[0], 4)
        for t in range(x.shape[1]):  # hazard: baked-size
            hidden = self.cell(x[:, t], hidden)
        return hidden


@hazard(lambda n: torch.randn(n, 2, 6))
class FrameByFrame(nn.Module):
    """A loop over the frames of a video, which are the rows of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, video: Tensor) -> Tensor:
        features = []
        for frame in video:  # hazard: baked-size
            features.append(self.linear(frame).amax(0))
        return torch.stack(features)


@hazard(lambda n: torch.randn(n, n + 2, 4))
def smoothed_over_time(x: Tensor) -> Tensor:
    """Steps taken apart with unbind, about which the tracer says nothing."""
    steps = x.unbind(1)  # hazard: baked-size
    smooth = [steps[0]]
    for step in steps[1:]:
        smooth.append(0.5 * smooth[-1] + 0.5 * step)
    return torch.stack(smooth, 1)


@hazard(lambda n: torch.randn(n, n + 2, 8))
def length_scaled_attention(x: Tensor) -> Tensor:
    """Scores scaled by the logarithm of the length."""
    scale = math.log(x.shape[1])  # hazard: baked-size
    return (x @ x.transpose(1, 2) * scale).softmax(-1) @ x


@hazard(lambda n: torch.randn(n, 2, 4, 6))
class UpsampledByPython(nn.Module):
    """A feature pyramid that doubles a size that became a number."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        size = [2 * int(side) for side in x.shape[-2:]]  # hazard: baked-size
        return nn.functional.interpolate(self.conv(x), size=size, mode="nearest")


@hazard(lambda n: torch.randint(0, 30, (n, n + 2)))
class TruncatedText(nn.Module):
    """Long texts are cut, and the example is not long."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.longest = nn.Embedding(30, 8), 6

    def forward(self, ids: Tensor) -> Tensor:
        if ids.shape[1] > self.longest:  # hazard: baked-size
            ids = ids[:, : self.longest]
        return self.words(ids).sum(1)
