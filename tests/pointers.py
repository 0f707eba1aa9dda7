"""A span head that is small enough to be checked by hand: s(i, j) of type t is first[i, t] + last[j, t]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ner_distill.nn.heads import SpanHead, Spans
from ner_distill.nn.spans import candidates, joined, soft_multilabel_terms, spans_above, tag_log_probs, targets


def soft_multilabel_loss(scores: Tensor, probs: Tensor, candidates: Tensor) -> Tensor:
    """log(1 + Σ e^{−s + log t}) + log(1 + Σ e^{s + log(1−t)}), t = p² / (p² + (1−p)²), (batch, types)."""
    return joined(soft_multilabel_terms(scores, probs, candidates)[None])


class TinyPointer(SpanHead):
    """The plain formulas, over tables of all spans."""

    learns_spans = True

    def __init__(self, dim: int, types: int, *, bias: float = 0.0) -> None:
        super().__init__()
        self.types, self.bias = types, bias
        self.first, self.last = nn.Linear(dim, types), nn.Linear(dim, types, bias=False)

    def scores(self, vectors: Tensor) -> Tensor:
        """(batch, types, words, words)"""
        first, last = (part(vectors).transpose(1, 2) for part in (self.first, self.last))
        return first[..., None] + last[..., None, :] + self.bias

    def loss(self, vectors: Tensor, mask: Tensor, gold: Spans, weight: Tensor | None = None) -> Tensor:
        scores = self.scores(vectors)
        batch, types, words, _ = scores.shape
        return self._soft(scores, mask, targets(gold, (batch, types, words, words)), weight)

    def soft_loss(self, vectors: Tensor, mask: Tensor, probs: Tensor, weight: Tensor | None = None) -> Tensor:
        return self._soft(self.scores(vectors), mask, probs, weight)

    def _soft(self, scores: Tensor, mask: Tensor, probs: Tensor, weight: Tensor | None) -> Tensor:
        losses = soft_multilabel_loss(scores, probs, candidates(mask)).sum(1)
        return (losses if weight is None else losses * weight).sum()

    def span_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.scores(vectors).float().sigmoid() * candidates(mask)[:, None]

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return tag_log_probs(self.scores(vectors).float(), mask)

    @torch.no_grad()
    def find(self, vectors: Tensor, mask: Tensor) -> tuple[Spans, Tensor]:
        return spans_above(self.span_probs(vectors, mask), 0.5)
