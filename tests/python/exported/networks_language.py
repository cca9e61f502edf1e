"""Networks for language and sequences, written small, with random weights."""

import math

import torch
from torch import nn
from torch._higher_order_ops import scan, while_loop
from torch.nn import functional as F

from exported.inputs import bools, floats, ints
from exported.registry import DYNAMIC, ROWS, Call, family

case = family("language")
WORDS, WIDTH, HEADS = 50, 16, 2
TEXT = ({0: DYNAMIC, 1: DYNAMIC},)
SIZES = ((2, 6), (3, 9), (4, 2))


def tokens(n: int, t: int) -> tuple:
    return (ints(n, t, high=WORDS),)


def heads(x, count: int):
    """[batch, tokens, width] to [batch, heads, tokens, width of a head]."""
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def joined(x):
    return x.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    def __init__(self, width: int = WIDTH, count: int = HEADS) -> None:
        super().__init__()
        self.count = count
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, mask=None, causal: bool = False, memory=None):
        memory = x if memory is None else memory
        pairs = ((self.q, x), (self.k, memory), (self.v, memory))
        parts = (heads(f(y), self.count) for f, y in pairs)
        mixed = F.scaled_dot_product_attention(*parts, attn_mask=mask, is_causal=causal)
        return self.out(joined(mixed))


def feed_forward(width: int = WIDTH, activation: type = nn.GELU) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 2 * width), activation(), nn.Linear(2 * width, width))


class BertLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.inner = SelfAttention(), feed_forward()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])

    def forward(self, x, mask):
        x = self.norms[0](x + self.attention(x, mask))
        return self.norms[1](x + self.inner(x))


@case(lambda n, t: (*tokens(n, t), (torch.arange(t) < ints(n, 1, low=1, high=t + 1)).long()),
      at=SIZES, dynamic=TEXT * 2, decomposed=True)  # fmt: skip
class Bert(nn.Module):
    """Devlin et al., 2018: words, positions and sentence kinds; a mask; a pooled first token."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        self.kinds, self.places = nn.Embedding(2, WIDTH), nn.Embedding(32, WIDTH)
        self.norm, self.dropout = nn.LayerNorm(WIDTH, eps=1e-12), nn.Dropout(0.1)
        self.layers = nn.ModuleList([BertLayer(), BertLayer()])
        self.pooler = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("ids", torch.arange(32).unsqueeze(0), persistent=False)

    def forward(self, input_ids, attention_mask):
        places = self.places(self.ids[:, : input_ids.size(1)])
        x = self.words(input_ids) + places + self.kinds(torch.zeros_like(input_ids))
        x = self.dropout(self.norm(x))
        mask = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, mask)
        return {"last_hidden_state": x, "pooler_output": torch.tanh(self.pooler(x[:, 0]))}


class Gpt2Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.inner = feed_forward(activation=lambda: nn.GELU(approximate="tanh"))
        causal = torch.ones(32, 32, dtype=torch.bool).tril()
        self.register_buffer("causal", causal, persistent=False)

    def forward(self, x):
        q, k, v = (heads(part, HEADS) for part in self.qkv(self.norms[0](x)).split(WIDTH, dim=-1))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        mask = self.causal[: x.size(1), : x.size(1)]
        scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
        x = x + self.out(joined(scores.softmax(-1) @ v))
        return x + self.inner(self.norms[1](x))


@case(tokens, at=SIZES, dynamic=TEXT, decomposed=True)
class Gpt2(nn.Module):
    """Radford et al., 2019; the weights of the embedding are those of the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(32, WIDTH)
        self.blocks = nn.Sequential(Gpt2Block(), Gpt2Block())
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(ids.size(1)))
        return self.head(self.norm(self.blocks(x)))


