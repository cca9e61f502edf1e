"""Networks for sound, written small, with random weights."""

import torch
from torch import nn
from torch.nn import functional as F

from exported.inputs import floats
from exported.networks_vision import EncoderLayer
from exported.norms import trained
from exported.registry import DYNAMIC, ROWS, family

case = family("vision")


@case(lambda n, t: (floats(n, 8, t),), at=((2, 20), (1, 12)), dynamic=({0: DYNAMIC, 2: DYNAMIC},))
class WhisperEncoder(nn.Module):
    """Radford et al., 2022: two convolutions over a spectrogram, then a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv1d(8, 16, 3, padding=1), nn.Conv1d(16, 16, 3, 2, 1)
        self.layers = nn.Sequential(EncoderLayer(), EncoderLayer(), nn.LayerNorm(16))
        self.register_buffer("places", floats(32, 16))

    def forward(self, x):
        x = F.gelu(self.two(F.gelu(self.one(x)))).permute(0, 2, 1)
        return self.layers(x + self.places[: x.shape[1]])


@case(lambda n: (floats(n, 160),), at=(2, 3), dynamic=ROWS)
class SpeechCommands(nn.Module):
    """A spectrogram, convolutions and a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))
        self.register_buffer("filters", floats(9, 6).abs())
        self.conv, self.gru = nn.Conv1d(6, 8, 3, 2), nn.GRU(8, 8, batch_first=True)
        self.norm, self.head = trained(nn.BatchNorm1d(8)), nn.Linear(8, 4)

    def forward(self, x):
        power = torch.stft(x, 16, 8, window=self.window, return_complex=True).abs() ** 2
        mel = torch.log(power.mT @ self.filters + 1e-6).mT
        states, _ = self.gru(F.relu(self.norm(self.conv(mel))).mT)
        return self.head(states[:, -1]).softmax(-1)


@case(lambda n, t: (floats(n, 4, t),), at=((2, 20), (1, 33)), dynamic=({0: DYNAMIC, 2: DYNAMIC},),
      decomposed=True)  # fmt: skip
class WaveNet(nn.Module):
    """Van den Oord et al., 2016: gated causal convolutions, dilated 1, 2, 4."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, 6, 1)
        self.gates = nn.ModuleList(nn.Conv1d(6, 12, 2, dilation=2**i) for i in range(3))
        self.residuals = nn.ModuleList(nn.Conv1d(6, 6, 1) for _ in range(3))
        self.skips = nn.ModuleList(nn.Conv1d(6, 5, 1) for _ in range(3))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(5, 5, 1), nn.ReLU(), nn.Conv1d(5, 8, 1))

    def forward(self, x):
        x, total = self.first(x), 0
        for i, parts in enumerate(zip(self.gates, self.residuals, self.skips, strict=True)):
            gate, residual, skip = parts
            y = F.glu(gate(F.pad(x, (2**i, 0))), dim=1)
            x, total = x + residual(y), total + skip(y)
        return self.head(total)
