"""One chain of tags for each entity type: conditional random fields side by side, whose entities may overlap."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ner_distill.nn.heads.base import Projection, SpanHead, weighted_sum
from ner_distill.nn.heads.chain import Chains, Packing, best_path, working_dtype
from ner_distill.nn.heads.crf import ChainHead
from ner_distill.nn.spans import Spans, candidates, check_fit

O, B, I, E = TAGS = range(4)  # noqa: E741 - the tags have these names
# What may begin a chain, and what may follow [previous][next]. A B that no I and no E follows is an entity of one word.
ALLOWED_START = (True, True, False, False)
ALLOWED_TRANSITIONS = (
    (True, True, False, False),
    (True, True, True, True),
    (False, False, True, True),
    (True, True, False, False),
)
ALLOWED_END = (True, True, False, True)
FORCED = -1e6  # the score of a tag that a word cannot have: below what any model gives, and finite, as sums need it


class CrfPerTypeHead(ChainHead, SpanHead):
    """A chain over O, B, I, E for each type; the start, end and transition scores are shared by all types.

    Entities of different types may overlap. Of gold entities of ONE type that overlap a chain can hold only one: the
    longest is learned, of equals the first. The types are independent.

    A word that is not counted, between counted ones, is an O of every type: no entity holds it, none is found across
    it. Before the first and after the last counted word it is as if it were not there.

    The probability of an entity is exact: the share of all of its type's paths that hold just this entity. `find` takes
    the best path of each type, so that an entity it finds may well be less probable than 1/2.
    """

    def __init__(self, dim: int, types: int) -> None:
        super().__init__()
        self.types = types
        self.project = Projection(dim, types * len(TAGS))
        self.learn_transitions(ALLOWED_START, ALLOWED_TRANSITIONS, ALLOWED_END)

    def loss(self, vectors: Tensor, mask: Tensor, gold: Spans, weight: Tensor | None = None) -> Tensor:
        """Sum over sentences and types of log Z − score of the gold path.

        Gold becomes tags on the CPU, which a GPU waits for. Raises ValueError for gold outside of the batch.
        """
        logits: Tensor = self.project(vectors)
        if not mask.shape[1]:
            return logits.sum()
        tags = gold_tags(gold, mask, self.types).to(logits.device)
        with torch.autocast(vectors.device.type, enabled=False):
            losses = self._chains(logits, mask).losses(tags)
            return weighted_sum(losses.unflatten(0, (-1, self.types)), weight).to(logits.dtype)

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """B-X: P(B); I-X: P(I) + P(E), both of type X; O: the product of all P(O). These are made to add up to 1.

        −inf where no path has the tag: I-X of a first word.
        """
        logits: Tensor = self.project(vectors)
        if not mask.shape[1]:
            return logits.new_zeros(*mask.shape, 1 + 2 * self.types)
        with torch.autocast(vectors.device.type, enabled=False):
            chains = self._chains(logits, mask)
            marginals = chains.packing.unpack(log_marginals(chains)).unflatten(0, (-1, self.types))
            # The sum of two impossible tags has no gradient: they are made finite for it.
            inside = torch.logaddexp(*marginals[..., [I, E]].clamp_min(FORCED).unbind(-1))
            inside = inside.masked_fill((marginals[..., [I, E]].detach() == -torch.inf).all(-1), -torch.inf)
            entities = torch.stack([marginals[..., B], inside], -1).permute(0, 2, 1, 3).flatten(2)
            outside = marginals[..., O].sum(1)[..., None]
            log_probs = torch.cat([outside, entities], -1).log_softmax(-1)
            return log_probs.masked_fill(~mask[..., None], 0).to(logits.dtype)

    def span_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Exact: the sum over all paths that hold the entity. Differentiable."""
        logits: Tensor = self.project(vectors)
        if not mask.shape[1]:
            return logits.new_zeros(mask.shape[0], self.types, 0, 0)
        with torch.autocast(vectors.device.type, enabled=False):
            table = PlaceScores.of(self._chains(logits, mask)).table()
            whole = candidates(mask).repeat_interleave(self.types, 0)
            probs: Tensor = table.masked_fill(~whole, -torch.inf).exp().unflatten(0, (-1, self.types))
            return probs.to(logits.dtype)

    @torch.no_grad()
    def find(self, vectors: Tensor, mask: Tensor) -> tuple[Spans, Tensor]:
        """The entities of each type's best path, and their exact probabilities."""
        logits: Tensor = self.project(vectors)
        if not mask.shape[1]:
            return Spans(mask.new_zeros(0, 4, dtype=torch.long)), logits.new_zeros(0)
        with torch.autocast(vectors.device.type, enabled=False):
            chains = self._chains(logits, mask)
            packing, transitions = chains.packing, (chains.start, chains.end, chains.transitions)
            tags = best_path(packing.unpack(chains.emissions), *transitions, packing.mask)
            chain, first, last = entities_of(tags).unbind(1)
            probs = PlaceScores.of(chains).at(chain, first, last).exp()
        row, kind, words = chain // self.types, chain % self.types, mask.shape[1]
        order = (((row * words + first) * words + last) * self.types + kind).argsort()
        places = torch.stack([row, first, last + 1, kind], 1)
        return Spans(places[order]), probs[order].to(logits.dtype)

    def _chains(self, logits: Tensor, mask: Tensor) -> Chains:
        """Types folded into the batch: row = sentence · types + type."""
        dtype = working_dtype(logits)
        scores = logits.to(dtype).unflatten(-1, (self.types, len(TAGS))).transpose(1, 2)
        forced = scores.new_full((len(TAGS),), FORCED)
        forced[O] = 0
        scores = torch.where(mask[:, None, :, None], scores, forced).flatten(0, 1)
        inside = (mask.cumsum(1) > 0) & (mask.flip(1).cumsum(1).flip(1) > 0)
        packing = Packing.of(inside.repeat_interleave(self.types, 0))
        return Chains(packing, packing.pack(scores), *self.transition_scores(dtype))