class RmsNorm(nn.Module):
    """By hand, in float32, as T5 and Llama have it."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.weight = nn.Parameter(floats(width))

    def forward(self, x):
        y = x.to(torch.float32)
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.weight * y.to(x.dtype)


def buckets(distance, count: int = 8, farthest: int = 16):
    """The bucket of a relative position: exact when near, by logarithm when far."""
    count //= 2
    side = (distance > 0).long() * count
    distance = distance.abs()
    near = count // 2
    scaled = torch.log(distance.float() / near) / math.log(farthest / near) * (count - near)
    far = (near + scaled.to(torch.long)).clamp(max=count - 1)
    return side + torch.where(distance < near, distance, far)


@case(tokens, at=SIZES, dynamic=TEXT, decomposed=True)
class T5Encoder(nn.Module):
    """Raffel et al., 2020: biases by relative position, gated feed-forward layers."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.bias = nn.Embedding(WORDS, WIDTH), nn.Embedding(8, HEADS)
        self.layers = nn.ModuleList(
            nn.ModuleDict({
                "norm": RmsNorm(), "attention": SelfAttention(), "inner_norm": RmsNorm(),
                "gate": nn.Linear(WIDTH, 32, bias=False), "up": nn.Linear(WIDTH, 32, bias=False),
                "down": nn.Linear(32, WIDTH, bias=False),
            }) for _ in range(2)
        )  # fmt: skip
        self.norm = RmsNorm()

    def forward(self, ids):
        places = torch.arange(ids.size(1))
        bias = self.bias(buckets(places[None] - places[:, None])).permute(2, 0, 1).unsqueeze(0)
        x = self.words(ids)
        for layer in self.layers:
            x = x + layer["attention"](layer["norm"](x), bias)
            y = layer["inner_norm"](x)
            x = x + layer["down"](F.gelu(layer["gate"](y), approximate="tanh") * layer["up"](y))
        return self.norm(x)


def rotated(x, cos, sin):
    """Rotary embeddings, the two halves of a head turned against each other."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-b, a], dim=-1) * sin


class LlamaLayer(nn.Module):
    """Two heads of queries for one of keys, which a cache of fixed length remembers."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self.q, self.out = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.k, self.v = nn.Linear(WIDTH, 8, bias=False), nn.Linear(WIDTH, 8, bias=False)
        self.norm, self.inner_norm = RmsNorm(), RmsNorm()
        self.gate, self.up = nn.Linear(WIDTH, 32, bias=False), nn.Linear(WIDTH, 32, bias=False)
        self.down = nn.Linear(32, WIDTH, bias=False)
        self.register_buffer("keys", torch.zeros(1, 1, longest, 8), persistent=False)
        self.register_buffer("values", torch.zeros(1, 1, longest, 8), persistent=False)

    def forward(self, x, position, mask, cos, sin):
        y = self.norm(x)
        q, k, v = heads(self.q(y), 2), heads(self.k(y), 1), heads(self.v(y), 1)
        self.keys.index_copy_(2, position, rotated(k, cos, sin))
        self.values.index_copy_(2, position, v)
        k, v = (cache.repeat_interleave(2, dim=1) for cache in (self.keys, self.values))
        mixed = F.scaled_dot_product_attention(rotated(q, cos, sin), k, v, attn_mask=mask)
        x = x + self.out(joined(mixed))
        y = self.inner_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def steps(first: int, count: int) -> tuple:
    return ints(1, count, high=WORDS), torch.arange(first, first + count)


@case(steps, at=((0, 4), (4, 1), (5, 1), (6, 2)), decomposed=True,
      dynamic=({1: (length := torch.export.Dim.AUTO)}, {0: length}))  # fmt: skip
