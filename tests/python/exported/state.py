"""Buffers and inputs that a call changes; calls follow one another on the same model."""

import torch
from torch import nn

from exported.inputs import bools, floats, ints
from exported.registry import DYNAMIC, ROWS, family

case = family("state")


@case(lambda: (floats(3),), at=((),) * 3, decomposed=True)
class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x):
        self.calls.add_(1)
        return x * self.calls


@case(lambda: (floats(3),), at=((),) * 3)
class CounterByAssignment(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0.0))
        self.register_buffer("last", torch.zeros(3))

    def forward(self, x):
        before = self.last.clone()
        self.calls = self.calls + 1
        self.last = x * 1
        return before, self.calls


@case(lambda n: (floats(n, 4),), at=(3, 5, 2), dynamic=ROWS, decomposed=True)
class RunningMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        self.seen += x.size(0)
        self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
        return x - self.mean, self.seen.clone()


@case(lambda: (floats(2),), at=((),) * 6, decomposed=True)
class RingBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("memory", torch.zeros(4, 2))
        self.register_buffer("next", torch.tensor([0]))

    def forward(self, x):
        self.memory.index_copy_(0, self.next, x.unsqueeze(0))
        self.next.copy_((self.next + 1) % 4)
        return self.memory.mean(0), self.memory.clone()


@case(lambda i: (floats(1, 2, 1, 4), torch.tensor([i])), at=(0, 1, 2, 3), decomposed=True)
class KeyValueCache(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("keys", torch.zeros(1, 2, 6, 4))
        self.register_buffer("values", torch.zeros(1, 2, 6, 4), persistent=False)

    def forward(self, x, position):
        self.keys[:, :, position] = x
        self.values.index_copy_(2, position, x * 2)
        seen = torch.arange(6) <= position
        scores = (x @ self.keys.mT).masked_fill(~seen, float("-inf"))
        return scores.softmax(-1) @ self.values


@case(lambda i: (floats(2), torch.tensor(i)), at=(1, 0, 3), decomposed=True)
class SliceAssignment(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.zeros(5, 2))

    def forward(self, x, i):
        k = i.item()
        torch._check(k >= 0)
        torch._check(k < 5)
        self.table[k] = x
        self.table[1:3, 0] += 1
        return self.table.sum(0), self.table * 1


@case(lambda: (floats(2, 3),), at=((),) * 3)
class ShiftedHistory(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("history", torch.zeros(2, 4, 3))

    def forward(self, x):
        self.history = torch.cat([self.history[:, 1:], x.unsqueeze(1)], 1)
        return self.history.mean(1), self.history


@case(lambda: (floats(2, 3), floats(2, 3)), at=((),) * 2, decomposed=True)
def changed_input(x, y):
    x.add_(y)
    y[0] = 0
    return x * 2


@case(lambda n: (floats(n, 3), bools(n)), at=(3, 5), dynamic=({0: DYNAMIC},) * 2, decomposed=True)
def input_filled_by_mask(x, mask):
    x[mask] = 1.0
    x[:, 0].mul_(2)
    return x.sum()


@case(lambda: (floats(4, 4), floats(4)), decomposed=True)
def changed_views(x, y):
    z = x + 1
    z[1].mul_(2)
    z.view(-1)[:3].fill_(9)
    z.diagonal().copy_(y)
    row = z.t()[2]
    row += 1
    w = z.clone()
    w.transpose(0, 1)[0].zero_()
    return z, row, w


@case(lambda: (floats(3, 4), ints(3, high=4)), decomposed=True)
def changed_in_place(x, i):
    y = x.clone()
    y.add_(1).mul_(x).sub_(0.5).div_(2).neg_()
    y.masked_fill_(y > 1, 1.0).clamp_(-1, 1).abs_().sqrt_()
    y.scatter_(1, i.unsqueeze(1), 5.0).index_fill_(0, torch.tensor([1]), -1.0)
    y.addcmul_(x, x, value=0.1).lerp_(x, 0.5).copy_(y * 2)
    z = torch.zeros(3, 4, dtype=torch.int64)
    z.fill_(3).index_put_((torch.tensor([0]), torch.tensor([1])), torch.tensor([7]))
    z |= 8
    z <<= 1
    return y, z, y.unsqueeze_(0), x.exp().t_()


@case(lambda: (floats(4, 3),), at=((),) * 2, decomposed=True)
class TrainedStatistics(nn.Module):
    """Batch norm that goes on learning."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        y = nn.functional.batch_norm(
            x, self.norm.running_mean, self.norm.running_var, self.norm.weight, training=True
        )
        return y, self.norm.running_mean * 1


@case(lambda: (floats(3),), at=((),) * 3)
class SharedBuffer(nn.Module):
    """Two names of one buffer, and a buffer that comes out as it is."""

    def __init__(self):
        super().__init__()
        self.register_buffer("a", torch.zeros(3))
        self.inner = nn.Module()
        self.inner.register_buffer("b", self.a)

    def forward(self, x):
        self.a.add_(x)
        return self.inner.b * 2, self.inner.b


@case(lambda sign: (floats(3, low=0, high=1) * sign,), at=(1.0, -1.0, 1.0), decomposed=True)
class StateByBranch(nn.Module):
    """What a branch answers becomes the state."""

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x):
        new = torch.cond(x.sum() > 0, lambda t, x: t + x, lambda t, x: t * 0.5, (self.total, x))
        self.total.copy_(new)
        return new
