"""Networks for images and point clouds, written small, with random weights."""

import torch
from torch import nn
from torch.nn import functional as F

from exported.inputs import floats
from exported.networks_language import RmsNorm, SelfAttention, feed_forward, heads, joined
from exported.norms import trained
from exported.registry import DYNAMIC, ROWS, family

case = family("vision")
SIZED = ({0: DYNAMIC, 2: DYNAMIC, 3: DYNAMIC},)


def images(n: int, h: int = 32, w: int = 32) -> tuple:
    return (floats(n, 3, h, w),)


def convolution(inputs: int, outputs: int, kernel: int = 3, activation=nn.ReLU, **options):
    """A convolution that keeps sizes but for its stride, normalised and activated."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options)
    return nn.Sequential(conv, trained(nn.BatchNorm2d(outputs)), activation())


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(inputs, outputs, stride=stride),
            convolution(outputs, outputs, activation=nn.Identity),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


@case(images, at=((2, 32, 32), (3, 40, 24), (1, 17, 19)), dynamic=SIZED, factory=True,
      decomposed=True)  # fmt: skip
def small_resnet():
    """He et al., 2015."""
    return nn.Sequential(
        *(convolution(3, 8, 7, stride=2), nn.MaxPool2d(3, 2, 1)),
        *(Residual(8, 8, 1), Residual(8, 16, 2), Residual(16, 16, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
    )


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, gate=nn.Sigmoid) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            *(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 4, 1), nn.SiLU()),
            *(nn.Conv2d(4, channels, 1), gate()),
        )

    def forward(self, x):
        return x * self.gate(x)


class InvertedBottleneck(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, activation, gate) -> None:
        super().__init__()
        inner = 2 * inputs
        self.body = nn.Sequential(
            convolution(inputs, inner, 1, activation),
            convolution(inner, inner, 5, activation, stride=stride, groups=inner),
            *(SqueezeExcite(inner, gate), convolution(inner, outputs, 1, nn.Identity)),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.adds else self.body(x)


def inverted(activation, gate) -> nn.Module:
    return nn.Sequential(
        convolution(3, 8, 3, activation, stride=2),
        InvertedBottleneck(8, 8, 1, activation, gate),
        InvertedBottleneck(8, 12, 2, activation, gate),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(12, 10)),
    )


@case(images, at=((2, 32, 32), (1, 24, 40)), dynamic=SIZED, factory=True)
def small_mobilenet():
    """Howard et al., 2019."""
    return inverted(nn.Hardswish, nn.Hardsigmoid)


@case(images, at=((2, 32, 32), (1, 24, 40)), dynamic=SIZED, factory=True, decomposed=True)
def small_efficientnet():
    """Tan and Le, 2019."""
    return inverted(nn.SiLU, nn.Sigmoid)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of images."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.rest = nn.Sequential(nn.LayerNorm(width, eps=1e-6), feed_forward(width))
        self.scale = nn.Parameter(floats(width))

    def forward(self, x):
        y = self.rest(self.conv(x).permute(0, 2, 3, 1)) * self.scale
        return x + y.permute(0, 3, 1, 2)


@case(images, at=((2, 32, 32), (3, 40, 24)), dynamic=SIZED, factory=True)
def small_convnext():
    """Liu et al., 2022."""
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 4, 4), ChannelNorm(8), ConvNeXtBlock(8)),
        *(ChannelNorm(8), nn.Conv2d(8, 12, 2, 2), ConvNeXtBlock(12)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(12), nn.Linear(12, 10)),
    )


class EncoderLayer(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.attention, self.inner = SelfAttention(width), feed_forward(width)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, x):
        x = x + self.attention(self.norms[0](x))
        return x + self.inner(self.norms[1](x))


@case(images, at=(2, 5), dynamic=ROWS, decomposed=True)
class VisionTransformer(nn.Module):
    """Dosovitskiy et al., 2020."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.first = nn.Parameter(floats(1, 1, 16))
        self.places = nn.Parameter(floats(1, 17, 16))
        self.layers = nn.Sequential(EncoderLayer(), EncoderLayer(), nn.LayerNorm(16))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.size(0), -1, -1), x], dim=1) + self.places
        return self.head(self.layers(x)[:, 0])


