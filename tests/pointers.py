"""A span head that is small enough to be checked by hand: s(i, j) of type t is first[i, t] + last[j, t]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ner_distill.nn.heads import Spans
from ner_distill.nn.spans import candidates, found, multilabel_loss, soft_multilabel_loss, tag_log_probs, targets


class TinyPointer(nn.Module):
    """See `SpanHead`."""

    def __init__(self, dim: int, types: int, *, bias: float = 0.0) -> None:
        super().__init__()
        self.types, self.bias = types, bias
        self.first, self.last = nn.Linear(dim, types), nn.Linear(dim, types, bias=False)

    def scores(self, vectors: Tensor) -> Tensor:
        """(batch, types, words, words)"""
        first, last = (part(vectors).transpose(1, 2) for part in (self.first, self.last))
        return first[..., None] + last[..., None, :] + self.bias

    def count(self, mask: Tensor) -> float:
        return float(mask.any(1).sum())

    def loss(self, vectors: Tensor, mask: Tensor, gold: Spans, weight: Tensor | None = None) -> Tensor:
        scores = self.scores(vectors)
        batch, types, words, _ = scores.shape
        losses = multilabel_loss(scores, targets(gold, (batch, types, words, words)), candidates(mask)).sum(1)
        return (losses if weight is None else losses * weight).sum()

    def soft_loss(self, vectors: Tensor, mask: Tensor, probs: Tensor, weight: Tensor) -> Tensor:
        losses = soft_multilabel_loss(self.scores(vectors), probs, candidates(mask))
        return (losses.sum(1) * weight).sum()

    def span_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.scores(vectors).float().sigmoid() * candidates(mask)[:, None]

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return tag_log_probs(self.scores(vectors).float(), mask)

    @torch.no_grad()
    def find(self, vectors: Tensor, mask: Tensor) -> tuple[Spans, Tensor]:
        return found(self.span_probs(vectors, mask), 0.5)
