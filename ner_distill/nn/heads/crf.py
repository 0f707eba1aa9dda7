"""A linear-chain conditional random field (Lafferty et al. 2001)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ner_distill.nn.heads.base import Head, Projection, TagHead, weighted_sum
from ner_distill.nn.heads.chain import Chains, Packing, best_path, working_dtype


class ChainHead(Head):
    """A head with learned scores of which tag comes first and last, and which follows which."""

    forbidden_start: Tensor
    forbidden_end: Tensor
    forbidden_transitions: Tensor

    def learn_transitions(
        self,
        allowed_start: Sequence[bool],
        allowed_transitions: Sequence[Sequence[bool]],
        allowed_end: Sequence[bool] | None = None,
    ) -> None:
        """Add the scores; what is not allowed has −inf in `transition_scores`. allowed_end: None = all tags."""
        tags = len(allowed_start)
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.register_buffer("forbidden_start", ~torch.tensor(allowed_start), persistent=False)
        self.register_buffer("forbidden_end", ~torch.tensor(allowed_end or [True] * tags), persistent=False)
        self.register_buffer("forbidden_transitions", ~torch.tensor(allowed_transitions), persistent=False)

    def transition_scores(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Start and end (tags,), and transitions (tags, tags) [previous][next]."""
        start = self.start.to(dtype).masked_fill(self.forbidden_start, -torch.inf)
        end = self.end.to(dtype).masked_fill(self.forbidden_end, -torch.inf)
        return start, end, self.transitions.to(dtype).masked_fill(self.forbidden_transitions, -torch.inf)

    def transition_parameters(self) -> list[nn.Parameter]:
        return [self.start, self.end, self.transitions]


class CrfHead(ChainHead, TagHead):
    """Scores of tags, of tag pairs, and of first and last tags; a path's score is their sum.

    dim: of the word vectors. allowed_start, allowed_transitions [previous][next]: everything else has probability 0, in
    training, in the marginals and in decoding. The loss of gold tags that are not allowed is infinite: they
    are the caller's mistake.
    """

    def __init__(self, dim: int, allowed_start: Sequence[bool], allowed_transitions: Sequence[Sequence[bool]]) -> None:
        super().__init__()
        self.project = Projection(dim, len(allowed_start))
        self.learn_transitions(allowed_start, allowed_transitions)

    def loss(self, vectors: Tensor, mask: Tensor, tags: Tensor, weight: Tensor | None = None) -> Tensor:
        """Sum over sentences of log Z − score of the gold path."""
        logits: Tensor = self.project(vectors)
        if not mask.shape[1]:
            return logits.sum()
        with torch.autocast(vectors.device.type, enabled=False):
            return weighted_sum(self._chains(logits, mask).losses(tags), weight).to(logits.dtype)

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Forward–backward: −inf for a tag that no allowed path gives to the word."""
        logits: Tensor = self.project(vectors)
        if not mask.shape[1]:
            return logits
        with torch.autocast(vectors.device.type, enabled=False):
            chains = self._chains(logits, mask)
            prefixes, suffixes = chains.prefixes(), chains.suffixes()
            # both sums hold the word's own score
            marginals = prefixes + suffixes - chains.emissions - chains.log_z(prefixes)[:, None]
            impossible = marginals.detach() == -torch.inf
            return chains.packing.unpack(marginals.masked_fill(impossible, -torch.inf)).to(logits.dtype)

    @torch.no_grad()
    def decode(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Viterbi: the best allowed path."""
        logits: Tensor = self.project(vectors)
        return best_path(logits, *self.transition_scores(logits.dtype), mask)

    def _chains(self, logits: Tensor, mask: Tensor) -> Chains:
        dtype, packing = working_dtype(logits), Packing.of(mask)
        return Chains(packing, packing.pack(logits.to(dtype)), *self.transition_scores(dtype))
