"""Text: transformers and recurrent layers over embeddings."""

import math

import torch
from networks import EncoderLayer
from torch import Tensor, nn
from torch.nn import functional as F

from architectures.registry import ids, network
from architectures.zoo import RmsNorm, SelfAttention, buckets, heads, joined, rotated

WORDS = 2000


def attention_mask() -> Tensor:
    """Of two texts, the second one shorter."""
    return (torch.arange(64) < torch.tensor([[64], [41]])).long()


class BertLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.norms = (
            SelfAttention(width, 4),
            nn.ModuleList(nn.LayerNorm(width) for _ in "ab"),
        )
        self.inner = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norms[0](x + self.attention(x, mask))
        return self.norms[1](x + self.inner(x))


@network(ids(2, 64, below=WORDS), attention_mask)
class Bert(nn.Module):
    """Devlin et al., 2018: words, positions and kinds, a mask, a pooled first token."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.words, self.places = (
            nn.Embedding(WORDS, width, padding_idx=0),
            nn.Embedding(128, width),
        )
        self.kinds, self.norm = nn.Embedding(2, width), nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer(width) for _ in range(4))
        self.pooler = nn.Linear(width, width)
        self.register_buffer("ids", torch.arange(128).unsqueeze(0), persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.words(input_ids) + self.places(self.ids[:, : input_ids.size(1)])
        x = self.norm(x + self.kinds(torch.zeros_like(input_ids)))
        mask = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, mask)
        return x, torch.tanh(self.pooler(x[:, 0]))


class Gpt2Block(nn.Module):
    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.count, self.norms = count, nn.ModuleList(nn.LayerNorm(width) for _ in "ab")
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        causal = torch.ones(128, 128, dtype=torch.bool).tril()
        self.register_buffer("causal", causal, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (heads(part, self.count) for part in self.qkv(self.norms[0](x)).chunk(3, dim=-1))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        mask = self.causal[: x.size(1), : x.size(1)]
        scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
        x = x + self.out(joined(scores.softmax(-1) @ v))
        y = self.up(self.norms[1](x))
        y = 0.5 * y * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (y + 0.044715 * y.pow(3.0))))
        return x + self.down(y)


@network(ids(1, 64, below=WORDS))
class Gpt2(nn.Module):
    """Radford et al., 2019: the attention and the GELU as its code has them, by hand."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, width), nn.Embedding(128, width)
        self.blocks = nn.Sequential(*(Gpt2Block(width, 4) for _ in range(4)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, WORDS, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids) + self.places(torch.arange(ids.size(1)))
        return self.head(self.norm(self.blocks(x)))


class T5Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.inner_norm = RmsNorm(width), RmsNorm(width)
        self.attention = SelfAttention(width, 4)
        self.gate, self.up = (nn.Linear(width, 3 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(3 * width, width, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = x + self.attention(self.norm(x), bias)
        y = self.inner_norm(x)
        return x + self.down(F.gelu(self.gate(y), approximate="tanh") * self.up(y))


@network(ids(1, 64, below=WORDS))
class T5Encoder(nn.Module):
    """Raffel et al., 2020: biases by relative position, gated feed-forward layers."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.words, self.bias = nn.Embedding(WORDS, width), nn.Embedding(8, 4)
        self.layers, self.norm = nn.ModuleList(T5Layer(width) for _ in range(4)), RmsNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.size(1))
        bias = self.bias(buckets(places[None] - places[:, None])).permute(2, 0, 1).unsqueeze(0)
        x = self.words(ids)
        for layer in self.layers:
            x = layer(x, bias)
        return self.norm(x)


class LlamaLayer(nn.Module):
    """Four heads of queries, two of keys."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.inner_norm = RmsNorm(width), RmsNorm(width)
        self.q, self.out = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(width, width // 2, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(width, 3 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(3 * width, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        y = self.norm(x)
        q, k, v = heads(self.q(y), 4), heads(self.k(y), 2), heads(self.v(y), 2)
        q, k = rotated(q, cos, sin), rotated(k, cos, sin).repeat_interleave(2, dim=1)
        v = v.repeat_interleave(2, dim=1)
        x = x + self.out(joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
        y = self.inner_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


@network(ids(1, 64, below=WORDS))
class Llama(nn.Module):
    """Touvron et al., 2023: one pass over a prompt."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, width)
        self.layers = nn.ModuleList(LlamaLayer(width) for _ in range(4))
        self.norm, self.head = RmsNorm(width), nn.Linear(width, WORDS, bias=False)
        frequencies = 1.0 / 10000 ** (torch.arange(0, 64, 2).float() / 64)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        angles = torch.arange(ids.size(1)).float()[:, None] * self.frequencies
        angles = torch.cat([angles, angles], -1)
        x = self.words(ids)
        for layer in self.layers:
            x = layer(x, angles.cos(), angles.sin())
        return self.head(self.norm(x))


@network(ids(1, 32, below=WORDS), ids(1, 24, below=WORDS))
class Translator(nn.Module):
    """Vaswani et al., 2017, as torch.nn has it."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(WORDS, width), nn.Linear(width, WORDS)
        options = {"dropout": 0.1, "batch_first": True}
        self.transformer = nn.Transformer(width, 4, 2, 2, 512, **options)
        causal = nn.Transformer.generate_square_subsequent_mask(24)
        self.register_buffer("causal", causal, persistent=False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        y = self.transformer(self.words(source), self.words(target), tgt_mask=self.causal)
        return self.head(y)


@network(ids(1, 64, below=WORDS))
class SentenceEmbedding(nn.Module):
    """Reimers and Gurevych, 2019: the mean of all tokens, of length one."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 384)
        self.layers = nn.Sequential(*(EncoderLayer(384, 12, 1536) for _ in range(3)))

    def forward(self, ids: Tensor) -> Tensor:
        return F.normalize(self.layers(self.words(ids)).mean(1), dim=-1)


@network(ids(1, 60, below=WORDS))
class LstmTagger(nn.Module):
    """Huang et al., 2015: both directions, a tag for each word."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 100)
        self.lstm = nn.LSTM(100, 128, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(256, 17)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.lstm(self.words(ids))[0]).log_softmax(-1)


@network(ids(4, 80, below=WORDS))
class GruClassifier(nn.Module):
    """Cho et al., 2014: the last states decide."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 96)
        self.gru, self.head = nn.GRU(96, 128, 2, batch_first=True), nn.Linear(256, 5)

    def forward(self, ids: Tensor) -> Tensor:
        states = self.gru(self.words(ids))[1]
        return self.head(torch.cat([states[0], states[1]], -1)).softmax(-1)


@network(ids(4, 64, below=WORDS))
class TextCnn(nn.Module):
    """Kim, 2014: windows of three, four and five words, and their maxima."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 128)
        self.windows = nn.ModuleList(nn.Conv1d(128, 100, size) for size in (3, 4, 5))
        self.head = nn.Linear(300, 5)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids).transpose(1, 2)
        return self.head(torch.cat([torch.relu(conv(x)).amax(2) for conv in self.windows], 1))
