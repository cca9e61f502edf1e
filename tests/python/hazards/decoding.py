"""Decoders and detectors: loops that end when the data says so."""

import torch
from torch import Tensor, nn

from hazards.registry import hazard

END = 0


class _Decoder(nn.Module):
    def __init__(self, words: int = 11, width: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.cell = nn.GRUCell(width, width)
        self.head = nn.Linear(width, words)

    def step(self, token: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.cell(self.embedding(token), hidden)
        return self.head(hidden).log_softmax(-1), hidden


@hazard(lambda n: torch.randn(n, 8))
class GreedyDecoder(_Decoder):
    """Words until every sentence has ended."""

    def forward(self, hidden: Tensor) -> Tensor:
        token = torch.full_like(hidden[:, 0], 1).long()
        words = []
        for _ in range(6):
            scores, hidden = self.step(token, hidden)
            token = scores.argmax(-1)
            words.append(token)
            if (token == END).any():  # hazard: lost-branch
                break
        return torch.nn.functional.pad(torch.stack(words, 1), (0, 6 - len(words)))


@hazard(lambda n: torch.randn(1, 8))
class BeamSearch(_Decoder):
    """Two beams, extended until the better one ends."""

    def forward(self, hidden: Tensor) -> Tensor:
        scores, hidden = self.step(torch.ones_like(hidden[:, 0]).long(), hidden)
        best, token = scores[0].topk(2)
        hidden, words = hidden.expand(2, -1), token.unsqueeze(1)
        for _ in range(4):
            if token[0] == END:  # hazard: lost-branch
                break
            scores, hidden = self.step(token, hidden)
            best, place = (best.unsqueeze(1) + scores).flatten().topk(2)
            beam, token = place // scores.shape[1], place % scores.shape[1]
            hidden = hidden[beam]
            words = torch.cat([words[beam], token.unsqueeze(1)], 1)
        return best


def _overlap(box: Tensor, boxes: Tensor) -> Tensor:
    low, high = torch.maximum(box[:2], boxes[:, :2]), torch.minimum(box[2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return shared / (area + (box[2:] - box[:2]).prod() - shared)


@hazard(lambda n: torch.randn(6, 16))
class DetectorWithSuppression(nn.Module):
    """Non-maximum suppression: the best box is taken until no box is left."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes, self.scores = nn.Linear(16, 4), nn.Linear(16, 1)

    def forward(self, features: Tensor) -> Tensor:
        corner, size = self.boxes(features).chunk(2, 1)
        boxes = torch.cat([corner, corner + size.exp()], 1)
        order = self.scores(features).squeeze(1).argsort(descending=True)
        kept = []
        while order.numel() > 0:  # hazard: lost-branch
            kept.append(order[0])
            overlap = _overlap(boxes[order[0]], boxes[order[1:]])
            order = order[1:][overlap <= 0.3]
        return boxes[torch.stack(kept)]


@hazard(lambda n: (torch.rand(n, 4), torch.rand(n)))
def boxes_above_threshold(boxes: Tensor, scores: Tensor) -> Tensor:
    """A loop over the scores that keeps what is good enough."""
    total = torch.zeros_like(boxes[0])
    for box, score in zip(boxes.unbind(), scores.unbind(), strict=True):
        if score > 0.5:  # hazard: lost-branch
            total = total + box
    return total