class Llama(nn.Module):
    """Touvron et al., 2023: a prompt, then token after token; the cache is in its buffers."""

    def __init__(self, longest: int = 12) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.ModuleList(LlamaLayer(longest) for _ in range(2))
        self.norm, self.head = RmsNorm(), nn.Linear(WIDTH, WORDS, bias=False)
        frequencies = 1.0 / 10000 ** (torch.arange(0, 8, 2).float() / 8)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.longest = longest

    def forward(self, ids, position):
        angles = position[:, None].float() * self.frequencies
        angles = torch.cat([angles, angles], dim=-1)
        mask = torch.arange(self.longest) <= position[:, None]
        x = self.words(ids)
        for layer in self.layers:
            x = layer(x, position, mask, angles.cos(), angles.sin())
        return self.head(self.norm(x))


@case(lambda n, t: (floats(n, t, 8),), at=((2, 6), (3, 9)), dynamic=({0: DYNAMIC, 1: DYNAMIC},))
class Mamba(nn.Module):
    """Gu and Dao, 2023: a selective state space model, its recurrence a scan."""

    def __init__(self, width: int = 8, state: int = 4) -> None:
        super().__init__()
        self.inputs = nn.Linear(width, 2 * width, bias=False)
        self.conv = nn.Conv1d(width, width, 3, padding=2, groups=width)
        self.parameters_of = nn.Linear(width, 2 * state + 1, bias=False)
        self.step = nn.Linear(1, width)
        self.log_a = nn.Parameter(torch.log(torch.arange(1.0, state + 1).repeat(width, 1)))
        self.skip, self.outputs = nn.Parameter(torch.ones(width)), nn.Linear(width, width)

    def forward(self, x):
        x, gate = self.inputs(x).chunk(2, dim=-1)
        x = F.silu(self.conv(x.mT)[..., : x.size(1)].mT)
        b, c, step = self.parameters_of(x).split([4, 4, 1], dim=-1)
        step = F.softplus(self.step(step))
        decay = torch.exp(step.unsqueeze(-1) * -self.log_a.exp())
        driven = step.unsqueeze(-1) * b.unsqueeze(2) * x.unsqueeze(-1)

        def move(state, now):
            decay, driven = now
            state = decay * state + driven
            return state, state.clone()

        start = torch.zeros_like(driven[:, 0])
        _, states = scan(move, start, (decay.transpose(0, 1), driven.transpose(0, 1)))
        y = (states.transpose(0, 1) * c.unsqueeze(2)).sum(-1) + self.skip * x
        return self.outputs(y * F.silu(gate))


@case(lambda n: (floats(n, 7, 8),), at=(2, 4), dynamic=ROWS, decomposed=True)
class StateSpace(nn.Module):
    """A diagonal linear recurrence, computed with FFT and with cumulative sums."""

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Parameter(floats(8, low=0.2, high=0.9))
        self.mix = nn.Linear(8, 8)

    def forward(self, x):
        t = x.size(1)
        kernel = self.decay.unsqueeze(0) ** torch.arange(t).unsqueeze(1)
        size = 2 * t
        y = torch.fft.irfft(torch.fft.rfft(x, size, 1) * torch.fft.rfft(kernel, size, 0), size, 1)
        other = torch.cumsum(x / kernel, 1) * kernel
        return self.mix(F.gelu(y[:, :t])), other


@case(lambda n: tokens(n, 5), at=(2, 3), dynamic=ROWS)
class LstmTagger(nn.Module):
    """Words to tags, by a BiLSTM; the time is that of the example."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 8)
        self.lstm = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(12, 5)

    def forward(self, ids):
        scores = self.tags(self.lstm(self.words(ids))[0])
        return scores.log_softmax(-1), scores.argmax(-1)


@case(lambda n: tokens(n, 5), at=(2, 4), dynamic=ROWS)
class GruClassifier(nn.Module):
    """The last state that is not padding decides."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 8, padding_idx=0)
        self.gru = nn.GRU(8, 6, num_layers=2, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, ids):
        states, _ = self.gru(self.words(ids))
        last = (ids != 0).sum(1).clamp(min=1) - 1
        return self.head(states[torch.arange(ids.size(0)), last])


