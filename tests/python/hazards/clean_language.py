"""Sequence models that a trace keeps whole."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hazards.registry import clean


def _ids(n: int) -> Tensor:
    return torch.randint(0, 30, (n, n + 4))


@clean(lambda n: (torch.randn(n, n + 4, 8), torch.arange(n + 4).expand(n, -1) < 4))
class MaskedAttention(nn.Module):
    """Own attention with heads, a padding mask and math.sqrt of a fixed size."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.head_dim = 2, 4
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        b, t, _ = x.shape
        qkv = self.qkv(x).view(b, t, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)
        scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(x.dtype).min)
        weights = self.dropout(scores.softmax(-1))
        return self.out((weights @ v).transpose(1, 2).reshape(b, t, -1))


@clean(lambda n: torch.randn(n, n + 4, 8))
class StockEncoder(nn.Module):
    """nn.TransformerEncoder."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x)


@clean(lambda n: (torch.randn(n, n + 4, 8), torch.arange(n + 4).expand(n, -1) >= 4))
class PaddedEncoder(StockEncoder):
    """nn.TransformerEncoder with a padding mask and the causal one."""

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        length = x.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        return self.encoder(x, mask=causal, src_key_padding_mask=padding)


@clean(lambda n: (torch.randn(n, 3, 8), torch.randn(n, n + 4, 8)))
class CrossAttention(nn.Module):
    """nn.MultiheadAttention from queries to a memory."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)

    def forward(self, queries: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        return self.attention(queries, memory, memory)


@clean(_ids)
class LstmTagger(nn.Module):
    """A bidirectional LSTM, and one label for each word."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(30, 6)
        self.lstm = nn.LSTM(6, 5, num_layers=2, dropout=0.2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(10, 4)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.lstm(self.words(ids))[0])


@clean(lambda n: torch.randn(n, n + 4, 3))
class GruWithState(nn.Module):
    """A GRU whose initial state has the size of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.gru(x, x.new_zeros(1, x.shape[0], 4))


@clean(lambda n: (torch.randn(n, n + 4, 3), torch.arange(n + 4, 4, -1)))
class PackedLstm(nn.Module):
    """Sequences packed by a tensor of lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        return self.lstm(packed)[1][0][-1]


@clean(_ids)
class MaskedMean(nn.Module):
    """The mean of the words that are no padding."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(30, 8, padding_idx=0), nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        mask = (ids != 0).unsqueeze(-1).to(self.words.weight.dtype)
        return self.head((self.words(ids) * mask).sum(1) / mask.sum(1).clamp(min=1))


@clean(_ids)
class LearnedPositions(nn.Module):
    """As many positions as there are words, on their device."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(30, 8), nn.Embedding(64, 8)

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.words(ids) + self.positions(places)


@clean(lambda n: torch.randn(n, n + 4, 8))
class SinusoidalPositions(nn.Module):
    """A table in a buffer, cut to the length of the input."""

    def __init__(self, longest: int = 64, width: int = 8) -> None:
        super().__init__()
        places = torch.arange(longest).unsqueeze(1)
        rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        table = torch.zeros(1, longest, width)
        table[0, :, 0::2], table[0, :, 1::2] = torch.sin(places * rates), torch.cos(places * rates)
        self.register_buffer("table", table)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[:, : x.size(1)]


@clean(lambda n: torch.randn(n, n + 4, 8))
class RotaryBlock(nn.Module):
    """LLaMA's block: RMS norm, rotary positions, causal attention, SwiGLU."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24, bias=False)
        self.gate, self.up = nn.Linear(8, 16, bias=False), nn.Linear(8, 16, bias=False)
        self.down, self.norm = nn.Linear(16, 8, bias=False), nn.RMSNorm(8)
        self.register_buffer("rates", 1.0 / 100.0 ** (torch.arange(0, 8, 2) / 8))

    def rotate(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device, dtype=x.dtype)
        angles = torch.outer(places, self.rates).repeat(1, 2)
        first, second = x.chunk(2, -1)
        return x * angles.cos() + torch.cat([-second, first], -1) * angles.sin()

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        x = x + F.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, is_causal=True)
        h = self.norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


@clean(lambda n: torch.randn(n, 3, n + 9))
class TemporalConvNet(nn.Module):
    """Dilated causal convolutions that cut off their own padding."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(3, 3, 3, padding=2 * 2**i, dilation=2**i) for i in (0, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.relu(conv(x)[:, :, : -conv.padding[0]]) + x
        return x
