"""Image models that a trace keeps whole."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hazards.registry import clean


class _BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.shortcut is None else self.shortcut(x)
        out = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(out + identity)


@clean(lambda n: torch.randn(n, 3, 12, 12))
class ResNet(nn.Module):
    """Residual blocks, adaptive pooling and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(3, 2, 1))
        self.blocks = nn.Sequential(_BasicBlock(4, 4), _BasicBlock(4, 8, 2))
        self.pool, self.head = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


@clean(lambda n: torch.randn(n, 3, 8 + n, 13))
class UNet(nn.Module):
    """The decoder is brought to the size of its skip, whatever that is."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, padding=1)
        self.bottom = nn.Conv2d(4, 4, 3, padding=1)
        self.up = nn.Conv2d(8, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skip = F.relu(self.down(x))
        deep = F.relu(self.bottom(F.max_pool2d(skip, 2)))
        deep = F.interpolate(deep, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return self.up(torch.cat([skip, deep], 1))


@clean(lambda n: torch.randn(n, 3, 6, 6))
class CheckedConv(nn.Module):
    """Checks of the shape, not of the data."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4:
            raise ValueError(f"expected 4 dimensions, got {x.dim()}")
        if x.shape[1] != self.conv.in_channels:
            raise ValueError(f"expected 3 channels, got {x.shape[1]}")
        if not x.is_floating_point():
            raise TypeError(f"expected floating point, got {x.dtype}")
        out = self.conv(x).flatten(2).mean(-1)
        assert out.shape[1] == self.conv.out_channels
        return out


@clean(lambda n: torch.randn(n, 8, 5, 5))
class SqueezeExcite(nn.Module):
    """Channels weighted by their own mean."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = x.mean((2, 3), keepdim=True)
        return x * self.expand(F.silu(self.reduce(scale))).sigmoid()


@clean(lambda n: torch.randn(n, 6, 9, 9))
class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, channels-last norm, layer scale."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(6, 6, 7, padding=3, groups=6)
        self.norm = nn.LayerNorm(6)
        self.wide, self.narrow = nn.Linear(6, 24), nn.Linear(24, 6)
        self.gamma = nn.Parameter(torch.full((6,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        out = self.gamma * self.narrow(F.gelu(self.wide(out)))
        return x + out.permute(0, 3, 1, 2)


@clean(lambda n: torch.randn(n, 8, 4, 4))
class Norms(nn.Module):
    """Batch, group and instance norm in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.batch, self.group = nn.BatchNorm2d(8), nn.GroupNorm(2, 8)
        self.instance = nn.InstanceNorm2d(8, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.instance(self.group(self.batch(x)))


@clean(lambda n: torch.randn(n, 6, 4, 4))
class DetectionHead(nn.Module):
    """The five best places and their boxes, without a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.scores, self.boxes = nn.Conv2d(6, 1, 1), nn.Conv2d(6, 4, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.scores(features).sigmoid().flatten(1)
        boxes = self.boxes(features).flatten(2).transpose(1, 2)
        best, place = scores.topk(5)
        return best, boxes.gather(1, place.unsqueeze(-1).expand(-1, -1, 4))


@clean(lambda n: torch.randn(n, 3, 12, 12))
class FeatureMaps(nn.Module):
    """A backbone that returns the list of its stages."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.Conv2d(3, 3, 3, 2, 1) for _ in range(3))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = F.relu(stage(x))
            maps.append(x)
        return maps


@clean(lambda n: torch.randn(n, 3, 8, 8))
class VisionTransformer(nn.Module):
    """Patches, a class token, positions and one block of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 5, 8))
        self.norm, self.qkv = nn.LayerNorm(8), nn.Linear(8, 24)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        return (x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))[:, 0]
