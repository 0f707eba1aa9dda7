"""What a head is, and what all heads share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_distill.nn.spans import Spans


class SpanHead(Protocol):
    """Word vectors → entities, nested ones included. An `nn.Module`, made from `dim` and the number of `types`.

    In all methods vectors (batch, words, dim) float, mask (batch, words) bool, True = counted. A span that holds a word
    that is not counted is no candidate: it has probability 0, is never found, and no loss asks for it; what stands
    in the vector of such a word makes no difference to what is said of counted ones. Inside autocast
    scores and losses are computed in float32 or better.
    """

    def loss(self, vectors: Tensor, mask: Tensor, gold: Spans, weight: Tensor | None = None) -> Tensor:
        """SUM over sentences of the loss, each times its weight; a scalar. Gold that is no candidate is left out.

        weight: (batch,) float, no gradient; None = 1. All False gives 0 and still back-propagates.
        """
        ...

    def count(self, mask: Tensor) -> float:
        """Sentences with a counted word, whatever their weight: what divides the sum. Known before any forward pass."""
        ...

    def span_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, types, words, words) float32: how probable it is that words i to j, BOTH inclusive, are an entity.

        0 where they are no candidate, so where i > j.
        """
        ...

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, words, tags) log of a probability for each BIO tag (`O`, then `B`, `I` of each type), float32.

        Differentiable; sums to 1 per counted word; rows that are not counted are zeros. What a tag model can learn
        from this head: see `ner_distill.nn.spans.tag_log_probs`.
        """
        ...

    def find(self, vectors: Tensor, mask: Tensor) -> tuple[Spans, Tensor]:
        """The entities, sorted by row and place, and (spans,) float32 the probability of each. No gradient."""
        ...


class Head(Protocol):
    """Word vectors → tags. An `nn.Module` made by `(dim, allowed_start, allowed_transitions)`; tag 0 is `O`.

    In all methods: vectors (batch, words, dim) float; mask (batch, words) bool, True = counted, any pattern. A word
    that is not counted is as if it were not there: the next counted word follows the last one. What stands in
    its vector and tag makes no difference. Inside autocast everything is computed in float32 or better.
    """

    def loss(self, vectors: Tensor, mask: Tensor, tags: Tensor, weight: Tensor | None = None) -> Tensor:
        """SUM over sentences of the negative log-likelihood of `tags` (batch, words) long, times weight; a scalar.

        weight: (batch,) float, of each sentence, no gradient; None = 1. All False gives 0 and still back-propagates.
        """
        ...

    def count(self, mask: Tensor) -> float:
        """How many likelihoods that sum has, whatever their weight: what divides it. Known before any forward pass."""
        ...

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, words, tags) log of the marginal probability of each tag; rows that are not counted are zeros.

        Differentiable; −inf for a tag that the head can never give to the word.
        """
        ...

    def decode(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, words) long: the best tags that BIO allows, 0 where not counted. No gradient."""
        ...


def weighted_sum(losses: Tensor, weight: Tensor | None) -> Tensor:
    """The sum of losses (batch, ...), each sentence's times its weight (batch,); None = 1. A scalar."""
    if weight is None:
        return losses.sum()
    return (losses * weight.to(losses.dtype).reshape(-1, *[1] * (losses.dim() - 1))).sum()


class Projection(nn.Linear):
    """Word vectors → tag scores, in float32 or better whatever autocast and the dtype of the vectors say."""

    def forward(self, vectors: Tensor) -> Tensor:
        """(batch, words, dim) → (batch, words, tags)."""
        dtype = torch.promote_types(vectors.dtype, torch.float32)
        with torch.autocast(vectors.device.type, enabled=False):
            bias = None if self.bias is None else self.bias.to(dtype)
            return functional.linear(vectors.to(dtype), self.weight.to(dtype), bias)


def forbidden_masks(
    allowed_start: Sequence[bool], allowed_transitions: Sequence[Sequence[bool]]
) -> tuple[Tensor, Tensor]:
    """(tags,) and (tags, tags) bool, True = forbidden. Raises ValueError where the two do not fit."""
    tags = len(allowed_start)
    if tags == 0 or len(allowed_transitions) != tags or any(len(row) != tags for row in allowed_transitions):
        sizes = [len(row) for row in allowed_transitions]
        raise ValueError(
            f"allowed_transitions: expected {tags} rows of {tags} (as allowed_start has {tags} tags, at least 1), "
            f"found rows of {sizes}"
        )
    return ~torch.tensor(allowed_start, dtype=torch.bool), ~torch.tensor(allowed_transitions, dtype=torch.bool)
