"""Pictures to pictures, maps and boxes, and networks that read a picture patch by patch."""

import torch
from networks import EncoderLayer, convolution
from torch import Tensor, nn
from torch.nn import functional as F

from architectures.recognition import Bottleneck, activated, head
from architectures.registry import image, network, normal


def twice(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(activated(inputs, outputs, 3), activated(outputs, outputs, 3))


@network(image(128, channels=1))
class UNet(nn.Module):
    """Ronneberger et al., 2015."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 64, 128)
        self.down = nn.ModuleList(twice(i, o) for i, o in zip((1, *widths), widths, strict=False))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, 2) for i, o in pairs)
        self.join = nn.ModuleList(twice(i, o) for i, o in pairs)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for step in self.down:
            x = step(F.max_pool2d(x, 2) if kept else x)
            kept.append(x)
        for up, join, before in zip(self.up, self.join, kept[-2::-1], strict=True):
            x = join(torch.cat([up(x), before], 1))
        return self.head(x)


class Dilated(nn.Module):
    """A 3x3 convolution with gaps, of the same size."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))


@network(image(160))
class DeepLabV3(nn.Module):
    """Chen et al., 2017: dilated branches, a pooled one, resized to the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(activated(3, 32, 7, 2), nn.MaxPool2d(3, 2, 1), Bottleneck(32, 32, 128, 1)),
            *(Bottleneck(128, 64, 256, 2), Dilated(256, 128, 2)),
        )
        self.branches = nn.ModuleList(
            [activated(128, 64, 1), *(Dilated(128, 64, d) for d in (6, 12, 18))]
        )
        self.pooled = nn.Conv2d(128, 64, 1)
        self.join, self.head = activated(320, 64, 1), nn.Conv2d(64, 21, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        pooled = torch.relu(self.pooled(F.adaptive_avg_pool2d(y, 1)))
        pooled = F.interpolate(pooled, size=y.shape[-2:], mode="bilinear", align_corners=False)
        y = self.head(self.join(torch.cat([*(branch(y) for branch in self.branches), pooled], 1)))
        return F.interpolate(y, size=x.shape[-2:], mode="bilinear", align_corners=False)


class CrossStage(nn.Module):
    """Half of the channels go through residual blocks, of Wang et al., 2019."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.left, self.right = silu(channels, half, 1), silu(channels, half, 1)
        self.inner = nn.Sequential(silu(half, half, 1), silu(half, half, 3))
        self.join = silu(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.left(x)
        return self.join(torch.cat([y + self.inner(y), self.right(x)], 1))


def silu(*arguments: int) -> nn.Sequential:
    return activated(*arguments, activation=nn.SiLU)


@network(image(192))
class Yolo(nn.Module):
    """Redmon et al., 2016, as later versions have it: two maps, joined, and boxes of both."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(silu(3, 16, 3, 2), silu(16, 32, 3, 2), CrossStage(32))
        self.fine = nn.Sequential(
            silu(32, 64, 3, 2), CrossStage(64), silu(64, 128, 3, 2), CrossStage(128)
        )
        self.coarse = nn.Sequential(silu(128, 256, 3, 2), CrossStage(256))
        self.pools = nn.MaxPool2d(5, 1, 2)
        self.pyramid = silu(768, 128, 1)
        self.join = nn.Sequential(silu(256, 128, 1), CrossStage(128))
        self.heads = nn.ModuleList(nn.Conv2d(128, 85, 1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(self.stem(x))
        coarse = self.coarse(fine)
        pooled = self.pools(coarse)
        coarse = self.pyramid(torch.cat([coarse, pooled, self.pools(pooled)], 1))
        up = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        maps = self.heads[0](self.join(torch.cat([up, fine], 1))), self.heads[1](coarse)
        found = torch.cat([part.flatten(2) for part in maps], 2).transpose(1, 2)
        centres, sizes, scores = found.split([2, 2, 81], dim=2)
        return torch.cat(
            [centres.sigmoid() * 2 - 0.5, (sizes.sigmoid() * 2) ** 2, scores.sigmoid()], 2
        )


@network(image(96))
def super_resolution() -> nn.Module:
    """Shi et al., 2016: channels become pixels."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 5, padding=2), nn.Tanh(), nn.Conv2d(64, 32, 3, padding=1), nn.Tanh()),
        *(nn.Conv2d(32, 27, 3, padding=1), nn.PixelShuffle(3), nn.Sigmoid()),
    )


class StyleResidual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        conv = (nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3))
        norm = nn.InstanceNorm2d(channels, affine=True)
        self.body = nn.Sequential(*conv, norm, nn.ReLU(), *conv, norm)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