class WindowAttention(nn.Module):
    """Attention within windows of 4 by 4, which may be shifted by 2."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift, self.attention = shift, SelfAttention(8)
        self.norm, self.bias = nn.LayerNorm(8), nn.Parameter(floats(49, 2))
        at = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        apart = (at[:, :, None] - at[:, None, :] + 3).permute(1, 2, 0)
        self.register_buffer("index", apart[..., 0] * 7 + apart[..., 1])

    def forward(self, x):
        n, h, w, c = x.shape
        y = self.norm(x)
        y = torch.roll(y, (-self.shift, -self.shift), (1, 2)) if self.shift else y
        y = y.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        y = self.attention(y, self.bias[self.index].permute(2, 0, 1))
        y = y.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return x + (torch.roll(y, (self.shift, self.shift), (1, 2)) if self.shift else y)


@case(images, at=(2, 3), dynamic=ROWS)
class Swin(nn.Module):
    """Liu et al., 2021: windows, shifted windows, merged patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.windows = nn.Sequential(WindowAttention(0), WindowAttention(2))
        self.merge, self.head = nn.Linear(32, 16, bias=False), nn.Linear(16, 10)

    def forward(self, x):
        x = self.windows(self.patches(x).permute(0, 2, 3, 1))
        parts = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return self.head(self.merge(torch.cat(parts, -1)).mean((1, 2)))


@case(images, at=((2, 16, 24), (1, 32, 8)), dynamic=SIZED, decomposed=True)
class UNet(nn.Module):
    """Ronneberger et al., 2015."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([convolution(3, 4), convolution(4, 8), convolution(8, 16)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(16, 8, 2, 2), nn.ConvTranspose2d(8, 4, 2, 2)])
        self.join = nn.ModuleList([convolution(16, 8), convolution(8, 4)])
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        a = self.down[0](x)
        b = self.down[1](F.max_pool2d(a, 2))
        c = self.down[2](F.max_pool2d(b, 2))
        b = self.join[0](torch.cat([self.up[0](c)[..., : b.size(2), : b.size(3)], b], 1))
        a = self.join[1](torch.cat([self.up[1](b)[..., : a.size(2), : a.size(3)], a], 1))
        return self.head(a).softmax(1)


@case(images, at=((2, 32, 32), (3, 48, 32)), dynamic=SIZED)
class FeaturePyramid(nn.Module):
    """Lin et al., 2017: maps of three sizes, the coarse ones resized and added to the fine ones."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(convolution(i, o, stride=2) for i, o in ((3, 4), (4, 6), (6, 8)))
        self.sides = nn.ModuleList(nn.Conv2d(i, 4, 1) for i in (4, 6, 8))

    def forward(self, x):
        maps = []
        for step in self.steps:
            x = step(x)
            maps.append(x)
        y = self.sides[2](maps[2])
        results = {"2": y}
        for i in (1, 0):
            y = self.sides[i](maps[i]) + F.interpolate(y, size=maps[i].shape[-2:], mode="nearest")
            results[str(i)] = y
        return results


@case(images, at=(2, 4), dynamic=ROWS)
class Detr(nn.Module):
    """Carion et al., 2020: queries for objects attend to an image; boxes as corners."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(3, 8, stride=4), nn.Conv2d(8, 16, 1))
        self.rows, self.columns = nn.Parameter(floats(8, 8)), nn.Parameter(floats(8, 8))
        self.queries = nn.Parameter(floats(5, 16))
        self.encoder, self.own, self.cross = EncoderLayer(), SelfAttention(), SelfAttention()
        self.kinds, self.boxes = nn.Linear(16, 4), nn.Sequential(feed_forward(16), nn.Linear(16, 4))

    def forward(self, x):
        x = self.body(x)
        h, w = x.shape[-2:]
        columns = self.columns[:w].unsqueeze(0).repeat(h, 1, 1)
        rows = self.rows[:h].unsqueeze(1).repeat(1, w, 1)
        places = torch.cat([columns, rows], dim=-1).flatten(0, 1)
        memory = self.encoder(x.flatten(2).mT + places)
        q = self.queries.unsqueeze(0).repeat(x.size(0), 1, 1)
        q = q + self.own(q)
        q = q + self.cross(q, memory=memory)
        cx, cy, width, height = self.boxes(q).sigmoid().unbind(-1)
        corners = [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]
        return {"logits": self.kinds(q), "boxes": torch.stack(corners, -1)}


@case(images, at=(2, 3), dynamic=ROWS)
class Detector(nn.Module):
    """What is better than a threshold, as many boxes as there are."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(3, 8, stride=4), nn.Conv2d(8, 5, 3, padding=1))

    def forward(self, x):
        y = self.body(x).permute(0, 2, 3, 1).flatten(1, 2)
        scores, boxes = y[..., 0].sigmoid(), y[..., 1:]
        found = scores > 0.6
        return scores[found], boxes[found], found.nonzero()[:, 0]


