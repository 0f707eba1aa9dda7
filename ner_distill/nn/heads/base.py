"""What a head is: word vectors → tags, or entities; and what all heads share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_distill.nn.spans import Spans, spans_above


class Tags(NamedTuple):
    """The BIO tags of a run: `O`, then `B` and `I` of each type."""

    start: Sequence[bool]  # may a sentence begin with the tag?
    transitions: Sequence[Sequence[bool]]  # [previous][next]: may the one follow the other?

    @property
    def types(self) -> int:
        return (len(self.start) - 1) // 2


class Gold(NamedTuple):
    """The labels of a batch in both forms, of which a head reads its own, and how much each sentence counts."""

    tags: Tensor  # (batch, words) long; of entities that overlap, the longest
    spans: Spans | None = None  # all entities; None where nothing is known of them
    weight: Tensor | None = None  # (batch,) float; None = 1
    negative: Tensor | None = None  # (batch, words) bool, surely of no entity; None = nothing is known

    def repeat(self, times: int) -> Gold:
        """The labels of `vectors.repeat(times, 1, 1)`."""
        spans = None if self.spans is None else self.spans.repeat(times, len(self.tags))
        weight = None if self.weight is None else self.weight.repeat(times)
        return Gold(
            self.tags.repeat(times, 1), spans, weight, None if self.negative is None else self.negative.repeat(times, 1)
        )

    def reordered(self, order: Tensor) -> Gold:
        """The labels of `vectors[order]`; order (batch,) long is a permutation."""
        spans = None if self.spans is None else self.spans.reordered(order)
        weight, negative = (None if part is None else part[order] for part in (self.weight, self.negative))
        return Gold(self.tags[order], spans, weight, negative)


class Head(nn.Module, ABC):
    """Word vectors → tags (`TagHead`) or entities (`SpanHead`). Add a new one to `HEADS`.

    In all methods vectors (batch, words, dim) float, mask (batch, words) bool, True = counted, any pattern. What stands
    in the vector (and the label) of a word that is not counted makes no difference to what is said of counted ones.
    Losses are a SUM over sentences, each times its weight, a scalar; where nothing is counted they are 0 and still
    back-propagate. Inside autocast all that follows the first linear map is computed in float32 or better; that map
    itself may be of lower precision, where its class says so.
    """

    smooths = False
    """Does the loss have label smoothing of its own?"""
    learns_spans = False
    """Is there a `soft_loss`, by which a student learns from a teacher's probabilities of spans?"""

    @classmethod
    @abstractmethod
    def of_tags(cls, dim: int, tags: Tags, **options: Any) -> Self:
        """The head for word vectors of this width and these tags; options: the constructor's own."""

    @abstractmethod
    def gold_loss(self, vectors: Tensor, mask: Tensor, gold: Gold) -> Tensor:
        """The loss of whichever labels the head reads."""

    @abstractmethod
    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, words, tags) log of the probability of each tag, float32 or better. Differentiable.

        Probabilities of a counted word add up to 1; −inf for a tag that the head can never give to it. Rows that are
        not counted are zeros.
        """

    def count(self, mask: Tensor) -> float:
        """What divides the sum of the loss, known before any forward pass and whatever the weights: the sentences
        with a counted word, unless a head says otherwise.
        """
        return float(mask.any(1).sum())

    def count_beside(self, mask: Tensor) -> float:
        """What divides a sum over words that is weighed against the loss: what divides the loss.

        Where the loss of a sentence is a mean over its words, it is the number of words.
        """
        return self.count(mask)

    def disagreement(self, first: Tensor, second: Tensor, mask: Tensor) -> Tensor | None:
        """How far two passes' word vectors are from saying the same (R-Drop), a SUM over the batch.

        None: the head has no measure of its own; that of the tags' probabilities is to be taken.
        """
        return None

    def transition_parameters(self) -> list[nn.Parameter]:
        """Scores of what follows what, which want a higher learning rate than the rest and no weight decay."""
        return []


class TagHead(Head):
    """Word vectors → tags; tag 0 is `O`.

    A word that is not counted is as if it were not there: the next counted word follows the last one.
    """

    forbidden_start: Tensor

    @classmethod
    def of_tags(cls, dim: int, tags: Tags, **options: Any) -> Self:
        return cls(dim, tags.start, tags.transitions, **options)

    def gold_loss(self, vectors: Tensor, mask: Tensor, gold: Gold) -> Tensor:
        return self.loss(vectors, mask, gold.tags, gold.weight)

    @abstractmethod
    def loss(self, vectors: Tensor, mask: Tensor, tags: Tensor, weight: Tensor | None = None) -> Tensor:
        """SUM over sentences of the negative log-likelihood of `tags` (batch, words) long, times weight; a scalar.

        weight: (batch,) float, of each sentence, no gradient; None = 1.
        """

    @abstractmethod
    def decode(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, words) long: the best tags that BIO allows, 0 where not counted. No gradient."""


