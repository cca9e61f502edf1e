"""Training behaviour that evaluation mode does not switch off."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hazards.registry import hazard


@hazard(lambda n: torch.randn(n, 16))
class FunctionalDropout(nn.Module):
    """F.dropout trains unless it is told not to."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(F.relu(self.first(x)), 0.5)  # hazard: train-mode
        return self.second(x)


@hazard(lambda n: torch.randn(n, 5, 8))
class AttentionDropout(nn.Module):
    """Dropout of attention weights that never ends."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        weights = (q @ k.transpose(1, 2) / math.sqrt(8)).softmax(-1)
        weights = F.dropout(weights, p=0.1)  # hazard: train-mode
        return self.out(weights @ v)


@hazard(lambda n: torch.randn(n, 2, 5, 8))
class FusedAttentionDropout(nn.Module):
    """F.scaled_dot_product_attention drops whatever the mode is."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = 0.2

    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x, x, dropout_p=self.dropout)  # hazard: train-mode


@hazard(lambda n: torch.randn(n + 1, 3, 4, 4))
class BatchStatistics(nn.Module):
    """Batch norm without running statistics uses the batch's own for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.relu(self.norm(x))  # hazard: train-mode


@hazard(lambda n: torch.randn(n + 1, 6))
class ForcedBatchNorm(nn.Module):
    """Functional batch norm with training=True."""

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, training=True)  # hazard: train-mode
