"""RNN, LSTM and GRU: whole layers, cells, loops over cells.

The exporter of torch 2.13 bakes in the time of the example; the batch may be dynamic.
"""

import torch
from torch import nn

from exported.inputs import floats
from exported.registry import DYNAMIC, ROWS, family

case = family("recurrent")
SIZES = ((2, 5), (3, 5))


def sequences(n: int, t: int) -> tuple:
    return (floats(n, t, 4),)


@case(sequences, at=SIZES, dynamic=ROWS, factory=True)
def lstm():
    return nn.LSTM(4, 6, batch_first=True)


@case(lambda n: (floats(n, 2, 4),), at=(2, 3), dynamic=ROWS, factory=True, decomposed=True)
def lstm_of_two_steps():
    return nn.LSTM(4, 6, batch_first=True)


@case(sequences, at=SIZES, dynamic=ROWS, factory=True)
def lstm_both_ways():
    return nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)


@case(sequences, at=SIZES, dynamic=ROWS, factory=True)
def lstm_projected():
    return nn.LSTM(4, 6, batch_first=True, proj_size=3, bias=False)


@case(sequences, at=SIZES, dynamic=ROWS, factory=True)
def gru():
    return nn.GRU(4, 6, 2, batch_first=True)


@case(lambda n: (floats(n, 2, 4),), at=(2, 3), dynamic=ROWS, factory=True, decomposed=True)
def gru_of_two_steps():
    return nn.GRU(4, 6, batch_first=True)


@case(sequences, at=SIZES, dynamic=ROWS, factory=True)
def gru_both_ways():
    return nn.GRU(4, 6, batch_first=True, bidirectional=True)


@case(sequences, at=SIZES, dynamic=ROWS, factory=True)
def rnn_tanh():
    return nn.RNN(4, 6, 2, batch_first=True)


@case(sequences, at=SIZES, dynamic=ROWS, factory=True)
def rnn_relu():
    return nn.RNN(4, 6, nonlinearity="relu", bidirectional=True, batch_first=True)


@case(lambda n: (floats(5, n, 4), (floats(1, n, 6), floats(1, n, 6))), at=(2, 3),
      dynamic=({1: DYNAMIC}, ({1: DYNAMIC}, {1: DYNAMIC})))  # fmt: skip
class LstmWithState(nn.Module):
    """Time first, with a state that goes in and comes out."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 6)

    def forward(self, x, state):
        y, (h, c) = self.lstm(x, state)
        return {"y": y, "state": (h, c)}


@case(lambda: (floats(5, 4),), factory=True)
def gru_without_batch():
    return nn.GRU(4, 6)


@case(lambda: (floats(2, 5, 4, dtype=torch.float64),), factory=True)
def lstm_float64():
    return nn.LSTM(4, 6, batch_first=True).double()


@case(lambda n: (floats(n, 4), floats(n, 6), floats(n, 6)), at=(2, 3),
      dynamic=({0: DYNAMIC},) * 3, decomposed=True)  # fmt: skip
class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTMCell(4, 6)
        self.gru = nn.GRUCell(4, 6)
        self.rnn = nn.RNNCell(4, 6)
        self.relu = nn.RNNCell(4, 6, bias=False, nonlinearity="relu")

    def forward(self, x, h, c):
        return (*self.lstm(x, (h, c)), self.gru(x, h), self.rnn(x, h), self.relu(x, h))


@case(lambda n: (floats(n, 5, 4),), at=(2, 3), dynamic=ROWS)
class UnrolledGru(nn.Module):
    """As many steps as the example had: its time is not dynamic."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(4, 6)

    def forward(self, x):
        h = x.new_zeros(x.size(0), 6)
        steps = []
        for step in x.unbind(1):
            h = self.cell(step, h)
            steps.append(h)
        return torch.stack(steps, 1), h