class SpanHead(Head):
    """Word vectors → entities, nested ones included.

    A span that holds a word that is not counted is no candidate: it has probability 0, is never found, and no loss asks
    for it. What `log_probs` says of tags follows from the spans, see `ner_distill.nn.spans.tag_log_probs`.
    """

    @classmethod
    def of_tags(cls, dim: int, tags: Tags, **options: Any) -> Self:
        return cls(dim, tags.types, **options)

    def gold_loss(self, vectors: Tensor, mask: Tensor, gold: Gold) -> Tensor:
        """Raises ValueError where the labels hold no spans."""
        if gold.spans is None:
            raise ValueError("a span head learns from spans, found none")
        return self.loss(vectors, mask, gold.spans, gold.weight)

    @abstractmethod
    def loss(self, vectors: Tensor, mask: Tensor, gold: Spans, weight: Tensor | None = None) -> Tensor:
        """SUM over sentences of the loss, each times its weight; a scalar. Gold that is no candidate is left out.

        weight: (batch,) float, no gradient; None = 1.
        """

    def soft_loss(self, vectors: Tensor, mask: Tensor, probs: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss with a teacher's probabilities in place of gold, where the head `learns_spans`.

        probs: (batch, types, words, words) float in [0, 1], as `span_probs` gives them; no gradient.
        """
        raise NotImplementedError(f"{type(self).__name__} does not learn from probabilities of spans")

    @abstractmethod
    def span_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, types, words, words) float32: how probable it is that words i to j, BOTH inclusive, are an entity.

        0 where they are no candidate, so where i > j.
        """

    def likely(self, vectors: Tensor, mask: Tensor, floor: float) -> tuple[Spans, Tensor]:
        """Every span more probable than the floor, sorted by row and place, and its probability. No gradient."""
        with torch.no_grad():
            return spans_above(self.span_probs(vectors, mask), floor)

    @abstractmethod
    def find(self, vectors: Tensor, mask: Tensor) -> tuple[Spans, Tensor]:
        """The entities, sorted by row and place, and (spans,) float32 the probability of each. No gradient."""


AnyHead = TagHead | SpanHead


def weighted_sum(losses: Tensor, weight: Tensor | None) -> Tensor:
    """The sum of losses (batch, ...), each sentence's times its weight (batch,); None = 1. A scalar."""
    if weight is None:
        return losses.sum()
    return (losses * weight.to(losses.dtype).reshape(-1, *[1] * (losses.dim() - 1))).sum()


class Projection(nn.Linear):
    """Word vectors → tag scores, in float32 or better whatever autocast and the dtype of the vectors say."""

    def forward(self, vectors: Tensor) -> Tensor:
        dtype = torch.promote_types(vectors.dtype, torch.float32)
        with torch.autocast(vectors.device.type, enabled=False):
            bias = None if self.bias is None else self.bias.to(dtype)
            return functional.linear(vectors.to(dtype), self.weight.to(dtype), bias)
