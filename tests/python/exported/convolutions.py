"""Convolutions, pooling and resampling."""

import torch
from torch import nn
from torch.nn import functional as F

from exported.inputs import floats
from exported.registry import DYNAMIC, ROWS, family

case = family("convolutions")


class Several(nn.Module):
    """What each part makes of the same input."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        return tuple(part(x) for part in self.parts)


SIZED_2D = ({0: DYNAMIC, 2: DYNAMIC, 3: DYNAMIC},)


@case(lambda n, t: (floats(n, 4, t),), at=((2, 12), (3, 17)), dynamic=({0: DYNAMIC, 2: DYNAMIC},),
      factory=True, decomposed=True)  # fmt: skip
def convolutions_1d():
    return Several(
        *(nn.Conv1d(4, 6, 3), nn.Conv1d(4, 6, 3, stride=2, padding=1), nn.Conv1d(4, 4, 1)),
        *(nn.Conv1d(4, 8, 3, groups=4, bias=False), nn.Conv1d(4, 6, 3, dilation=2)),
        *(nn.Conv1d(4, 6, 3, padding="same"), nn.Conv1d(4, 6, 4, padding="valid")),
        *(nn.Conv1d(4, 6, 3, padding=1, padding_mode="circular"), nn.Conv1d(4, 2, 5, padding=4)),
    )


@case(
    lambda n, h, w: (floats(n, 4, h, w),), at=((2, 8, 9), (3, 11, 7)), dynamic=SIZED_2D,
    factory=True, decomposed=True,
)  # fmt: skip
def convolutions_2d():
    return Several(
        *(nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Conv2d(4, 6, 1)),
        *(nn.Conv2d(4, 8, 3, groups=2), nn.Conv2d(4, 4, 3, groups=4, bias=False)),
        *(nn.Conv2d(4, 6, 3, dilation=2), nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0))),
        *(nn.Conv2d(4, 6, 3, padding="same"), nn.Conv2d(4, 6, 3, padding="same", dilation=2)),
        *(nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),),
        *(nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate"),),
    )


@case(lambda n: (floats(n, 2, 5, 6, 4),), at=(2, 3), dynamic=ROWS, factory=True, decomposed=True)
def convolutions_3d():
    return Several(
        *(nn.Conv3d(2, 4, 3), nn.Conv3d(2, 4, 2, stride=2), nn.Conv3d(2, 2, 3, padding=1)),
        *(nn.Conv3d(2, 4, (1, 3, 3), groups=2), nn.ConvTranspose3d(2, 3, 2, stride=2)),
    )


@case(lambda n: (floats(n, 4, 5, 6),), at=(2, 3), dynamic=ROWS, factory=True, decomposed=True)
def transposed_convolutions():
    return Several(
        *(nn.ConvTranspose2d(4, 6, 3), nn.ConvTranspose2d(4, 6, 2, stride=2)),
        *(nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),),
        *(nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False),),
        nn.ConvTranspose2d(4, 3, 3, dilation=2),
    )


@case(lambda n: (floats(n, 4, 8),), at=(2, 3), dynamic=ROWS, factory=True)
def transposed_convolutions_1d():
    return Several(
        nn.ConvTranspose1d(4, 6, 3), nn.ConvTranspose1d(4, 6, 4, stride=2, padding=1, groups=2)
    )


@case(lambda: (floats(4, 6, 6), floats(3, 4, 3, 3), floats(3)))
def functional_convolutions(x, w, b):
    return (
        *(F.conv2d(x, w, b), F.conv2d(x[None], w, None, 2, 1), F.conv2d(x, w, padding="same")),
        *(F.conv1d(x[:, 0], w[:, :, 0], b), F.conv_transpose2d(x[None, :3], w), F.conv_tbc(
            x[:, :, :4], w[0, :, 0].reshape(3, 4, 1).contiguous(), b[:1])),
    )  # fmt: skip


@case(lambda dtype: (floats(2, 4, 6, 6, dtype=dtype), floats(3, 4, 3, 3, dtype=dtype)),
      dtypes=(torch.float64, torch.float16, torch.bfloat16))  # fmt: skip
def convolutions_of_dtypes(x, w):
    return F.conv2d(x, w), F.conv2d(x, w, padding=1, stride=2), F.max_pool2d(x, 2)


@case(lambda n: (floats(n, 4, 6, 8).contiguous(memory_format=torch.channels_last),), at=(2, 3),
      dynamic=ROWS, factory=True)  # fmt: skip
def channels_last_network():
    return nn.Sequential(
        *(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Conv2d(8, 4, 1),
    ).to(memory_format=torch.channels_last)


@case(lambda n: (floats(n, 3, 8, 10),), at=(2, 3), dynamic=ROWS, decomposed=True)
def pooling_2d(x):
    return (
        *(F.max_pool2d(x, 2), F.max_pool2d(x, 3, 2, 1), F.max_pool2d(x, 2, ceil_mode=True)),
        *(F.max_pool2d(x, 2, 1, dilation=2), F.avg_pool2d(x, 2), F.avg_pool2d(x, 3, 2, 1)),
        *(F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), F.lp_pool2d(x.abs(), 2, 2)),
        *(F.avg_pool2d(x, 2, divisor_override=3), F.avg_pool2d(x, (3, 2), ceil_mode=True)),
        *F.max_pool2d(x, 2, return_indices=True),
    )


@case(
    lambda n: (floats(n, 3, 12), floats(n, 2, 4, 6, 5)),
    at=(2, 3),
    dynamic=({0: DYNAMIC},) * 2,
    decomposed=True,
)
def pooling_1d_and_3d(x, y):
    return (
        *(F.max_pool1d(x, 3), F.avg_pool1d(x, 2), F.max_pool1d(x, 3, 2, 1), F.max_pool3d(y, 2)),
        *(F.avg_pool3d(y, 2), F.lp_pool1d(x.abs(), 2, 3), F.adaptive_avg_pool1d(x, 4)),
        *(F.adaptive_max_pool1d(x, 5), F.adaptive_avg_pool3d(y, (2, 3, 1))),
        *(
            F.avg_pool3d(y, 3, 1, 1),
            F.adaptive_max_pool3d(y, 2),
            *F.max_pool1d(x, 2, return_indices=True),
        ),
    )


@case(lambda n, h: (floats(n, 3, h, 7),), at=((2, 8), (3, 11)),
      dynamic=({0: DYNAMIC, 2: DYNAMIC},), decomposed=True)  # fmt: skip
def adaptive_pooling(x):
    return (
        *(F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, (3, 2)), x.mean((2, 3))),
        *(F.adaptive_avg_pool2d(x, (None, 3)), F.adaptive_avg_pool2d(x, (5, 7)), x.amax((2, 3))),
    )


@case(lambda: (floats(2, 3, 8, 6),), decomposed=True)
def unpooling(x):
    y, indices = F.max_pool2d(x, 2, return_indices=True)
    z, places = F.adaptive_max_pool2d(x, (2, 3), return_indices=True)
    return F.max_unpool2d(y, indices, 2), z, places, F.max_unpool1d(
        *F.max_pool1d(x[0], 2, return_indices=True), 2
    )  # fmt: skip


@case(lambda n: (floats(n, 2, 5, 6),), at=(2, 3), dynamic=ROWS, decomposed=True)
def resized_images(x):
    return (
        *(F.interpolate(x, scale_factor=2), F.interpolate(x, (7, 4))),
        *(F.interpolate(x, (8, 9), mode="bilinear"), F.interpolate(x, (3, 4), mode="area")),
        *(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),),
        F.interpolate(x, scale_factor=1.5, mode="bicubic"),
        F.interpolate(x, 4, mode="nearest-exact"),
        F.interpolate(x, (3, 3), mode="bilinear", antialias=True),
        F.interpolate(x, scale_factor=0.5, recompute_scale_factor=True),
    )


@case(lambda n, h, w: (floats(n, 2, h, w),), at=((2, 5, 6), (3, 4, 9)), dynamic=SIZED_2D)
def resized_by_dynamic_sizes(x):
    h, w = x.shape[2:]
    return (
        *(F.interpolate(x, (2 * h, w + 1)), F.interpolate(x, scale_factor=2.0, mode="bilinear")),
        *(F.interpolate(x, (h // 2, 3), mode="bilinear", align_corners=False),),
    )


@case(lambda n: (floats(n, 2, 6), floats(n, 2, 3, 4, 5)), at=(2, 3), dynamic=({0: DYNAMIC},) * 2)
def resized_lines_and_volumes(x, y):
    return (
        *(F.interpolate(x, 9), F.interpolate(x, scale_factor=2, mode="linear")),
        *(F.interpolate(y, (6, 5, 4)), F.interpolate(y, scale_factor=2, mode="trilinear")),
        F.interpolate(x, 4, mode="linear", align_corners=True),
    )


@case(
    lambda n: (floats(n, 2, 5, 6), floats(n, 2, 3)),
    at=(2, 3),
    dynamic=({0: DYNAMIC},) * 2,
    decomposed=True,
)
def sampled_images(x, theta):
    grid = F.affine_grid(theta, [x.size(0), 2, 4, 5], align_corners=False)
    return (
        *(grid, F.grid_sample(x, grid, align_corners=False), F.grid_sample(x, grid, "nearest")),
        *(F.grid_sample(x, grid, padding_mode="border"), F.grid_sample(x, grid, "bicubic")),
        F.grid_sample(x, grid, padding_mode="reflection", align_corners=True),
    )
