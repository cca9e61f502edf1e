"""What networks for images are made of, in the engine `planned`, beside PyTorch."""

import pytest
import torch
import torchship
from torch import nn
from torch.nn import functional as F


def planned(module: nn.Module, *examples, path, **options) -> torchship.Model:
    torchship.trace(module.eval(), examples, **options).save(path)
    return torchship.load(path, engine="planned")


def kernels(model: torchship.Model, *inputs) -> list[str]:
    return [node.operator_name for node in model.graph(inputs=list(inputs)).body.nodes]


def assert_planned(module: nn.Module, *examples, path, kernel: str, count: int | None = None):
    """The model gives what the module gives; that kernel is in its plan, and LibTorch is not."""
    model = planned(module, *examples, path=path)
    for _ in range(2):
        inputs = [torch.randn_like(x) for x in examples]
        torch.testing.assert_close(model(*inputs), module(*inputs), rtol=1e-4, atol=1e-5)
    names = kernels(model, *examples)
    assert all(name.startswith("torchship::") for name in names), names
    errors = [node.error for node in model.graph(inputs=examples, compare=True).body.nodes]
    assert max(error for error in errors if error is not None) < 1e-5
    found = names.count(f"torchship::{kernel}")
    assert found > 0 if count is None else found == count, names


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "output_padding"),
    [
        (2, 2, 0, 0),
        (4, 2, 1, 0),
        (3, 2, 1, 1),
        (3, 1, 1, 0),
        (5, 3, 2, 1),
        ((2, 4), (2, 1), (0, 1), (1, 0)),
        (7, 4, 3, 3),
        (2, 2, 0, 1),  # The last results depend on no input.
        (3, 3, 0, 2),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_transposed_convolutions(kernel, stride, padding, output_padding, bias, tmp_path):
    layer = nn.ConvTranspose2d(5, 7, kernel, stride, padding, output_padding, bias=bias)
    strides = stride if isinstance(stride, tuple) else (stride, stride)
    assert_planned(
        nn.Sequential(layer, nn.ReLU()),
        torch.randn(2, 5, 9, 6),
        path=tmp_path / "m.pt",
        kernel="convolve",
        count=strides[0] * strides[1],
    )


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(4, 4, 0), (16, 8, 4), (3, 2, 0)])
def test_transposed_convolutions_of_lines(kernel, stride, padding, tmp_path):
    layer = nn.ConvTranspose1d(6, 4, kernel, stride, padding)
    assert_planned(
        layer, torch.randn(2, 6, 11), path=tmp_path / "m.pt", kernel="convolve", count=stride
    )


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(4, 4, 3, 2, groups=2),
        nn.ConvTranspose2d(4, 4, 3, 2, dilation=2),
        nn.ConvTranspose2d(4, 4, 2, 3),
    ],
)
def test_other_transposed_convolutions_run_in_libtorch(layer, tmp_path):
    module = nn.Sequential(nn.Conv2d(4, 4, 1), layer, nn.Conv2d(4, 4, 1))
    x = torch.randn(1, 4, 8, 8)
    model = planned(module, x, path=tmp_path / "m.pt")
    torch.testing.assert_close(model(x), module(x), rtol=1e-4, atol=1e-5)
    assert "torchship::convolve" in kernels(model, x)


class Resize(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, x):
        return F.interpolate(x, **self.options)


SIZES = [
    {"scale_factor": 2},
    {"scale_factor": (1.7, 0.6)},
    {"scale_factor": 1.7, "recompute_scale_factor": True},
    {"size": (13, 5)},
    {"size": (9, 31)},
]
MODES = [
    {"mode": "nearest"},
    {"mode": "nearest-exact"},
    {"mode": "bilinear", "align_corners": False},
    {"mode": "bilinear", "align_corners": True},
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", MODES)
def test_resizing(size, mode, tmp_path):
    options = {**size, **mode}
    if mode.get("align_corners") and options.get("recompute_scale_factor"):
        options.pop("recompute_scale_factor")
    name = "resize_bilinear" if mode["mode"] == "bilinear" else "resize_nearest"
    for channels in (1, 3, 16):
        assert_planned(
            Resize(**options), torch.randn(2, channels, 9, 7), path=tmp_path / "m.pt", kernel=name
        )


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (nn.GroupNorm(4, 12), (2, 12, 5, 6)),
        (nn.GroupNorm(12, 12, affine=False), (2, 12, 5, 6)),
        (nn.GroupNorm(1, 12), (1, 12, 9)),
        (nn.GroupNorm(32, 320), (1, 320, 4, 4)),
        (nn.InstanceNorm2d(12), (2, 12, 5, 6)),
        (nn.InstanceNorm1d(12, affine=True), (2, 12, 30)),
    ],
)
@pytest.mark.parametrize("is_after_convolution", [False, True])
def test_group_norms(norm, shape, is_after_convolution, tmp_path):
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    convolution = (nn.Conv1d if len(shape) == 3 else nn.Conv2d)(shape[1], shape[1], 3, padding=1)
    module = nn.Sequential(convolution, norm, nn.SiLU()) if is_after_convolution else norm
    assert_planned(module, torch.randn(shape), path=tmp_path / "m.pt", kernel="group_norm")


class RootMeanSquare(nn.Module):
    def __init__(self, epsilon):
        super().__init__()
        self.norm = nn.RMSNorm(24, eps=epsilon)
        nn.init.normal_(self.norm.weight)

    def forward(self, x):
        return self.norm(x)


@pytest.mark.parametrize("epsilon", [None, 1e-3])
def test_rms_norms(epsilon, tmp_path):
    x = torch.randn(3, 5, 24)
    assert_planned(RootMeanSquare(epsilon), x, path=tmp_path / "m.pt", kernel="rms_norm")


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 24)
        self.last = nn.Linear(24, 3)

    def forward(self, words):
        return self.last(self.table(words).mean(1))


def test_embeddings(tmp_path):
    module, words = Words(), torch.randint(50, (4, 6))
    model = planned(module, words, path=tmp_path / "m.pt")
    names = kernels(model, words)
    assert "torchship::gather" in names
    assert all(name.startswith("torchship::") for name in names)
    for _ in range(2):
        words = torch.randint(50, (4, 6))
        torch.testing.assert_close(model(words), module(words), rtol=1e-4, atol=1e-5)
    across = torch.randint(50, (6, 4)).t()
    torch.testing.assert_close(model(across), module(across), rtol=1e-4, atol=1e-5)
    for wrong in (50, -1):
        words[2, 3] = wrong
        with pytest.raises(torchship.EngineError, match="index out of range"):
            model(words)
