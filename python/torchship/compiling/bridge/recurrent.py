"""Recurrent layers over a time that varies: torch.export would unroll them over the example's."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

Cell = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The next state of what the input gives, what the state gives, and the state."""


def _gru(x: Tensor, h: Tensor, state: Tensor) -> Tensor:
    x_reset, x_update, x_new = x.chunk(3, -1)
    h_reset, h_update, h_new = h.chunk(3, -1)
    update = torch.sigmoid(x_update + h_update)
    new = torch.tanh(x_new + torch.sigmoid(x_reset + h_reset) * h_new)
    return new + update * (state - new)


CELLS: dict[str, Cell] = {
    "aten::gru": _gru,
    "aten::rnn_relu": lambda x, h, _: torch.relu(x + h),
    "aten::rnn_tanh": lambda x, h, _: torch.tanh(x + h),
}


def has_varying_time(kind: str, overload: str, values: Sequence[Any]) -> bool:
    """Whether the operator would be unrolled over a time that varies."""
    if kind not in CELLS or overload != "input" or not torch.compiler.is_exporting():
        return False
    source, batch_first = values[0], values[8]
    return isinstance(source.shape[1 if batch_first else 0], torch.SymInt)


def recurrent(kind: str, values: Sequence[Any]) -> list[Tensor]:
    """What aten::gru.input and its like give, with one torch scan for each layer and direction."""
    source, states, weights, has_biases, layers, dropout, train, bidirectional, batch_first = values
    if train and dropout > 0:
        raise ValueError("dropout between the layers of a recurrent network is on")
    x = source.transpose(0, 1) if batch_first else source
    per_run, ways = 4 if has_biases else 2, 2 if bidirectional else 1
    last: list[Tensor] = []
    for layer in range(layers):
        results = []
        for way in range(ways):
            run = layer * ways + way
            own = weights[run * per_run : (run + 1) * per_run]
            y, state = _scan(CELLS[kind], x, states[run], own, reverse=way == 1)
            results.append(y)
            last.append(state)
        x = torch.cat(results, -1) if bidirectional else results[0]
    return [x.transpose(0, 1) if batch_first else x, torch.stack(last)]


def _scan(
    cell: Cell, x: Tensor, state: Tensor, weights: Sequence[Tensor], reverse: bool
) -> tuple[Tensor, Tensor]:
    input_weight, state_weight, *biases = weights
    gates = linear(x, input_weight, biases[0] if biases else None)
    gates = gates.flip(0) if reverse else gates

    # Inductor makes the shape of the outputs of what it is given, so it must be given all sizes.
    sizes = [size for size in gates.shape if isinstance(size, torch.SymInt)]

    def step(h: Tensor, x: Tensor, *others: Any) -> list[Tensor]:
        after = cell(x, linear(h, *others[len(sizes) :]), h)
        return [after, after.clone()]

    last, outputs = torch.ops.higher_order.scan(
        step, [state.clone()], [gates], (*sizes, state_weight, *biases[1:])
    )
    return outputs.flip(0) if reverse else outputs, last
