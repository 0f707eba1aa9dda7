"""Entities as answers: word vectors of a sentence that was read once for each type, behind the type's question."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ner_distill.nn.heads.base import Projection, SpanHead, weighted_sum
from ner_distill.nn.spans import Spans, candidates, masked, spans_above, tag_log_probs, targets


class MrcHead(SpanHead):
    """For each type, in its own reading: is a word the first of an entity, the last, and do the two belong together?

    dim:   of what `QuestionEncoder` gives: types · d, the readings side by side. What is learned is the same for all
           types: what tells them apart is their questions.

    With s_i, e_j and m_ij = a_i + b_j (w · [h_i; h_j] in two halves) logits, a span's score is min(s_i, e_j, m_ij): it
    is above 0 exactly where the source finds an entity, where all three are; its probability is σ of the score.
    m being a sum, two entities of ONE type of which one lies inside the other, sharing neither its first nor its last
    word, cannot both be found without a third. Entities of different types nest freely.
    Source: Li et al., ACL 2020, "A Unified MRC Framework for Named Entity Recognition".
    """

    def __init__(self, dim: int, types: int) -> None:
        super().__init__()
        self.types = types
        self.starts = Projection(dim // types, 1)
        self.ends = Projection(dim // types, 1)
        self.match_first = Projection(dim // types, 1)
        self.match_last = Projection(dim // types, 1, bias=False)

    def count_beside(self, mask: Tensor) -> float:
        """Words: the loss of a sentence is a mean over them, where a CRF's is a sum."""
        return float(mask.sum())

    def loss(self, vectors: Tensor, mask: Tensor, gold: Spans, weight: Tensor | None = None) -> Tensor:
        """Sum over sentences and types of CE_start + CE_end + BCE_match.

        CE_start and CE_end are binary, means over the counted words; BCE_match is the mean over the spans that begin
        at a gold or found start and end at a gold or found end, 0 where there is none.
        """
        starts, ends, matches = self._logits(vectors)
        possible = candidates(mask)[:, None]
        batch, words = mask.shape
        wanted = targets(gold, (batch, self.types, words, words)) & possible
        first, last = wanted.any(-1), wanted.any(-2)
        asked = possible & (first | (starts > 0))[..., None] & (last | (ends > 0))[..., None, :]
        counted = mask[:, None].expand_as(starts)
        parts = ((starts, first, counted), (ends, last, counted), (matches, wanted, asked))
        return torch.stack([weighted_sum(_mean_cross_entropy(*part), weight) for part in parts]).sum()

    def scores(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, types, words, words) float32 or better: min(s_i, e_j, m_ij); the lowest number where no candidate."""
        starts, ends, matches = self._logits(vectors)
        lowest = torch.minimum(torch.minimum(starts[..., None], ends[..., None, :]), matches)
        return masked(lowest, candidates(mask)[:, None])

    def span_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.scores(vectors, mask).sigmoid()

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return tag_log_probs(self.scores(vectors, mask), mask)

    @torch.no_grad()
    def find(self, vectors: Tensor, mask: Tensor) -> tuple[Spans, Tensor]:
        """Where start, end and match are all above 0, so more probable than not."""
        spans, scores = spans_above(self.scores(vectors, mask), 0.0)
        return spans, scores.sigmoid()

    def _logits(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Start and end, (batch, types, words), and match, (batch, types, words, words)."""
        readings = vectors.unflatten(-1, (self.types, -1)).transpose(1, 2)
        parts = (self.starts, self.ends, self.match_first, self.match_last)
        starts, ends, first, last = (part(readings)[..., 0] for part in parts)
        return starts, ends, first[..., None] + last[..., None, :]


def _mean_cross_entropy(logits: Tensor, wanted: Tensor, counted: Tensor) -> Tensor:
    """(batch, types): the mean over what is counted of the binary cross-entropy.

    All (batch, types, ...), wanted and counted bool. Where nothing is counted the mean is 0.
    """
    costs = functional.binary_cross_entropy_with_logits(logits, wanted.to(logits.dtype), reduction="none")
    costs = costs.masked_fill(~counted, 0).flatten(2).sum(-1)
    return costs / counted.flatten(2).sum(-1).clamp_min(1)
