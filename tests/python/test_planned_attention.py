"""Attention in the engine `planned`, in all the ways in which models say it."""

import math

import pytest
import torch
import torchship
from torch import nn
from torch.nn import functional as F


def planned(module: nn.Module, *examples, path, **options) -> torchship.Model:
    torchship.trace(module.eval(), examples, **options).save(path)
    return torchship.load(path, engine="planned")


def operators(model: torchship.Model, *inputs) -> list[str]:
    """What the kernels stand for, and the kernels, of a plan for these inputs."""
    nodes = model.graph(inputs=list(inputs)).body.nodes
    inside = [node for kernel in nodes for block in kernel.blocks for node in block.nodes]
    return [node.operator_name for node in [*nodes, *inside]]


class Written(nn.Module):
    """softmax(q kT / sqrt(d) + mask) v, written out."""

    def __init__(self, scale: str, mask: str):
        super().__init__()
        self.scale, self.mask = scale, mask
        self.parts = nn.Linear(32, 96)
        self.dropout = nn.Dropout(0.3)
        bias = torch.randn(1, 4, 9, 9)
        self.register_buffer("bias", bias)

    def forward(self, x, seen):
        q, k, v = (
            part.view(x.shape[0], -1, 4, 8).transpose(1, 2)
            for part in self.parts(x).chunk(3, dim=-1)
        )
        if self.scale == "q":
            q = q * 8**-0.5
        scores = q @ k.transpose(-2, -1)
        if self.scale == "divide":
            scores = scores / math.sqrt(8)
        elif self.scale == "multiply":
            scores = 0.25 * scores
        if self.mask == "input":
            scores = scores + seen
        elif self.mask == "buffer":
            scores = self.bias + scores
        weights = self.dropout(scores.softmax(-1))
        return (weights @ v).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("scale", ["q", "divide", "multiply", "none"])
@pytest.mark.parametrize("mask", ["input", "buffer", "none"])
def test_written_attention_is_one_kernel(scale, mask, tmp_path):
    torch.manual_seed(0)
    module = Written(scale, mask).eval()
    x, seen = torch.randn(2, 9, 32), torch.zeros(2, 1, 1, 9)
    model = planned(module, x, seen, path=tmp_path / "m.pt")
    names = operators(model, x, seen)
    assert names.count("torchship::attend") == 1
    assert "torchship::softmax" not in names
    assert "torchship::multiply_batches" not in names
    seen[1, :, :, 4:] = -math.inf
    for x in torch.randn(2, 2, 9, 32):
        torch.testing.assert_close(model(x, seen), module(x, seen), rtol=1e-4, atol=1e-5)
    seen[0] = -math.inf  # A softmax of nothing is NaN.
    result = model(x, seen)
    torch.testing.assert_close(result, module(x, seen), rtol=1e-4, atol=1e-5, equal_nan=True)
    assert result.isnan().any() == (mask == "input")


class Scores(nn.Module):
    """Like attention, but somebody else needs the weights, or the scale comes last."""

    def __init__(self, what: str):
        super().__init__()
        self.what = what

    def forward(self, q, k, v):
        scores = q @ k.transpose(-2, -1)
        if self.what == "scale after mask":
            return ((scores + q.mean()) / 3).softmax(-1) @ v
        if self.what == "softmax of columns":
            return scores.softmax(-2) @ v
        weights = scores.softmax(-1)
        if self.what == "values first":
            return v.transpose(-2, -1) @ weights
        if self.what == "values of the weights":
            return weights @ (v * weights.amax())
        return weights @ v, weights


@pytest.mark.parametrize(
    "what",
    [
        "weights are a result",
        "scale after mask",
        "softmax of columns",
        "values first",
        "values of the weights",
    ],
)
def test_what_only_looks_like_attention_is_right(what, tmp_path):
    q, k, v = torch.randn(3, 2, 5, 8).unbind()
    q = torch.randn(2, 8, 8)
    k = torch.randn(2, 8, 8)
    v = torch.randn(2, 8, 8)
    module = Scores(what)
    model = planned(module, q, k, v, path=tmp_path / "m.pt")
    torch.testing.assert_close(model(q, k, v), module(q, k, v), rtol=1e-4, atol=1e-5)
    if what != "values of the weights":
        assert "torchship::attend" not in operators(model, q, k, v)


class Masked(nn.Module):
    def forward(self, q, mask):
        return F.scaled_dot_product_attention(q, q, q, attn_mask=mask)


def test_rows_that_see_nothing_are_zero_as_in_torch(tmp_path):
    q, mask = torch.randn(1, 2, 6, 8), torch.zeros(1, 1, 6, 6)
    model = planned(Masked(), q, mask, path=tmp_path / "m.pt")
    model(q, mask)  # The plan is there before the row is masked.
    mask[:, :, 2] = -math.inf
    result = model(q, mask)
    assert (result[:, :, 2] == 0).all()
    torch.testing.assert_close(result, Masked()(q, mask), rtol=1e-4, atol=1e-5)


def encoder(**options) -> nn.Module:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layers_run_in_kernels(norm_first, activation, tmp_path):
    module = encoder(norm_first=norm_first, activation=activation)
    x = torch.randn(2, 7, 32)
    model = planned(module, x, path=tmp_path / "m.pt")
    assert "aten::_transformer_encoder_layer_fwd" in str(model.graph("frozen"))
    names = operators(model, x)
    assert names.count("torchship::attend") == 2
    assert not any(name.startswith("aten::_") for name in names)
    for x in torch.randn(2, 2, 7, 32):
        torch.testing.assert_close(model(x), module(x), rtol=1e-4, atol=1e-5)


class WithMask(nn.Module):
    """An encoder that sees what came before alone."""

    def __init__(self, is_fixed: bool):
        super().__init__()
        self.encoder = encoder()
        mask = torch.ones(7, 7).triu(1).bool() if is_fixed else None
        self.register_buffer("mask", mask)

    def forward(self, x, padding):
        return self.encoder(x, mask=self.mask, src_key_padding_mask=padding)


@pytest.mark.parametrize("is_fixed", [False, True])
@pytest.mark.parametrize("is_padded", [False, True])
def test_encoder_layers_with_masks(is_fixed, is_padded, tmp_path):
    module = WithMask(is_fixed).eval()
    padding = torch.zeros(2, 7, dtype=torch.bool)
    padding[0, 5:] = True
    arguments = (torch.randn(2, 7, 32), padding if is_padded else None)
    arguments = arguments if is_padded else (arguments[0],)
    if not is_padded:
        whole = module
        module = Without(whole).eval()
    model = planned(module, *arguments, path=tmp_path / "m.pt")
    for x in torch.randn(2, 2, 7, 32):
        inputs = (x, *arguments[1:])
        torch.testing.assert_close(model(*inputs), module(*inputs), rtol=1e-4, atol=1e-5)
    names = operators(model, *arguments)
    if is_fixed and not is_padded:
        assert names.count("torchship::attend") == 2


class Without(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x, None)


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, x):
        return x + self.attention(x, x, x, need_weights=False)[0]


def test_multi_head_attention_runs_in_kernels(tmp_path):
    module = SelfAttention().eval()
    x = torch.randn(2, 7, 32)
    model = planned(module, x, path=tmp_path / "m.pt")
    names = operators(model, x)
    assert names.count("torchship::attend") == 1
    torch.testing.assert_close(model(x), module(x), rtol=1e-4, atol=1e-5)
