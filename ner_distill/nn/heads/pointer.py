"""Pointers: a score for every span and type, so that entities may lie inside each other (GlobalPointer and its kin)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ner_distill.nn import spans
from ner_distill.nn.heads.base import SpanHead, weighted_sum
from ner_distill.nn.heads.pointer_scores import AdditiveScores, Parts, ProductScores, SharedProductScores, SpanScores
from ner_distill.nn.spans import Spans

TILE = {"cpu": 2**19}
"""Numbers (sentences × spans × types or hidden units) that are computed at once: what caches hold; elsewhere `KEPT`."""
KEPT = 2**24
"""Above so many numbers in all, tiles are computed again in the backward pass instead of kept for it."""


@dataclass(frozen=True)
class SpanTile:
    """The spans from some first words to some last ones, whose scores are computed together.

    allowed: (batch, first words, last words) bool, the candidates.
    """

    first: slice
    last: slice
    allowed: Tensor

    def cut(self, table: Tensor) -> Tensor:
        """The tile's part of a table (..., words, words)."""
        return table[..., self.first, self.last]


Work = Callable[[Tensor, SpanTile], tuple[Tensor, ...]]
"""The scores of a tile (batch, types, first words, last words), lowest where there is no candidate → tensors."""


class PointerHead(SpanHead):
    """What all pointers share. `form` scores spans, made with the options that are named nowhere else.

    max_width: spans of more words are no candidates; 0 = any width.
    smoothing: ε: gold is learned as 1 − ε, and the other candidates of a sentence share another ε in each type.
    reading:   weight of the reading-comprehension objective, see `_reading_loss`; 0 = none.
    reading_entropy: λ, weight within that objective of what keeps its distribution wide.

    An entity is what scores above 0; nested ones come for free. Losses and marginals are computed for some first
    words at a time, above `KEPT` numbers once more in the backward pass, so that memory stays small.
    Source: Su et al. 2022, "Global Pointer".
    """

    smooths = True
    learns_spans = True
    form_type: ClassVar[type[ProductScores] | type[SharedProductScores] | type[AdditiveScores]]

    def __init__(
        self,
        dim: int,
        types: int,
        *,
        max_width: int = 0,
        smoothing: float = 0.0,
        reading: float = 0.0,
        reading_entropy: float = 0.05,
        **form: Any,
    ) -> None:
        super().__init__()
        self.form: SpanScores = self.form_type(dim, types, **form)
        self.max_width, self.smoothing = max_width, smoothing
        self.reading, self.reading_entropy = reading, reading_entropy

    def scores(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, types, words, words) float32 logits; the dtype's lowest number where there is no candidate."""
        parts, allowed = self._prepared(vectors, mask)
        with _full_precision(vectors):
            whole = slice(0, mask.shape[1])
            return self.form.tile(parts, _bias(parts, allowed), whole, whole)

    def loss(self, vectors: Tensor, mask: Tensor, gold: Spans, weight: Tensor | None = None) -> Tensor:
        """Sum over sentences and types of log(1 + Σ_P e^{−s}) + log(1 + Σ_Q e^{s}), P gold, Q all other candidates.

        Source: Su et al. 2022, "ZLPR: A Novel Loss for Multi-label Classification".
        """
        spans.check_fit(gold, (*mask.shape[:1], self.form.types, *mask.shape[1:], *mask.shape[1:]))
        parts, allowed = self._prepared(vectors, mask)
        with _full_precision(vectors):
            plain = self._smoothed_loss if self.smoothing else self._plain_loss
            total = plain(parts, allowed, gold, weight)
            if not self.reading:
                return total
            return total + self.reading * weighted_sum(self._reading_loss(parts, allowed, gold), weight)

    def soft_loss(self, vectors: Tensor, mask: Tensor, probs: Tensor, weight: Tensor | None = None) -> Tensor:
        """Sum over sentences and types of log(1 + Σ e^{−s + log t}) + log(1 + Σ e^{s + log(1−t)}).

        t = p² / (p² + (1−p)²): the loss is least where the scores are those of which p are the probabilities. Where p
        is 0 or 1 this is `loss`; its least value is not 0 where probabilities are others.
        Source: Su, "Multi-label cross-entropy with soft labels" (kexue.fm/archives/9064), whose least loss is at
        p = σ(2s): it has p for t.
        """
        parts, allowed = self._prepared(vectors, mask)
        with _full_precision(vectors):

            def work(scores: Tensor, tile: SpanTile) -> tuple[Tensor, ...]:
                return (spans.soft_multilabel_terms(scores, tile.cut(probs), tile.allowed),)

            (terms,) = self._over_tiles(parts, allowed, work)
            return weighted_sum(spans.joined(torch.stack(terms)).sum(1), weight)

    def disagreement(self, first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
        """SUM over candidates of (σ(s) − σ(t))(s − t), s and t their scores in two passes of one batch; a scalar.

        first, second: (batch, words, dim) float, word vectors; both carry gradient. 0 where both agree, never less.
        Source: Su 2022, "the KL divergence of GlobalPointer" (kexue.fm/archives/9039).
        """
        parts, allowed = self._prepared(torch.cat([first, second]), mask.repeat(2, 1))
        with _full_precision(first):

            def work(scores: Tensor, _: SpanTile) -> tuple[Tensor, ...]:
                s, t = scores.chunk(2)  # equal where there is no candidate
                return (((s.sigmoid() - t.sigmoid()) * (s - t)).sum(),)

            (sums,) = self._over_tiles(parts, allowed, work)
            return torch.stack(sums).sum()

    def span_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return self.scores(vectors, mask).sigmoid()

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        parts, allowed = self._prepared(vectors, mask)
        words = mask.shape[1]
        with _full_precision(vectors):

            def work(scores: Tensor, tile: SpanTile) -> tuple[Tensor, ...]:
                begins, inside = spans.tag_costs(scores, tile.allowed)
                return begins, functional.pad(inside, (tile.last.start, words - tile.last.stop))

            begins, inside = self._over_tiles(parts, allowed, work)
            return spans.tags_of_costs(torch.cat(begins, -1), torch.stack(inside).sum(0), mask)

    def find(self, vectors: Tensor, mask: Tensor) -> tuple[Spans, Tensor]:
        """Every span that scores above 0."""
        return self.likely(vectors, mask, 0.5)

    @torch.no_grad()
    def likely(self, vectors: Tensor, mask: Tensor, floor: float) -> tuple[Spans, Tensor]:
        """As in `SpanHead`, but memory grows with the length of a sentence, not with its square: there is no table."""
        least = math.log(floor / (1 - floor))
        parts, allowed = self._prepared(vectors, mask)
        with _full_precision(vectors):

            def work(scores: Tensor, tile: SpanTile) -> tuple[Tensor, ...]:
                likely, values = spans.spans_above(scores, least)
                start = tile.first.start
                return likely.places + torch.tensor([0, start, start, 0], device=scores.device), values.sigmoid()

            places, probs = (torch.cat(tiles) for tiles in self._over_tiles(parts, allowed, work))
            order = places[:, 0].argsort(stable=True)  # tiles are in the order of first words already
            return Spans(places[order]), probs[order]

    def _plain_loss(self, parts: Parts, allowed: Tensor, gold: Spans, weight: Tensor | None) -> Tensor:
        def work(scores: Tensor, tile: SpanTile) -> tuple[Tensor, ...]:
            return negative_terms_and_gold_scores(scores, gold, tile.first.start)

        rest, at_gold = (torch.stack(tiles) for tiles in self._over_tiles(parts, allowed, work))
        of_gold = positive_terms(at_gold.sum(0), gold, allowed, self.form.types)
        of_rest = functional.softplus(rest.logsumexp(0))
        return weighted_sum(of_gold, weight) + weighted_sum(of_rest, weight)

    def _smoothed_loss(self, parts: Parts, allowed: Tensor, gold: Spans, weight: Tensor | None) -> Tensor:
        table = spans.targets(gold, (len(allowed), self.form.types, *allowed.shape[1:]))
        share = self.smoothing / allowed.sum((1, 2)).clamp(min=1)[:, None, None, None]

        def work(scores: Tensor, tile: SpanTile) -> tuple[Tensor, ...]:
            probs = torch.where(tile.cut(table), 1 - self.smoothing, share.to(scores.dtype))
            return (spans.soft_multilabel_terms(scores, probs, tile.allowed),)

        (terms,) = self._over_tiles(parts, allowed, work)
        return weighted_sum(spans.joined(torch.stack(terms)), weight)

    def _reading_loss(self, parts: Parts, allowed: Tensor, gold: Spans) -> Tensor:
        """(batch, types) −Σ p · f1 + λ Σ p log p, p the softmax of all candidates; 0 for a type without gold.

        f1(i, j): the best overlap F1, in words, of the span with a gold span of its type; λ: `reading_entropy`.
        """
        row, start, end, kind = gold.places.unbind(1)
        possible = allowed[row, start, end - 1].to(parts[0].dtype)
        asked = parts[0].new_zeros(len(allowed) * self.form.types)
        asked.scatter_reduce_(0, row * self.form.types + kind, possible, "amax")

        def work(scores: Tensor, tile: SpanTile) -> tuple[Tensor, ...]:
            overlaps = overlap_f1(gold, possible, scores.shape, tile.first.start)
            logs = scores.flatten(2)
            within = logs.softmax(-1)
            plain = scores.masked_fill(~tile.allowed[:, None], 0).flatten(2)
            return spans.log_sum_exp_of_table(scores), (within * overlaps.flatten(2)).sum(-1), (within * plain).sum(-1)

        totals, f1, score = (torch.stack(tiles) for tiles in self._over_tiles(parts, allowed, work))
        shares = totals.softmax(0)  # of all probability, by tile
        total, f1, score = totals.logsumexp(0), (shares * f1).sum(0), (shares * score).sum(0)
        return asked.view_as(f1) * (self.reading_entropy * (score - total) - f1)

    def _prepared(self, vectors: Tensor, mask: Tensor) -> tuple[Parts, Tensor]:
        """The parts of the scores, and (batch, words, words) the candidates."""
        parts = self.form(vectors.masked_fill(~mask[..., None], 0))  # no gradient of 0 times what may stand there
        return parts, spans.candidates(mask, max_width=self.max_width)

    def _over_tiles(self, parts: Parts, allowed: Tensor, work: Work) -> tuple[tuple[Tensor, ...], ...]:
        """The results of all tiles: for each tensor that `work` gives, those of the tiles in order."""
        batch, words, _ = allowed.shape
        numbers = batch * words * self.form.channels  # of one first word
        rows = max(1, TILE.get(allowed.device.type, KEPT) // max(1, numbers))
        results = []
        for start in range(0, max(1, words), rows):
            stop = min(start + rows, words)
            last = slice(start, min(stop + self.max_width - 1, words) if self.max_width else words)
            tile = SpanTile(slice(start, stop), last, allowed[:, start:stop, last])
            run = partial(self._in_tile, work, tile)
            again = numbers * words > KEPT
            results.append(checkpoint(run, *parts, use_reentrant=False) if again else run(*parts))
        return tuple(zip(*results, strict=True))

    def _in_tile(self, work: Work, tile: SpanTile, *parts: Tensor) -> tuple[Tensor, ...]:
        return work(self.form.tile(parts, _bias(parts, tile.allowed), tile.first, tile.last), tile)


class GlobalPointerHead(PointerHead):
    """GlobalPointer: a query and a key per type; see `ProductScores`."""

    form_type = ProductScores


class EfficientPointerHead(PointerHead):
    """Efficient GlobalPointer: one query and key for all types; see `SharedProductScores`."""

    form_type = SharedProductScores


class AdditivePointerHead(PointerHead):
    """The form of TPLinker: a hidden layer over the two words; see `AdditiveScores`."""

    form_type = AdditiveScores


def _bias(parts: Parts, allowed: Tensor) -> Tensor:
    """Returns a bias (batch, first words, last words), 0 for candidates and the lowest number elsewhere.

    Adding it needs no work in the backward pass, which a masked fill would.
    """
    return spans.masked(parts[0].new_zeros(allowed.shape), allowed)


def _full_precision(vectors: Tensor) -> torch.autocast:
    return torch.autocast(vectors.device.type, enabled=False)


def negative_terms_and_gold_scores(scores: Tensor, gold: Spans, first: int) -> tuple[Tensor, Tensor]:
    """Returns the log of Σ_Q e^{s} and the scores of the gold spans, of one tile; no table of targets is made.

    scores: (batch, types, rows, columns): row 0 and column 0 are word `first`. The lowest number where no candidate is.
    Returns: (batch, types) the log of the sum; (spans,) the scores of the gold spans, 0 for those of other tiles.
    """
    row, start, end, kind = gold.places.unbind(1)
    start, last = start - first, end - 1 - first
    types, rows, columns = scores.shape[1:]
    if not scores.numel():
        return spans.log_sum_exp_of_table(scores), scores.new_zeros(len(row))
    inside = (start >= 0) & (start < rows) & (last < columns)
    place = ((row * types + kind) * rows + start) * columns + last
    at_gold = scores.flatten().index_select(0, place.masked_fill(~inside, 0))
    # Added, as a mask takes longer; what is not of this tile goes behind the table, so that nothing is asked of a GPU.
    lowest = torch.finfo(scores.dtype).min
    without = scores.new_zeros(scores.numel() + 1)
    without[torch.where(inside & (at_gold.detach() > lowest), place, scores.numel())] = lowest
    return spans.log_sum_exp_of_table(scores + without[:-1].view(scores.shape)), at_gold.masked_fill(~inside, 0)


def positive_terms(at_gold: Tensor, gold: Spans, allowed: Tensor, types: int) -> Tensor:
    """Returns the part of the loss from gold spans, (batch, types) log(1 + Σ_P e^{−s}).

    at_gold: (spans,) the scores of the gold spans, added up over all tiles.
    allowed: (batch, words, words) bool, candidates. Gold that is none, or that is given twice, is left out.
    """
    row, start, end, kind = gold.places.unbind(1)
    group = row * types + kind
    place = (group * allowed.shape[1] + start) * allowed.shape[2] + end - 1
    twice = (place[:, None] == place).tril(-1).any(1)
    logs = spans.masked(-at_gold, allowed[row, start, end - 1] & ~twice)
    greatest = logs.new_zeros(len(allowed) * types).scatter_reduce(0, group, logs.detach(), "amax")
    total = (-greatest).exp().index_add(0, group, (logs - greatest[group]).exp())
    return (greatest + total.log()).view(len(allowed), types)


@torch.no_grad()
def overlap_f1(gold: Spans, weight: Tensor, shape: torch.Size, first: int) -> Tensor:
    """For every span of a tile the best overlap F1, counted in words, with a gold span of its sentence and type.

    weight: (spans,) float: 1 for a gold span that counts, 0 for one that does not.
    shape:  batch, types, rows, columns: row 0 and column 0 are word `first`.
    Returns: that shape, in the dtype of the weights; 0 where there is no gold. What it is for i > j does not matter.
    """
    batch, types, rows, columns = shape
    row, start, end, kind = gold.places.unbind(1)
    i = first + torch.arange(rows, device=weight.device)[:, None]
    j = first + torch.arange(columns, device=weight.device)
    start, end = start[:, None, None], end[:, None, None]
    common = (torch.minimum(j + 1, end) - torch.maximum(i, start)).clamp(min=0)
    f1 = weight[:, None, None] * 2 * common / (j + 1 - i + end - start).clamp(min=1)
    best = weight.new_zeros(batch * types, rows * columns)
    index = (row * types + kind)[:, None].expand(-1, rows * columns)
    return best.scatter_reduce_(0, index, f1.flatten(1), "amax").view(shape)