@case(lambda n: (*tokens(n, 6), *tokens(n, 4)), at=(2, 3), dynamic=ROWS * 2)
class AttentiveTranslator(nn.Module):
    """Bahdanau et al., 2014: recurrent encoder and decoder with additive attention."""

    def __init__(self) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(WORDS, 8), nn.Embedding(WORDS, 8)
        self.encoder = nn.GRU(8, 8, batch_first=True)
        self.cell, self.head = nn.GRUCell(16, 8), nn.Linear(16, WORDS)
        self.query, self.key = nn.Linear(8, 8), nn.Linear(8, 8)
        self.score = nn.Linear(8, 1, bias=False)

    def forward(self, source, target):
        memory, state = self.encoder(self.source(source))
        state, keys, results = state[0], self.key(memory), []
        for word in self.target(target).unbind(1):
            scores = self.score(torch.tanh(self.query(state).unsqueeze(1) + keys))
            context = (scores.softmax(1) * memory).sum(1)
            state = self.cell(torch.cat([word, context], -1), state)
            results.append(self.head(torch.cat([state, context], -1)))
        return torch.stack(results, 1)


@case(lambda s, t: (ints(2, s, high=WORDS), ints(2, t, high=WORDS)), at=((6, 4), (3, 7)),
      dynamic=({1: DYNAMIC}, {1: DYNAMIC}))  # fmt: skip
class Transformer(nn.Module):
    """Vaswani et al., 2017, with torch's own module and sine positions."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.body = nn.Transformer(WIDTH, 2, 1, 1, 32, batch_first=True)
        angles = torch.arange(32).unsqueeze(1) / 100 ** (torch.arange(0, WIDTH, 2) / WIDTH)
        self.register_buffer("places", torch.stack([angles.sin(), angles.cos()], -1).flatten(1))

    def forward(self, source, target):
        x = self.words(source) + self.places[: source.size(1)]
        y = self.words(target) + self.places[: target.size(1)]
        causal = torch.ones(target.size(1), target.size(1), dtype=torch.bool).triu(1)
        return self.body(x, y, tgt_mask=causal, tgt_is_causal=True) @ self.words.weight.T


@case(lambda first, limit: (torch.tensor([[first, 3, 7]]), torch.tensor(limit)),
      at=((5, 4), (20, 7), (1, 0)))  # fmt: skip
class GreedyDecoder(nn.Module):
    """Words until the end or the limit: a while_loop over a buffer of fixed length."""

    END = 9

    def __init__(self) -> None:
        super().__init__()
        self.model = Gpt2()

    def forward(self, prompt, limit):
        ids = F.pad(prompt, (0, 9))
        start = torch.tensor(prompt.size(1))

        def unfinished(at, ids):
            last = ids.gather(1, (at - 1).view(1, 1))
            return (at < limit + prompt.size(1)) & (last != self.END).all()

        def one_more(at, ids):
            scores = self.model(ids).index_select(1, (at - 1).view(1))
            word = scores.argmax(-1)
            return at + 1, torch.where(torch.arange(12) == at, word, ids)

        return while_loop(unfinished, one_more, (start, ids))


@case(lambda n, t: Call((), {"tokens": ints(n, t, high=WORDS), "mask": bools(n, t)}), at=SIZES,
      dynamic={"tokens": {0: DYNAMIC, 1: DYNAMIC}, "mask": {0: DYNAMIC, 1: DYNAMIC}})  # fmt: skip
class SentenceEmbedding(nn.Module):
    """Siamese twins' half: a mean over unmasked tokens, of length 1; similarities of all pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.layer = nn.Embedding(WORDS, WIDTH), BertLayer()

    def forward(self, *, tokens, mask):
        x = self.layer(self.words(tokens), None)
        weights = mask.unsqueeze(-1).float()
        mean = (x * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        mean = F.normalize(mean, dim=1)
        return mean, mean @ mean.T
