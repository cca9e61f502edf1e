"""Sound and other series: convolutions in one dimension, and what follows them."""

import torch
from networks import EncoderLayer
from torch import Tensor, nn
from torch.nn import functional as F

from architectures.registry import network, normal
from architectures.zoo import SelfAttention, trained


@network(normal(1, 80, 200))
class WhisperEncoder(nn.Module):
    """Radford et al., 2022: 80 bands of two seconds."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *(nn.Conv1d(80, width, 3, padding=1), nn.GELU()),
            *(nn.Conv1d(width, width, 3, 2, 1), nn.GELU()),
        )
        self.layers = nn.Sequential(*(EncoderLayer(width, 4, 4 * width) for _ in range(4)))
        self.places, self.norm = nn.Parameter(torch.randn(100, width)), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.layers(self.convs(x).transpose(1, 2) + self.places))


@network(normal(1, 16, 800))
class WaveNet(nn.Module):
    """Van den Oord et al., 2016: gated causal convolutions, dilated 1, 2, 4 to 128."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv1d(16, width, 1)
        self.gates = nn.ModuleList(nn.Conv1d(width, 2 * width, 2, dilation=2**i) for i in range(8))
        self.residuals = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(8))
        self.skips = nn.ModuleList(nn.Conv1d(width, 64, 1) for _ in range(8))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(64, 64, 1), nn.ReLU(), nn.Conv1d(64, 256, 1))

    def forward(self, x: Tensor) -> Tensor:
        x, total = self.first(x), 0
        for i, parts in enumerate(zip(self.gates, self.residuals, self.skips, strict=True)):
            gate, residual, skip = parts
            a, b = gate(F.pad(x, (2**i, 0))).chunk(2, dim=1)
            y = torch.tanh(a) * torch.sigmoid(b)
            x, total = x + residual(y), total + skip(y)
        return self.head(total)


@network(normal(1, 1, 64, 120))
class DeepSpeech(nn.Module):
    """Amodei et al., 2015: convolutions over a spectrogram, LSTMs of both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *(nn.Conv2d(1, 16, (11, 5), (2, 1), (5, 2), bias=False), trained(nn.BatchNorm2d(16))),
            *(nn.Hardtanh(0, 20), nn.Conv2d(16, 16, (11, 5), (2, 2), (5, 2), bias=False)),
            *(trained(nn.BatchNorm2d(16)), nn.Hardtanh(0, 20)),
        )
        self.lstm, self.head = nn.LSTM(256, 128, 2, bidirectional=True), nn.Linear(256, 29)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convs(x).flatten(1, 2).permute(2, 0, 1)
        return self.head(self.lstm(y)[0]).log_softmax(-1)


@network(normal(1, 1, 4000))
def keyword_spotter() -> nn.Module:
    """Dai et al., 2016: convolutions over samples."""
    layers: list[nn.Module] = []
    inputs = 1
    for outputs, kernel, stride in ((32, 80, 4), (32, 3, 1), (64, 3, 1), (64, 3, 1)):
        conv = nn.Conv1d(inputs, outputs, kernel, stride)
        layers += [conv, trained(nn.BatchNorm1d(outputs)), nn.ReLU(), nn.MaxPool1d(4)]
        inputs = outputs
    pool = nn.AdaptiveAvgPool1d(1)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(64, 35), nn.LogSoftmax(-1))


class ConformerBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(5))
        self.first, self.second = (
            nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
            for _ in "ab"
        )
        self.attention = SelfAttention(width, 4)
        self.gate, self.out = nn.Conv1d(width, 2 * width, 1), nn.Conv1d(width, width, 1)
        self.conv = nn.Conv1d(width, width, 15, padding=7, groups=width)
        self.norm = trained(nn.BatchNorm1d(width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.first(self.norms[0](x))
        x = x + self.attention(self.norms[1](x))
        y = F.glu(self.gate(self.norms[2](x).transpose(1, 2)), dim=1)
        x = x + self.out(F.silu(self.norm(self.conv(y)))).transpose(1, 2)
        return self.norms[4](x + 0.5 * self.second(self.norms[3](x)))


@network(normal(1, 100, 144))
def conformer() -> nn.Module:
    """Gulati et al., 2020."""
    return nn.Sequential(*(ConformerBlock(144) for _ in range(4)), nn.Linear(144, 100))


@network(normal(8, 60, 12))
class Forecaster(nn.Module):
    """A GRU reads a series, another one continues it from the state."""

    def __init__(self) -> None:
        super().__init__()
        self.reader, self.writer = (
            nn.GRU(12, 96, batch_first=True),
            nn.GRU(12, 96, batch_first=True),
        )
        self.head = nn.Linear(96, 12)

    def forward(self, x: Tensor) -> Tensor:
        state = self.reader(x)[1]
        return self.head(self.writer(x[:, -20:], state)[0])


@network(normal(1, 1024, 2))
class LongLstm(nn.Module):
    """A long series of few features, time first: small steps, many of them."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 32, batch_first=True), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.head(self.lstm(x)[0])
