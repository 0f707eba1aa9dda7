"""A linear-chain conditional random field (Lafferty et al. 2001)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ner_distill.nn.heads.base import Projection, TagHead, forbidden_masks, weighted_sum
from ner_distill.nn.heads.chain import Packing, best_path, prefix_scores


class CrfHead(TagHead):
    """Scores of tags, of tag pairs, and of first and last tags; a path's score is their sum.

    dim: of the word vectors. allowed_start, allowed_transitions [previous][next]: everything else has probability 0, in
    training, in the marginals and in decoding. The loss of gold tags that are not allowed is infinite: they
    are the caller's mistake.
    """

    forbidden_start: Tensor
    forbidden_transitions: Tensor

    def __init__(self, dim: int, allowed_start: Sequence[bool], allowed_transitions: Sequence[Sequence[bool]]) -> None:
        super().__init__()
        tags = len(allowed_start)
        forbidden_start, forbidden_transitions = forbidden_masks(allowed_start, allowed_transitions)
        self.project = Projection(dim, tags)
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.register_buffer("forbidden_start", forbidden_start, persistent=False)
        self.register_buffer("forbidden_transitions", forbidden_transitions, persistent=False)

    def transition_parameters(self) -> list[nn.Parameter]:
        return [self.start, self.end, self.transitions]

    def loss(self, vectors: Tensor, mask: Tensor, tags: Tensor, weight: Tensor | None = None) -> Tensor:
        """Sum over sentences of log Z − score of the gold path."""
        logits: Tensor = self.project(vectors)
        if not mask.shape[1]:
            return logits.sum()
        with torch.autocast(vectors.device.type, enabled=False):
            packing = Packing.of(mask)
            start, end, transitions = self._scores(working_dtype(logits))
            emissions = packing.pack(logits.to(start.dtype))
            log_z = torch.logsumexp(packing.at_last(prefix_scores(emissions, start, transitions)) + end, -1)
            gold = path_score(emissions, start, end, transitions, packing, packing.pack(tags))
            losses = (log_z - gold).masked_fill(packing.lengths == 0, 0)
            return weighted_sum(losses, weight).to(logits.dtype)

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Forward–backward: −inf for a tag that no allowed path gives to the word."""
        logits: Tensor = self.project(vectors)
        if not mask.shape[1]:
            return logits
        with torch.autocast(vectors.device.type, enabled=False):
            packing = Packing.of(mask)
            start, end, transitions = self._scores(working_dtype(logits))
            emissions = packing.pack(logits.to(start.dtype))
            prefixes = prefix_scores(emissions, start, transitions)
            suffixes = packing.reverse(prefix_scores(packing.reverse(emissions), end, transitions.t()))
            log_z = torch.logsumexp(packing.at_last(prefixes) + end, -1)
            marginals = prefixes + suffixes - emissions - log_z[:, None]  # both sums hold the word's own score
            impossible = marginals.detach() == -torch.inf
            return packing.unpack(marginals.masked_fill(impossible, -torch.inf)).to(logits.dtype)

    @torch.no_grad()
    def decode(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Viterbi: the best allowed path."""
        logits: Tensor = self.project(vectors)
        start, end, transitions = self._scores(logits.dtype)
        return best_path(logits, start, end, transitions, mask)

    def _scores(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        start = self.start.to(dtype).masked_fill(self.forbidden_start, -torch.inf)
        transitions = self.transitions.to(dtype).masked_fill(self.forbidden_transitions, -torch.inf)
        return start, self.end.to(dtype), transitions


def working_dtype(logits: Tensor) -> torch.dtype:
    """float64 for sums over paths, as its range allows the fast form of `prefix_scores`; Apple's GPUs have none."""
    return logits.dtype if logits.device.type == "mps" else torch.float64


def path_score(
    emissions: Tensor, start: Tensor, end: Tensor, transitions: Tensor, packing: Packing, tags: Tensor
) -> Tensor:
    """(batch,) the score of packed tags (words, batch); of no meaning for a sentence without counted words."""
    emitted = emissions.gather(-1, tags[..., None])[..., 0].sum(0)  # zeros after the counted words
    pairs = (tags[:-1] * len(start) + tags[1:]).flatten()
    steps = transitions.flatten().index_select(0, pairs).reshape(tags[1:].shape)
    stepped = steps.masked_fill(~packing.counted[1:], 0).sum(0)
    last = tags.gather(0, packing.last[None])[0]
    return emitted + stepped + start.index_select(0, tags[0]) + end.index_select(0, last)
