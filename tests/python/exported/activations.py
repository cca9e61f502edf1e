"""Activations, softmax and losses."""

import torch
from torch import nn
from torch.nn import functional as F

from exported.inputs import floats, ints, positives
from exported.registry import DYNAMIC, ROWS, ROWS_2, family

case = family("activations")
HALVES = (torch.float32, torch.float64, torch.bfloat16)


@case(lambda n, dtype: (floats(n, 6, low=-4, high=4, dtype=dtype),), at=(3, 1), dtypes=HALVES,
      dynamic=ROWS, decomposed=True)  # fmt: skip
def activations(x):
    return (
        *(F.relu(x), F.relu6(x), F.gelu(x), F.gelu(x, approximate="tanh"), F.silu(x), F.mish(x)),
        *(F.elu(x), F.elu(x, 0.5), F.celu(x, 1.5), F.selu(x), F.leaky_relu(x), F.softplus(x)),
        *(F.leaky_relu(x, 0.2), F.softplus(x, 2, 5), F.softsign(x), F.tanhshrink(x)),
        *(F.hardtanh(x), F.hardtanh(x, -2, 3), F.hardswish(x), F.hardsigmoid(x), F.hardshrink(x)),
        *(F.softshrink(x), F.threshold(x, 0.5, -1.0), F.logsigmoid(x), torch.sigmoid(x)),
        *(torch.tanh(x), F.glu(x, 1), F.rrelu(x)),
    )


@case(lambda: (floats(2, 4, 3, 3),), decomposed=True)
class LearnedActivations(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.PReLU()
        self.each = nn.PReLU(4)
        self.parts = nn.Sequential(nn.Softmax2d(), nn.Hardtanh(0, 0.5), nn.ELU(), nn.SiLU())

    def forward(self, x):
        return self.one(x), self.each(x), self.parts(x), nn.Threshold(0.1, 20)(x)


@case(lambda: (floats(3, 6),), decomposed=True)
def activations_in_place(x):
    y = F.relu(x.clone(), inplace=True)
    z = F.leaky_relu_(x * 2, 0.1)
    z.sigmoid_().mul_(2).clamp_(0.5, 1.5)
    return y, z, F.hardswish(x + 1, inplace=True), F.silu(x - 1, inplace=True), F.elu_(x * 3)


@case(lambda n, dtype: (floats(n, 3, 4, low=-9, high=9, dtype=dtype),), at=(2, 5), dtypes=HALVES,
      dynamic=ROWS, decomposed=True)  # fmt: skip
def softmaxes(x):
    return (
        *(x.softmax(-1), x.softmax(0), x.softmax(1), x.log_softmax(-1), F.softmin(x, 1)),
        *(F.softmax(x, 2, dtype=torch.float64), x.log_softmax(1, dtype=torch.float32)),
        torch.where(x > 0, x, float("-inf")).softmax(-1),
    )


@case(lambda n: (floats(n, 5), ints(n, high=5), floats(n, 5)), at=(4, 7),
      dynamic=({0: DYNAMIC}, {0: DYNAMIC}, {0: DYNAMIC}), decomposed=True)  # fmt: skip
def classification_losses(x, target, other):
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
    logs = x.log_softmax(1)
    return (
        *(F.cross_entropy(x, target), F.cross_entropy(x, target, weights, ignore_index=1)),
        *(F.cross_entropy(x, target, label_smoothing=0.1), F.nll_loss(logs, target)),
        *(F.cross_entropy(x, other.softmax(1), reduction="none"),),
        *(F.nll_loss(logs, target, weights), F.soft_margin_loss(x, other.sign())),
        *(F.kl_div(logs, other.softmax(1), reduction="batchmean"), F.multi_margin_loss(x, target)),
        F.binary_cross_entropy(x.sigmoid(), other.sigmoid()),
        *(F.binary_cross_entropy_with_logits(x, other.sigmoid(), weights, pos_weight=weights),),
        *(F.multilabel_soft_margin_loss(x, (other > 0).float()), F.hinge_embedding_loss(x, other)),
    )


@case(lambda n: (floats(n, 5), floats(n, 5), floats(n, 5)), at=(4, 7),
      dynamic=({0: DYNAMIC}, {0: DYNAMIC}, {0: DYNAMIC}), decomposed=True)  # fmt: skip
def regression_losses(x, y, z):
    return (
        *(F.mse_loss(x, y), F.mse_loss(x, y, reduction="none"), F.l1_loss(x, y, reduction="sum")),
        *(F.smooth_l1_loss(x, y), F.smooth_l1_loss(x, y, beta=0.5), F.huber_loss(x, y, delta=0.3)),
        F.poisson_nll_loss(x, y.abs()),
        *(F.cosine_embedding_loss(x, y, z[:, 0].sign()), F.triplet_margin_loss(x, y, z)),
        F.margin_ranking_loss(x[:, 0], y[:, 0], z[:, 0].sign()),
    )


@case(lambda n: (positives(n, 8),), at=(2, 3), dynamic=ROWS_2[:1], decomposed=True)
class Dropouts(nn.Module):
    """In eval mode: none of them does anything, yet each is in the program."""

    def __init__(self):
        super().__init__()
        self.plain = nn.Dropout(0.5)
        self.alpha = nn.AlphaDropout(0.5)
        self.features = nn.Dropout1d(0.5)

    def forward(self, x):
        y = self.features(x.unsqueeze(1)).squeeze(1)
        return self.plain(x), self.alpha(x), y, F.dropout(x, 0.3, self.training)
