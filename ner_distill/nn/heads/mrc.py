"""Entities as answers: word vectors of a sentence that was read once for each type, behind the type's question."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ner_distill.nn.heads.base import Projection, SpanHead, weighted_sum
from ner_distill.nn.spans import Spans, candidates, masked, tag_log_probs, targets

KEPT = 2**24
"""Numbers (spans × hidden units) of the match that are computed at once, and kept for the backward pass."""


class Readings(NamedTuple):
    """What is known of the words of each reading: start and end logits, and each word's halves of the match."""

    starts: Tensor  # (batch, types, words)
    ends: Tensor
    first: Tensor  # (batch, types, words, hidden)
    last: Tensor


class MrcHead(SpanHead):
    """For each type, in its own reading: is a word the first of an entity, the last, and do the two belong together?

    dim:     of what `QuestionEncoder` gives: types · d, the readings side by side. What is learned is the same for all
             types: what tells them apart is their questions.
    hidden:  units of the hidden layer of the match; 0 = none.
    dropout: on its hidden units.
    weights: of start, end and match in the loss.

    s_i, e_j and m_ij are logits, m_ij = v · gelu(W [h_i; h_j] + b), W in two halves so that words are projected once. A
    span's score is min(s_i, e_j, m_ij): it is above 0 exactly where the source finds an entity, where all three are;
    its probability is σ of the score. Without a hidden layer m_ij = w · [h_i; h_j] is a sum of what the two words give:
    then of the entities of one type (0, 5) and (2, 3), that share neither first nor last word, (0, 3) or (2, 5) is
    found too, as m_05 + m_23 = m_03 + m_25.
    Source: Li et al., ACL 2020, "A Unified MRC Framework for Named Entity Recognition"; the paper has the linear match,
    the authors' code the hidden layer.
    """

    def __init__(
        self,
        dim: int,
        types: int,
        *,
        hidden: int = 256,
        dropout: float = 0.0,
        weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        self.types, self.hidden, self.weights = types, hidden, weights
        self.starts = Projection(dim // types, 1)
        self.ends = Projection(dim // types, 1)
        self.match_first = Projection(dim // types, hidden or 1)
        self.match_last = Projection(dim // types, hidden or 1, bias=False)
        layers = [nn.GELU(), nn.Dropout(dropout), Projection(hidden, 1)] if hidden else []
        self.match = nn.Sequential(*layers)

    def count_beside(self, mask: Tensor) -> float:
        """Words: the loss of a sentence is a mean over them, where a CRF's is a sum."""
        return float(mask.sum())

    def loss(self, vectors: Tensor, mask: Tensor, gold: Spans, weight: Tensor | None = None) -> Tensor:
        """Sum over sentences and types of a · CE_start + b · CE_end + c · BCE_match, a, b and c the weights.

        CE_start and CE_end are binary, means over the counted words; BCE_match is the mean over the spans that begin
        at a gold or found start and end at a gold or found end, 0 where there is none.
        """
        readings = self._readings(vectors)
        possible = candidates(mask)[:, None]
        batch, words = mask.shape
        wanted = targets(gold, (batch, self.types, words, words)) & possible
        first, last = wanted.any(-1), wanted.any(-2)
        asked = possible & (first | (readings.starts > 0))[..., None] & (last | (readings.ends > 0))[..., None, :]
        counted = mask[:, None].expand_as(readings.starts)
        costs = (
            _mean_cross_entropy(readings.starts, first, counted),
            _mean_cross_entropy(readings.ends, last, counted),
            self._match_cost(readings, wanted, asked),
        )
        terms = [part * weighted_sum(cost, weight) for part, cost in zip(self.weights, costs, strict=True)]
        return torch.stack(terms).sum()

    def scores(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, types, words, words) float32 or better: min(s_i, e_j, m_ij); the lowest number where no candidate."""
        readings = self._readings(vectors)
        everywhere = candidates(mask)[:, None].expand(-1, self.types, -1, -1)
        places = everywhere.nonzero(as_tuple=True)
        lowest = masked(readings.starts.new_zeros(everywhere.shape), everywhere)
        return lowest.index_put(places, self._scores_at(readings, places))

    def span_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.scores(vectors, mask).sigmoid()

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return tag_log_probs(self.scores(vectors, mask), mask)

    def find(self, vectors: Tensor, mask: Tensor) -> tuple[Spans, Tensor]:
        """Where start, end and match are all above 0, so more probable than not."""
        return self.likely(vectors, mask, 0.5)

    @torch.no_grad()
    def likely(self, vectors: Tensor, mask: Tensor, floor: float) -> tuple[Spans, Tensor]:
        """As in `SpanHead`; the match is computed only where start and end are more probable than the floor."""
        least = math.log(floor / (1 - floor))
        readings = self._readings(vectors)
        starts, ends = readings.starts > least, readings.ends > least
        asked = candidates(mask)[:, None] & starts[..., None] & ends[..., None, :]
        row, first, last, kind = asked.permute(0, 2, 3, 1).nonzero(as_tuple=True)
        scores = self._scores_at(readings, (row, kind, first, last))
        places, found = torch.stack([row, first, last + 1, kind], 1), scores > least
        return Spans(places[found]), scores[found].sigmoid()

    def _readings(self, vectors: Tensor) -> Readings:
        readings = vectors.unflatten(-1, (self.types, -1)).transpose(1, 2)
        starts, ends = self.starts(readings)[..., 0], self.ends(readings)[..., 0]
        return Readings(starts, ends, self.match_first(readings), self.match_last(readings))

    def _match_cost(self, readings: Readings, wanted: Tensor, asked: Tensor) -> Tensor:
        """(batch, types): the mean over the spans that are asked for of the binary cross-entropy of the match."""
        places = asked.nonzero(as_tuple=True)
        logits = self._match_at(readings, places)
        costs = functional.binary_cross_entropy_with_logits(logits, wanted[places].to(logits.dtype), reduction="none")
        group = places[0] * self.types + places[1]
        sums = logits.new_zeros(readings.starts.shape[:2].numel()).index_add(0, group, costs)
        return sums.view(readings.starts.shape[:2]) / asked.flatten(2).sum(-1).clamp_min(1)

    def _scores_at(self, readings: Readings, places: tuple[Tensor, ...]) -> Tensor:
        """(spans,) min(s_i, e_j, m_ij). places: (spans,) long each, row, type, first and last word."""
        row, kind, first, last = places
        edges = torch.minimum(readings.starts[row, kind, first], readings.ends[row, kind, last])
        return torch.minimum(edges, self._match_at(readings, places))

    def _match_at(self, readings: Readings, places: tuple[Tensor, ...]) -> Tensor:
        """(spans,) m_ij, some spans at a time; above `KEPT` numbers in all once more in the backward pass."""
        row, kind, first, last = places
        reading = (row * self.types + kind) * readings.first.shape[2]
        halves = readings.first.flatten(0, 2), readings.last.flatten(0, 2)
        at_once = KEPT // max(1, self.hidden)
        parts = zip((reading + first).split(at_once), (reading + last).split(at_once), strict=True)
        again = len(row) > at_once
        logits = [
            checkpoint(self._match_of, *halves, *part, use_reentrant=False) if again else self._match_of(*halves, *part)
            for part in parts
        ]
        return torch.cat(logits)

    def _match_of(self, first: Tensor, last: Tensor, i: Tensor, j: Tensor) -> Tensor:
        together = first.index_select(0, i) + last.index_select(0, j)
        with torch.autocast(first.device.type, enabled=False):
            logits: Tensor = self.match(together)
        return logits[:, 0]


def _mean_cross_entropy(logits: Tensor, wanted: Tensor, counted: Tensor) -> Tensor:
    """(batch, types): the mean over what is counted of the binary cross-entropy.

    All (batch, types, ...), wanted and counted bool. Where nothing is counted the mean is 0.
    """
    costs = functional.binary_cross_entropy_with_logits(logits, wanted.to(logits.dtype), reduction="none")
    costs = costs.masked_fill(~counted, 0).flatten(2).sum(-1)
    return costs / counted.flatten(2).sum(-1).clamp_min(1)