def log_marginals(chains: Chains) -> Tensor:
    """(words, chains, 4) the log of each tag's probability, −inf where no path has it."""
    suffixes, prefixes = chains.suffixes(), chains.prefixes()
    # both sums hold the word's own score
    logs = prefixes + suffixes - chains.emissions - chains.log_z(prefixes)[:, None]
    return logs.masked_fill(logs.detach() < FORCED / 2, -torch.inf)


@dataclass(frozen=True)
class PlaceScores:
    """Log probabilities of entities by place, each part (chains, words).

    single: of one word; pair: of this word and the next; left[i] + right[j]: of more words, i to j. Of no meaning where
    an entity would hold a word that is none.
    """

    single: Tensor
    pair: Tensor
    left: Tensor
    right: Tensor

    @classmethod
    def of(cls, chains: Chains) -> PlaceScores:
        """There is one way through the words of an entity, so that its probability is a product of few sums."""
        packing, steps = chains.packing, chains.transitions
        suffixes, prefixes = chains.suffixes(), chains.prefixes()
        log_z = chains.log_z(prefixes)
        before, after = prefixes[..., B], suffixes[..., E] - log_z
        inner = chains.emissions[..., I] + steps[I, I]
        # A word that cannot be in an entity is in no candidate: without it the sums stay small, and so exact.
        through = inner.masked_fill(inner <= FORCED / 2, 0).cumsum(0)
        left = before - through + steps[B, I] - steps[I, I]
        right = after + steps[I, E]
        right = torch.cat([right[:1], right[1:] + through[:-1]])
        pair = before[:-1] + steps[B, E] + after[1:]
        pair = torch.cat([pair, torch.zeros_like(before[:1])])
        goes_on = torch.logsumexp(steps[B, [O, B]] + suffixes[1:][..., [O, B]], -1)
        goes_on = torch.cat([goes_on, torch.zeros_like(log_z[None])])
        at_last = torch.arange(len(before), device=before.device)[:, None] == packing.last
        single = before + torch.where(at_last, chains.end[B], goes_on) - log_z
        return cls(*(packing.unpack(scores) for scores in (single, pair, left, right)))

    def table(self) -> Tensor:
        """(chains, words, words): of all places at once, [first word][last word]; of no meaning below the diagonal."""
        table = self.left[:, :, None] + self.right[:, None, :]
        table = torch.diagonal_scatter(table, self.single, 0, 1, 2)
        return torch.diagonal_scatter(table, self.pair[:, :-1], 1, 1, 2)

    def at(self, chain: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """Of these places, each (places,) long."""
        longer = self.left[chain, first] + self.right[chain, last]
        shorter = torch.where(first == last, self.single[chain, first], self.pair[chain, first])
        return torch.where(last - first > 1, longer, shorter)


def entities_of(tags: Tensor) -> Tensor:
    """(entities, 3) long: chain, first word, last word of the entities of tags (chains, words), sorted."""
    words = tags.shape[1]
    steps = torch.arange(words, device=tags.device)
    continues = (tags == I) | (tags == E)
    # For each word the next one, itself included, that continues nothing.
    borders = torch.where(continues, words, steps).flip(1).cummin(1).values.flip(1)
    ends = torch.cat([borders[:, 1:], borders.new_full((len(tags), 1), words)], 1)
    chain, first = (tags == B).nonzero().unbind(1)
    return torch.stack([chain, first, ends[chain, first] - 1], 1)


def gold_tags(gold: Spans, mask: Tensor, types: int) -> Tensor:
    """(batch · types, words) long, on the CPU: the tags of each type's chain. Raises ValueError for gold outside."""
    gold, counted = Spans(gold.places.cpu()), mask.cpu()
    batch, words = mask.shape
    check_fit(gold, (batch, types, words, words))
    row, start, end, kind = gold.places.unbind(1)
    gaps = (~counted).cumsum(1)
    whole = counted[row, start] & (gaps[row, start] == gaps[row, end - 1])
    row, start, end, kind = without_same_type_overlap(Spans(gold.places[whole])).places.unbind(1)
    chain = row * types + kind
    edges = torch.zeros(batch * types, words + 1, dtype=torch.long)
    edges[chain, start] += 1
    edges.index_put_((chain, end), torch.tensor(-1), accumulate=True)  # where one ends another may begin
    tags = edges.cumsum(1)[:, :-1] * I
    tags[chain, end - 1] = E
    tags[chain, start] = B
    return tags


def without_same_type_overlap(gold: Spans) -> Spans:
    """Of each row and type places of which no two share a word: the longest stay, of equals the first. On the CPU."""
    kept: list[tuple[int, int, int, int]] = []
    taken: set[tuple[int, int, int]] = set()
    for row, start, end, kind in sorted(gold.places.tolist(), key=lambda place: (place[1] - place[2], place)):
        words = {(row, kind, word) for word in range(start, end)}
        if taken.isdisjoint(words):
            taken |= words
            kept.append((row, start, end, kind))
    return Spans(torch.tensor(sorted(kept), dtype=torch.long).reshape(-1, 4))