@network(image(96))
def style_transfer() -> nn.Module:
    """Johnson et al., 2016."""
    return nn.Sequential(
        *(
            nn.ReflectionPad2d(4),
            nn.Conv2d(3, 16, 9),
            nn.InstanceNorm2d(16, affine=True),
            nn.ReLU(),
        ),
        *(nn.Conv2d(16, 32, 3, 2, 1), nn.InstanceNorm2d(32, affine=True), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, 2, 1), nn.InstanceNorm2d(64, affine=True), nn.ReLU()),
        *(StyleResidual(64) for _ in range(3)),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(64, 32, 3, padding=1), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(32, 3, 9, padding=4), nn.Tanh()),
    )


@network(image(96))
def convolutional_autoencoder() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(32, 64, 3, 2, 1), nn.ELU()),
        *(nn.Conv2d(64, 128, 3, 2, 1), nn.GELU()),
        *(nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.GroupNorm(8, 64), nn.ReLU()),
        *(nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.GroupNorm(4, 32), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 3, 3, 2, 1, output_padding=1), nn.Tanh()),
    )


@network(normal(1, 100, 1, 1))
def dcgan() -> nn.Module:
    """Radford et al., 2015: a picture out of noise."""
    layers: list[nn.Module] = []
    for inputs, outputs, stride in ((100, 256, 1), (256, 128, 2), (128, 64, 2), (64, 32, 2)):
        conv = nn.ConvTranspose2d(inputs, outputs, 4, stride, stride - 1, bias=False)
        layers += [conv, convolution(outputs, outputs, 1)[1], nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh())


@network(image(128))
class VisionTransformer(nn.Module):
    """Dosovitskiy et al., 2020, of the tiny width."""

    def __init__(self, width: int = 192) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, 65, width))
        self.layers = nn.Sequential(*(EncoderLayer(width, 3, 4 * width) for _ in range(6)))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.layers(x))[:, 0])


class Window(nn.Module):
    """Attention within windows of 7 by 7, which may be shifted by 3."""

    def __init__(self, width: int, count: int, shift: int) -> None:
        super().__init__()
        self.shift, self.layer = shift, EncoderLayer(width, count, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, c = x.shape
        x = torch.roll(x, (-self.shift, -self.shift), (1, 2)) if self.shift else x
        x = x.view(n, h // 7, 7, w // 7, 7, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 49, c)
        x = (
            self.layer(x)
            .view(n, h // 7, w // 7, 7, 7, c)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(n, h, w, c)
        )
        return torch.roll(x, (self.shift, self.shift), (1, 2)) if self.shift else x


@network(image(112))
class Swin(nn.Module):
    """Liu et al., 2021: windows, shifted windows, merged patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 96, 4, 4)
        self.first = nn.Sequential(Window(96, 3, 0), Window(96, 3, 3))
        self.merge = nn.Sequential(nn.LayerNorm(384), nn.Linear(384, 192, bias=False))
        self.second = nn.Sequential(Window(192, 6, 0), Window(192, 6, 3))
        self.head = nn.Linear(192, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.patches(x).permute(0, 2, 3, 1))
        x = self.merge(torch.cat([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1))
        return self.head(self.second(x).mean((1, 2)))


class MixerLayer(nn.Module):
    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.tokens = nn.Sequential(nn.Linear(tokens, 128), nn.GELU(), nn.Linear(128, tokens))
        self.channels = nn.Sequential(nn.Linear(width, 1024), nn.GELU(), nn.Linear(1024, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norms[1](x))


@network(image(128))
class MlpMixer(nn.Module):
    """Tolstikhin et al., 2021."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 256, 16, 16)
        self.layers = nn.Sequential(*(MixerLayer(64, 256) for _ in range(4)), nn.LayerNorm(256))
        self.head = nn.Linear(256, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


@network(image(112))
def conv_mixer() -> nn.Module:
    """Trockman and Kolter, 2022."""

    class Around(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, x: Tensor) -> Tensor:
            return x + self.body(x)

    gelu = {"activation": nn.GELU}
    layers = [nn.Conv2d(3, 128, 7, 7), nn.GELU()]
    for _ in range(6):
        layers += [Around(activated(128, 128, 9, 1, 128, **gelu)), activated(128, 128, 1, **gelu)]
    return nn.Sequential(*layers, *head(128))