@case(lambda n: (floats(n, 1, 16, 20),), at=(2, 3), dynamic=ROWS)
class Crnn(nn.Module):
    """Shi et al., 2015: convolutions and an LSTM read a line of text."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(1, 4), nn.MaxPool2d(2), convolution(4, 6))
        self.lstm, self.head = nn.LSTM(48, 8, bidirectional=True), nn.Linear(16, 11)

    def forward(self, x):
        y = F.max_pool2d(self.body(x), (1, 2)).permute(3, 0, 1, 2).flatten(2)
        return self.head(self.lstm(y)[0]).log_softmax(-1)


@case(images, at=(2, 4), dynamic=ROWS, factory=True, decomposed=True)
def autoencoder():
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(6, 8, 3, 2, 1), nn.ELU()),
        *(nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.GroupNorm(2, 6), nn.ReLU()),
        *(nn.ConvTranspose2d(6, 3, 3, 2, 1, output_padding=1), nn.Tanh()),
    )


@case(lambda n: (floats(n, 1, 8, 8), floats(n, 4)), at=(2, 5), dynamic=ROWS * 2)
class VariationalAutoencoder(nn.Module):
    """Kingma and Welling, 2013; the noise is an argument."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 8))
        self.decoder = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 64), nn.Sigmoid())

    def forward(self, x, noise):
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        z = mean + noise * torch.exp(0.5 * log_var)
        loss = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp(), dim=1)
        return self.decoder(z).view_as(x), mean, loss


@case(lambda n, p: (floats(n, p, 3),), at=((2, 10), (1, 17)), dynamic=({0: DYNAMIC, 1: DYNAMIC},))
class PointNet(nn.Module):
    """Qi et al., 2017: a transform of the points that they decide on, then a maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 9))
        self.points = nn.Sequential(nn.Conv1d(3, 8, 1), trained(nn.BatchNorm1d(8)), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        turn = self.turn(x).amax(1).view(-1, 3, 3) + torch.eye(3)
        y = self.points((x @ turn).mT)
        return self.head(y.amax(2)), y.argmax(2)


@case(lambda n, r: (floats(n, r, 3), floats(n, 3)), at=((3, 6), (2, 9)),
      dynamic=({0: DYNAMIC, 1: DYNAMIC}, {0: DYNAMIC}), decomposed=True)  # fmt: skip
class Nerf(nn.Module):
    """Mildenhall et al., 2020: sines of positions, densities, a transmittance along each ray."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("octaves", 2.0 ** torch.arange(4))
        self.body = nn.Sequential(nn.Linear(27, 16), nn.ReLU(), nn.Linear(16, 17))
        self.colour = nn.Sequential(nn.Linear(19, 8), nn.ReLU(), nn.Linear(8, 3), nn.Sigmoid())

    def forward(self, points, direction):
        angles = (points.unsqueeze(-1) * self.octaves).flatten(-2)
        y = self.body(torch.cat([points, angles.sin(), angles.cos()], -1))
        towards = direction[:, None].expand(-1, points.size(1), -1)
        colour = self.colour(torch.cat([y[..., 1:], towards], -1))
        opaque = 1 - torch.exp(-F.relu(y[..., 0]) * 0.1)
        clear = torch.cumprod(F.pad(1 - opaque, (1, 0), value=1.0), -1)[..., :-1]
        weights = opaque * clear
        return (weights.unsqueeze(-1) * colour).sum(1), weights


@case(lambda n, t: (floats(n, t, 12), floats(n, 3, 16, 16)), at=((2, 9), (3, 4)),
      dynamic=({0: DYNAMIC, 1: DYNAMIC}, {0: DYNAMIC}))  # fmt: skip
class Perceiver(nn.Module):
    """Jaegle et al., 2021: a few latents read text and image alike."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(floats(4, 16))
        self.text, self.pixels = nn.Linear(12, 16), nn.Linear(48, 16)
        self.norm, self.q, self.kv = RmsNorm(16), nn.Linear(16, 16), nn.Linear(16, 32)
        self.layer = EncoderLayer()

    def forward(self, text, image):
        patches = image.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5)
        patches = patches.flatten(3).flatten(1, 2)
        memory = self.norm(torch.cat([self.text(text), self.pixels(patches)], 1))
        x = self.latents.expand(text.size(0), -1, -1)
        k, v = self.kv(memory).chunk(2, -1)
        read = F.scaled_dot_product_attention(heads(self.q(x), 2), heads(k, 2), heads(v, 2))
        return self.layer(x + joined(read)).mean(1)
