"""The models of the suite, in plain torch, with random weights."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
    )


class Pointwise(nn.Module):
    """Nine operators that each read and write every element once."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.sigmoid(x * 0.5 + 1.0)
        z = torch.tanh(y - x)
        return torch.relu(z * y + x) * 1.5


class Lstm(nn.Module):
    """All outputs of two layers, batch first."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(64, 128, num_layers=2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


def used(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """With statistics and weights as training leaves them: near 0 and 1, and no two alike."""
    with torch.no_grad():
        norm.running_mean.normal_(0.0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
        norm.weight.uniform_(0.8, 1.2)
        norm.bias.normal_(0.0, 0.1)
    return norm


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution that keeps sizes but for its stride, and its normalisation."""
    conv = nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")
    return [conv, used(nn.BatchNorm2d(outputs))]


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(inputs, outputs, 3, stride), nn.ReLU(), *convolution(outputs, outputs, 3)
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(*convolution(inputs, outputs, 1, stride))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet18(nn.Module):
    """Of "Deep Residual Learning for Image Recognition", table 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)
        )
        widths = [64, 64, 128, 256, 512]
        blocks: list[nn.Module] = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            stride = 1 if outputs == 64 else 2
            blocks += [ResidualBlock(inputs, outputs, stride), ResidualBlock(outputs, outputs, 1)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(512, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = (channels // 4 + 7) // 8 * 8
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, inner, 1),
            nn.ReLU(),
            nn.Conv2d(inner, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class InvertedResidual(nn.Module):
    """Widen, convolve each channel alone, weigh the channels, narrow."""

    def __init__(
        self,
        inputs: int,
        kernel: int,
        inner: int,
        outputs: int,
        excite: bool,
        hard: bool,
        stride: int,
    ) -> None:
        super().__init__()
        activation = nn.Hardswish if hard else nn.ReLU
        parts = [*convolution(inputs, inner, 1), activation()] if inner != inputs else []
        parts += [*convolution(inner, inner, kernel, stride, groups=inner), activation()]
        if excite:
            parts.append(SqueezeExcite(inner))
        self.body = nn.Sequential(*parts, *convolution(inner, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.adds else self.body(x)


class MobileNetV3(nn.Module):
    """The small one of "Searching for MobileNetV3", table 2."""

    # inputs, kernel, inner, outputs, squeeze and excite, hard swish, stride
    ROWS = [
        (16, 3, 16, 16, True, False, 2),
        (16, 3, 72, 24, False, False, 2),
        (24, 3, 88, 24, False, False, 1),
        (24, 5, 96, 40, True, True, 2),
        (40, 5, 240, 40, True, True, 1),
        (40, 5, 240, 40, True, True, 1),
        (40, 5, 120, 48, True, True, 1),
        (48, 5, 144, 48, True, True, 1),
        (48, 5, 288, 96, True, True, 2),
        (96, 5, 576, 96, True, True, 1),
        (96, 5, 576, 96, True, True, 1),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *convolution(3, 16, 3, 2),
            nn.Hardswish(),
            *(InvertedResidual(*row) for row in self.ROWS),
            *convolution(96, 576, 1),
            nn.Hardswish(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.head = nn.Sequential(nn.Linear(576, 1024), nn.Hardswish(), nn.Linear(1024, 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = (
            part.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)
            for part in self.inputs(x).chunk(3, dim=-1)
        )
        mixed = scaled_dot_product_attention(q, k, v)
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, width))


class EncoderLayer(nn.Module):
    """Normalisation first."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.feed_forward(x)


def transformer() -> nn.Module:
    """The layers of a sentence encoder such as MiniLM, without its embeddings."""
    layers = (EncoderLayer(384, 12, 1536) for _ in range(6))
    return nn.Sequential(*layers, nn.LayerNorm(384))
