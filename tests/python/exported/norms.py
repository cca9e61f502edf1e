"""Normalisations and attention."""

import torch
from torch import nn
from torch.nn import functional as F

from exported.inputs import bools, floats
from exported.registry import DYNAMIC, ROWS, family

case = family("norms")
BATCH_AND_LENGTH = ({0: DYNAMIC, 1: DYNAMIC},)


def trained(module: nn.Module) -> nn.Module:
    """With statistics and weights that are not zeros and ones."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if name.endswith("var") else tensor.normal_(0.5, 0.3)
    return module


@case(lambda n: (floats(n, 4, 5, 6), floats(n, 4), floats(n, 4, 3, 2, 2)), at=(2, 5),
      dynamic=({0: DYNAMIC},) * 3, decomposed=True)  # fmt: skip
class BatchNorms(nn.Module):
    def __init__(self):
        super().__init__()
        self.images = trained(nn.BatchNorm2d(4))
        self.rows = trained(nn.BatchNorm1d(4, eps=1e-3))
        self.volumes = trained(nn.BatchNorm3d(4, affine=False))
        self.batch = trained(nn.BatchNorm2d(4, track_running_stats=False))

    def forward(self, x, y, z):
        return self.images(x), self.rows(y), self.volumes(z), self.batch(x), self.rows(x[:, :, 0])


@case(lambda n, dtype: (floats(n, 6, 4, dtype=dtype),), at=(2, 5), dynamic=ROWS, decomposed=True,
      dtypes=(torch.float32, torch.float64, torch.bfloat16))  # fmt: skip
def layer_norms(x):
    w = torch.tensor([0.5, 1.0, 1.5, 2.0], dtype=x.dtype)
    return (
        *(F.layer_norm(x, (4,)), F.layer_norm(x, (4,), w, w - 1), F.layer_norm(x, (6, 4))),
        *(F.rms_norm(x, (4,)), F.rms_norm(x, (4,), w, 1e-5), F.layer_norm(x, (4,), w, eps=1e-3)),
    )


@case(lambda n: (floats(n, 6, 5, 4),), at=(2, 5), dynamic=ROWS, decomposed=True)
class OtherNorms(nn.Module):
    def __init__(self):
        super().__init__()
        self.groups = trained(nn.GroupNorm(3, 6))
        self.plain_groups = nn.GroupNorm(2, 6, affine=False)
        self.instances = trained(nn.InstanceNorm2d(6, affine=True))
        self.tracked = trained(nn.InstanceNorm2d(6, track_running_stats=True))
        self.local = nn.LocalResponseNorm(3)
        self.rms = trained(nn.RMSNorm(4))
        self.lines = nn.InstanceNorm1d(6)

    def forward(self, x):
        return (
            *(self.groups(x), self.plain_groups(x), self.instances(x), self.tracked(x)),
            *(self.local(x), self.rms(x), self.lines(x[..., 0])),
        )


@case(lambda: (floats(2, 4, 6),), factory=True)
def normalised_weights():
    return nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 4, 3)),
        nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)),
    )


@case(
    lambda n, t: (floats(n, 2, t, 8), floats(n, 2, t, 8), floats(n, 2, t, 8), bools(t, t)),
    at=((2, 5), (3, 7)),
    dynamic=(*({0: DYNAMIC, 2: DYNAMIC},) * 3, {0: DYNAMIC, 1: DYNAMIC}),
    decomposed=True,
)
def attention(q, k, v, mask):
    allowed = mask | torch.eye(q.size(2), dtype=torch.bool)
    bias = torch.zeros(allowed.shape).masked_fill(~allowed, float("-inf"))
    return (
        F.scaled_dot_product_attention(q, k, v),
        F.scaled_dot_product_attention(q, k, v, attn_mask=allowed),
        F.scaled_dot_product_attention(q, k, v, attn_mask=bias),
        F.scaled_dot_product_attention(q, k, v, is_causal=True),
        F.scaled_dot_product_attention(q, k, v, scale=0.1),
        F.scaled_dot_product_attention(q[:, 0], k[:, 0], v[:, 0]),
    )


@case(lambda: (floats(2, 4, 5, 8), floats(2, 2, 7, 8), floats(2, 2, 7, 6)), decomposed=True)
def grouped_attention(q, k, v):
    return (
        F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        F.scaled_dot_product_attention(q[:, :2], k, v),
        F.scaled_dot_product_attention(q[:, :1], k[:, :1].half().float(), v[:, :1]),
    )


@case(lambda dtype: (floats(2, 2, 5, 8, dtype=dtype),) * 3,
      dtypes=(torch.float64, torch.float16, torch.bfloat16))  # fmt: skip
def attention_of_dtypes(q, k, v):
    return F.scaled_dot_product_attention(q, k, v), (q @ k.mT).softmax(-1) @ v


@case(lambda n, t: (floats(n, t, 8), floats(n, 3, 8)), at=((2, 5), (3, 4)),
      dynamic=(*BATCH_AND_LENGTH, {0: DYNAMIC}))  # fmt: skip
class MultiheadAttentions(nn.Module):
    def __init__(self):
        super().__init__()
        self.own = nn.MultiheadAttention(8, 2, batch_first=True)
        self.other = nn.MultiheadAttention(8, 4, bias=False, batch_first=True)

    def forward(self, x, y):
        causal = torch.ones(x.size(1), x.size(1), dtype=torch.bool).triu(1)
        a, weights = self.own(x, x, x)
        b, _ = self.other(x, y, y, need_weights=False)
        c, _ = self.own(x, x, x, attn_mask=causal, need_weights=False)
        return a, weights, b, c


@case(lambda n, t: (floats(n, t, 8), bools(n, t) & bools(n, t)), at=((2, 5), (3, 7)),
      dynamic=BATCH_AND_LENGTH * 2)  # fmt: skip
class PaddedAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x, padding):
        return self.attention(x, x, x, key_padding_mask=padding)


@case(lambda n, t: (floats(n, t, 8),), at=((2, 5), (3, 7)), dynamic=BATCH_AND_LENGTH, factory=True,
      decomposed=True)  # fmt: skip
def encoder_layer():
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


@case(lambda n, t: (floats(n, t, 8),), at=((2, 5), (3, 7)), dynamic=BATCH_AND_LENGTH, factory=True)
def encoder_norm_first():
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, "gelu", batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


@case(lambda n, t: (floats(n, t, 8), floats(n, 4, 8)), at=((2, 5), (3, 7)),
      dynamic=(*BATCH_AND_LENGTH, {0: DYNAMIC}), factory=True)  # fmt: skip
def decoder_layer():
    return nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
