"""What is on a picture: convolutional networks with one row of logits."""

import torch
from networks import InvertedResidual, convolution, used
from torch import Tensor, nn

from architectures.registry import image, network


def head(channels: int, classes: int = 1000) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


def activated(*arguments: int, activation: type[nn.Module] = nn.ReLU, **options) -> nn.Sequential:
    return nn.Sequential(*convolution(*arguments, **options), activation())


@network(image(224))
def alexnet() -> nn.Module:
    """Krizhevsky et al., 2012, with narrower linear layers."""
    features = nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        nn.AdaptiveAvgPool2d((6, 6)),
    )
    classifier = nn.Sequential(
        *(nn.Dropout(), nn.Linear(256 * 36, 1024), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 1000)),
    )
    return nn.Sequential(features, nn.Flatten(), classifier)


@network(image(112))
def vgg11() -> nn.Module:
    """Simonyan and Zisserman, 2014, configuration A, with narrower linear layers."""
    layers: list[nn.Module] = []
    inputs = 3
    for width in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"):
        if width == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        conv = nn.Conv2d(inputs, width, 3, padding=1)
        nn.init.kaiming_normal_(conv.weight)
        layers += [conv, nn.ReLU()]
        inputs = width
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(512 * 9, 512), nn.ReLU(), nn.Linear(512, 100)
    )


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and a shortcut."""

    def __init__(
        self, inputs: int, inner: int, outputs: int, stride: int, groups: int = 1, excite: int = 0
    ) -> None:
        super().__init__()
        parts = [activated(inputs, inner, 1), activated(inner, inner, 3, stride, groups)]
        parts += [Gate(inner, excite)] if excite else []
        self.body = nn.Sequential(*parts, *convolution(inner, outputs, 1))
        same = stride == 1 and inputs == outputs
        shortcut = [nn.Identity()] if same else convolution(inputs, outputs, 1, stride)
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Gate(nn.Module):
    """Squeeze and excite, of Hu et al., 2017."""

    def __init__(self, channels: int, inner: int, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.narrow, self.widen = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        y = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.widen(self.activation(self.narrow(y))))


def residual(blocks: tuple[tuple, ...], stem: int) -> nn.Module:
    """Stages of bottlenecks: (how many, inner width, outputs, stride, groups, excite)."""
    layers: list[nn.Module] = [activated(3, stem, 7, 2), nn.MaxPool2d(3, 2, 1)]
    inputs = stem
    for count, inner, outputs, stride, groups, excite in blocks:
        for i in range(count):
            first = stride if i == 0 else 1
            layers.append(Bottleneck(inputs, inner, outputs, first, groups, excite))
            inputs = outputs
    return nn.Sequential(*layers, *head(inputs))


@network(image(160))
def resnet50() -> nn.Module:
    """He et al., 2015."""
    return residual(
        (
            *((3, 64, 256, 1, 1, 0), (4, 128, 512, 2, 1, 0)),
            *((6, 256, 1024, 2, 1, 0), (3, 512, 2048, 2, 1, 0)),
        ),
        stem=64,
    )


@network(image(128))
def resnext() -> nn.Module:
    """Xie et al., 2016: bottlenecks in 32 groups."""
    stages = ((2, 128, 256, 1, 32, 0), (2, 256, 512, 2, 32, 0), (2, 512, 1024, 2, 32, 0))
    return residual(stages, stem=64)


@network(image(128))
def regnet_y() -> nn.Module:
    """Radosavovic et al., 2020: groups of 8 channels, squeeze and excite."""
    stages = ((1, 48, 48, 1, 6, 8), (3, 104, 104, 2, 13, 12), (6, 208, 208, 2, 26, 26))
    return residual(stages, stem=32)


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(used(nn.BatchNorm2d(inputs)), nn.ReLU(), activated(inputs, 4 * growth, 1)),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], 1)


@network(image(128))
def densenet() -> nn.Module:
    """Huang et al., 2016: every layer reads all before it."""
    layers: list[nn.Module] = [activated(3, 32, 7, 2), nn.MaxPool2d(3, 2, 1)]
    channels = 32
    for count in (4, 6, 8):
        for _ in range(count):
            layers.append(DenseLayer(channels, 16))
            channels += 16
        layers += [activated(channels, channels // 2, 1), nn.AvgPool2d(2)]
        channels //= 2
    return nn.Sequential(*layers, *head(channels))


class Fire(nn.Module):
    def __init__(self, inputs: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, narrow, 1)
        self.ones, self.threes = nn.Conv2d(narrow, wide, 1), nn.Conv2d(narrow, wide, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.ones(x)), torch.relu(self.threes(x))], 1)


@network(image(224))
def squeezenet() -> nn.Module:
    """Iandola et al., 2016, version 1.1."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(Fire(64, 16, 64), Fire(128, 16, 64), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(Fire(128, 32, 128), Fire(256, 32, 128), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
        *(nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )


class ShuffleUnit(nn.Module):
    """Half of the channels is left alone, then both halves are shuffled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(
            activated(half, half, 1),
            *convolution(half, half, 3, groups=half),
            activated(half, half, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, dim=1)
        return shuffled(torch.cat([kept, self.body(changed)], 1))


class ShuffleDown(nn.Module):
    """Both branches halve the picture."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.left = nn.Sequential(
            *convolution(inputs, inputs, 3, 2, inputs), activated(inputs, half, 1)
        )
        self.right = nn.Sequential(
            activated(inputs, half, 1),
            *convolution(half, half, 3, 2, half),
            activated(half, half, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return shuffled(torch.cat([self.left(x), self.right(x)], 1))


def shuffled(x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    x = x.view(n, 2, channels // 2, height, width).transpose(1, 2).contiguous()
    return x.view(n, channels, height, width)


@network(image(224))
def shufflenet_v2() -> nn.Module:
    """Ma et al., 2018."""
    layers: list[nn.Module] = [activated(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)]
    inputs = 24
    for count, outputs in ((4, 116), (8, 232), (4, 464)):
        layers += [ShuffleDown(inputs, outputs), *(ShuffleUnit(outputs) for _ in range(count - 1))]
        inputs = outputs
    return nn.Sequential(*layers, activated(464, 1024, 1), *head(1024))


class Inverted(nn.Module):
    """Widen, convolve each channel alone, narrow; of MobileNetV2 and EfficientNet."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        widen: int,
        activation: type[nn.Module],
        excite: bool,
    ) -> None:
        super().__init__()
        inner = inputs * widen
        parts = [activated(inputs, inner, 1, activation=activation)] if widen > 1 else []
        parts.append(activated(inner, inner, kernel, stride, inner, activation=activation))
        parts += [Gate(inner, max(1, inputs // 4), activation)] if excite else []
        self.body = nn.Sequential(*parts, *convolution(inner, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.adds else self.body(x)


def inverted(
    rows: tuple[tuple, ...], last: int, activation: type[nn.Module], excite: bool
) -> nn.Module:
    """Rows of (widen, outputs, how many, stride, kernel)."""
    layers: list[nn.Module] = [activated(3, 32, 3, 2, activation=activation)]
    inputs = 32
    for widen, outputs, count, stride, kernel in rows:
        for i in range(count):
            first = stride if i == 0 else 1
            layers.append(Inverted(inputs, outputs, kernel, first, widen, activation, excite))
            inputs = outputs
    layers.append(activated(inputs, last, 1, activation=activation))
    return nn.Sequential(*layers, *head(last))


@network(image(224))
def mobilenet_v2() -> nn.Module:
    """Sandler et al., 2018."""
    rows = (
        *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3)),
        *((6, 96, 3, 1, 3), (6, 160, 3, 2, 3), (6, 320, 1, 1, 3)),
    )
    return inverted(rows, 1280, nn.ReLU6, excite=False)


@network(image(224))
def efficientnet_b0() -> nn.Module:
    """Tan and Le, 2019."""
    rows = (
        *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)),
        *((6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
    )
    return inverted(rows, 1280, nn.SiLU, excite=True)


@network(image(192))
def mobilenet_v1() -> nn.Module:
    """Howard et al., 2017: each channel alone, then all of a pixel."""
    layers: list[nn.Module] = [activated(3, 32, 3, 2)]
    inputs = 32
    for outputs, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers += [activated(inputs, inputs, 3, stride, inputs), activated(inputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, *head(inputs))


@network(image(224))
def mobilenet_v3_rows() -> nn.Module:
    """Howard et al., 2019: the first rows of the large one."""
    rows = (
        *((16, 3, 16, 16, False, False, 1), (16, 3, 64, 24, False, False, 2)),
        *((24, 5, 72, 40, True, False, 2), (40, 5, 120, 40, True, False, 1)),
        *((40, 3, 240, 80, False, True, 2), (80, 3, 200, 80, False, True, 1)),
        *((80, 3, 480, 112, True, True, 1), (112, 5, 672, 160, True, True, 2)),
    )
    stem = activated(3, 16, 3, 2, activation=nn.Hardswish)
    return nn.Sequential(stem, *(InvertedResidual(*row) for row in rows), *head(160))


class Inception(nn.Module):
    """Branches side by side, of Szegedy et al., 2014."""

    def __init__(self, inputs: int, one: int, three: tuple, five: tuple, pooled: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([
            activated(inputs, one, 1),
            nn.Sequential(activated(inputs, three[0], 1), activated(*three, 3)),
            nn.Sequential(activated(inputs, five[0], 1), activated(*five, 5)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), activated(inputs, pooled, 1)),
        ])  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


@network(image(160))
def googlenet() -> nn.Module:
    """Szegedy et al., 2014."""
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(
        *(activated(3, 64, 7, 2), pool, activated(64, 64, 1), activated(64, 192, 3), pool),
        *(
            Inception(192, 64, (96, 128), (16, 32), 32),
            Inception(256, 128, (128, 192), (32, 96), 64),
        ),
        *(pool, Inception(480, 192, (96, 208), (16, 48), 64)),
        *(Inception(512, 160, (112, 224), (24, 64), 64), pool),
        *(Inception(512, 256, (160, 320), (32, 128), 128), nn.Dropout(0.4), *head(832)),
    )


class Factorised(nn.Module):
    """7x7 as 1x7 and 7x1, and an average, of Szegedy et al., 2015."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        sides = ((inner, inner, (1, 7), 1, (0, 3)), (inner, channels // 2, (7, 1), 1, (3, 0)))
        self.long = nn.Sequential(
            activated(channels, inner, 1), *(m for s in sides for m in (nn.Conv2d(*s), nn.ReLU()))
        )
        self.pooled = activated(channels, channels // 4, 1)
        self.one = activated(channels, channels // 4, 1)
        self.average = nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.long(x), self.pooled(self.average(x))], 1)


@network(image(149))
def inception_v3() -> nn.Module:
    """Szegedy et al., 2015: its stem and its middle, at an odd size."""
    stem = (
        activated(3, 32, 3, 2),
        activated(32, 64, 3),
        nn.MaxPool2d(3, 2),
        activated(64, 192, 3, 2),
    )
    return nn.Sequential(*stem, *(Factorised(192, 96) for _ in range(4)), *head(192))


class ConvNeXtBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.rest = nn.Sequential(
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
        )
        self.scale = nn.Parameter(torch.rand(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.scale * self.rest(self.conv(x).permute(0, 2, 3, 1))
        return x + y.permute(0, 3, 1, 2)


class ChannelNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@network(image(128))
def convnext() -> nn.Module:
    """Liu et al., 2022, of half the width."""
    layers: list[nn.Module] = [nn.Conv2d(3, 48, 4, 4), ChannelNorm(48)]
    for width, count in ((48, 2), (96, 2), (192, 4), (384, 2)):
        layers += [ConvNeXtBlock(width) for _ in range(count)]
        if width < 384:
            layers += [ChannelNorm(width), nn.Conv2d(width, 2 * width, 2, 2)]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(384), nn.Linear(384, 1000)
    )
