"""A softmax per word."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ner_distill.nn.heads.base import Projection, TagHead, weighted_sum
from ner_distill.nn.heads.chain import best_path


class TokenHead(TagHead):
    """Every word's tag is independent of the others'; only decoding knows what may follow what.

    dim: of the word vectors. allowed_start, allowed_transitions [previous][next]: what decoding may give.
    greedy: decoding gives each word's best tag, allowed or not, instead of the most probable path that is allowed.

    `before` may be set to layers between the vectors and the projection: (…, dim) → (…, dim).
    """

    forbidden_start: Tensor
    forbidden_transitions: Tensor

    def __init__(
        self,
        dim: int,
        allowed_start: Sequence[bool],
        allowed_transitions: Sequence[Sequence[bool]],
        *,
        greedy: bool = False,
    ) -> None:
        super().__init__()
        self.greedy = greedy
        self.before: nn.Module = nn.Identity()
        self.project = Projection(dim, len(allowed_start))
        self.register_buffer("forbidden_start", ~torch.tensor(allowed_start), persistent=False)
        self.register_buffer("forbidden_transitions", ~torch.tensor(allowed_transitions), persistent=False)

    def logits(self, vectors: Tensor) -> Tensor:
        """Scores of tags, (…, tags) float32 or better."""
        scores: Tensor = self.project(self.before(vectors))
        return scores

    def count(self, mask: Tensor) -> float:
        """Words: each has a likelihood of its own."""
        return float(mask.sum())

    def loss(self, vectors: Tensor, mask: Tensor, tags: Tensor, weight: Tensor | None = None) -> Tensor:
        """Sum over counted words of the cross-entropy; a word has its sentence's weight."""
        logits = self.logits(vectors)
        targets = tags.masked_fill(~mask, -100)
        logits, flat = logits.flatten(0, 1), targets.flatten()
        if weight is None:
            return functional.cross_entropy(logits, flat, ignore_index=-100, reduction="sum")
        losses = functional.cross_entropy(logits, flat, ignore_index=-100, reduction="none")
        return weighted_sum(losses.view(tags.shape), weight)

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        logits = self.logits(vectors)
        return logits.log_softmax(-1).masked_fill(~mask[..., None], 0)

    @torch.no_grad()
    def decode(self, vectors: Tensor, mask: Tensor) -> Tensor:
        logits = self.logits(vectors)
        if self.greedy:
            return logits.argmax(-1).masked_fill(~mask, 0)
        free = logits.new_zeros(logits.shape[-1])
        start = free.masked_fill(self.forbidden_start, -torch.inf)
        transitions = free.expand(len(free), -1).masked_fill(self.forbidden_transitions, -torch.inf)
        return best_path(logits.log_softmax(-1), start, free, transitions, mask)
