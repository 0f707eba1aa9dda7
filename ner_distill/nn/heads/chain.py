"""Sums and maxima over all tag paths of a linear chain: what heads with transitions are made of.

Everything here is vectorised over sentences and tags and loops over words only. Inside, the words come first:
(words, batch, tags), and counted words are packed to the front, so that a mask with holes is the same as padding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Sums of exponents are exact to rounding while no term is smaller than this (the least normal float64 is 2e-308).
SMALLEST = 1e-290


@dataclass(frozen=True)
class Packing:
    """Where the counted words of a batch are, and how to bring them to the front and back."""

    mask: Tensor  # (batch, words) bool
    lengths: Tensor  # (batch,) long: counted words
    counted: Tensor  # (words, batch) bool, of the packed words
    order: Tensor  # (words * batch,) long: row of the flat (batch * words) input for each packed word
    places: Tensor  # (batch * words,) long: row of the flat packed words for each input word

    @classmethod
    def of(cls, mask: Tensor) -> Packing:
        """mask: (batch, words) bool, True = counted; any pattern."""
        batch, words = mask.shape
        steps = torch.arange(words, device=mask.device)
        rows = torch.arange(batch, device=mask.device)
        lengths, place = mask.sum(1), mask.cumsum(1) - 1
        # Words that do not count all go to one surplus column.
        order = place.new_zeros(batch, words + 1)
        order.scatter_(1, place.masked_fill(~mask, words), steps.expand(batch, words))
        order = order[:, :words] + rows[:, None] * words
        places = place.clamp_min(0) * batch + rows[:, None]
        return cls(mask, lengths, steps[:, None] < lengths, order.t().reshape(-1), places.reshape(-1))

    @property
    def last(self) -> Tensor:
        """(batch,) the packed index of each sentence's last counted word; 0 where there is none."""
        return (self.lengths - 1).clamp_min(0)

    def pack(self, values: Tensor) -> Tensor:
        """(batch, words, …) → (words, batch, …), zeros after the counted words, whatever was there."""
        packed = _rows(values, self.order, self.counted.shape)
        return packed.masked_fill(~_like(self.counted, packed), 0)

    def unpack(self, packed: Tensor) -> Tensor:
        """(words, batch, …) → (batch, words, …), zeros where the mask is False."""
        values = _rows(packed, self.places, self.mask.shape)
        return values.masked_fill(~_like(self.mask, values), 0)

    def reverse(self, packed: Tensor) -> Tensor:
        """The counted words of each sentence in reverse; its own inverse. (words, batch, …)."""
        words, batch = self.counted.shape
        steps = torch.arange(words, device=packed.device)[:, None]
        index = torch.where(self.counted, self.lengths - 1 - steps, steps) * batch
        index = index + torch.arange(batch, device=packed.device)
        return _rows(packed, index.reshape(-1), self.counted.shape)

    def at_last(self, packed: Tensor) -> Tensor:
        """The values at each sentence's last counted word. (words, batch, tags) → (batch, tags)."""
        index = self.last[None, :, None].expand(1, -1, packed.shape[-1])
        return packed.gather(0, index)[0]


def _rows(values: Tensor, index: Tensor, shape: torch.Size) -> Tensor:
    """Rows of the first two dimensions taken as one, laid out anew."""
    return values.flatten(0, 1).index_select(0, index).reshape(*shape, *values.shape[2:])


def _like(mask: Tensor, values: Tensor) -> Tensor:
    return mask.reshape(*mask.shape, *[1] * (values.dim() - mask.dim()))


class _PrefixScores(torch.autograd.Function):
    """Log of the summed exponents of all paths that end in each tag at each word; differentiable once.

    emissions:   (words, batch, tags) finite, words ≥ 1. float64 unless the device has none.
    start:       (tags,) −inf where a path may not begin with the tag.
    transitions: (tags, tags) [previous][next], −inf where forbidden.
    Returns: (words, batch, tags), of the words up to and including each; −inf for a tag that no path reaches.

    On the CPU the sums are taken in exponent space, scaled at every word: one small matrix product per word instead
    of a (batch, tags, tags) log-sum-exp. Where that would underflow (under BIO: where the scores of a word's tags
    lie more than some 330 apart), and on other devices, where finding that out would stall the host, they are
    taken in log space. The derivative of a prefix's score by the one before is a probability, so gradients cannot
    blow up either.
    """

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, start: Tensor, transitions: Tensor) -> Tensor:
        scaled = _scaled_prefixes(emissions, start, transitions) if emissions.device.type == "cpu" else None
        ctx.scaled = scaled is not None
        if scaled is not None:
            scores, *saved = scaled
        else:
            scores = _log_prefixes(emissions, start, transitions)
            saved = [scores, emissions, transitions]
        ctx.save_for_backward(*saved)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        backward = _scaled_backward if ctx.scaled else _log_backward
        adjoint, transitions_grad = backward(grad.clone(memory_format=torch.contiguous_format), *ctx.saved_tensors)
        return adjoint, adjoint[0].sum(0), transitions_grad


prefix_scores: Callable[[Tensor, Tensor, Tensor], Tensor] = _PrefixScores.apply


def _scaled_prefixes(emissions: Tensor, start: Tensor, transitions: Tensor) -> tuple[Tensor, ...] | None:
    """Scores and what the backward pass needs, or None where exponents of this range do not fit."""
    peak, start_peak, step_peak = emissions.amax(-1, keepdim=True), start.amax(), transitions.amax()
    potentials = (emissions - peak).exp_()
    steps = (transitions - step_peak).exp_()
    sums = torch.empty_like(potentials)  # before scaling; what must not underflow
    shares = torch.empty_like(potentials)  # each word's sums, scaled to add up to 1
    totals = torch.empty_like(peak)
    torch.mul(potentials[0], (start - start_peak).exp_(), out=sums[0])
    for potential, total, share, now, after in zip(
        potentials[1:].unbind(), totals.unbind(), shares.unbind(), sums.unbind(), sums[1:].unbind(), strict=False
    ):
        torch.sum(now, -1, keepdim=True, out=total)
        torch.div(now, total, out=share)
        torch.mm(share, steps, out=after)
        after.mul_(potential)
    # A tag that no path reaches after the first word (BIO has none) counts as underflow: slower, not wrong.
    smallest = torch.cat([sums[0].masked_fill(start == -torch.inf, 1).amin()[None], sums[1:].amin((1, 2))]).amin()
    if not smallest >= SMALLEST:  # NaN included
        return None
    offset = peak.cumsum(0).add_(start_peak)
    offset[1:] += totals[:-1].log().add_(step_peak).cumsum(0)
    return sums.log().add_(offset), potentials.div_(sums), shares, steps


def _scaled_backward(adjoint: Tensor, ratios: Tensor, shares: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """adjoint: the gradient of the scores, overwritten by that of the emissions. ratios: potentials / sums."""
    flows = torch.empty_like(adjoint)
    backwards, carried = steps.t().contiguous(), torch.empty_like(adjoint[0])
    parts = adjoint[:-1], adjoint[1:], ratios[1:], flows[1:], shares[:-1]
    for now, after, ratio, flow, share in zip(*(reversed(part.unbind()) for part in parts), strict=True):
        torch.mul(after, ratio, out=flow)
        torch.mm(flow, backwards, out=carried)
        now.addcmul_(share, carried)
    return adjoint, steps * (shares[:-1].flatten(0, 1).t() @ flows[1:].flatten(0, 1))


def _log_prefixes(emissions: Tensor, start: Tensor, transitions: Tensor) -> Tensor:
    scores = torch.empty_like(emissions)
    scores[0] = start + emissions[0]
    for word in range(1, len(emissions)):
        scores[word] = torch.logsumexp(scores[word - 1][:, :, None] + transitions, dim=1) + emissions[word]
    return scores


def _log_backward(adjoint: Tensor, scores: Tensor, emissions: Tensor, transitions: Tensor) -> tuple[Tensor, Tensor]:
    incoming = (scores - emissions).masked_fill(scores == -torch.inf, 0)  # −inf − −inf would be NaN
    transitions_grad = torch.zeros_like(transitions)
    for word in range(len(scores) - 1, 0, -1):
        chances = (scores[word - 1][:, :, None] + transitions - incoming[word][:, None, :]).exp_()
        flows = chances.mul_(adjoint[word][:, None, :])
        adjoint[word - 1] += flows.sum(2)
        transitions_grad += flows.sum(0)
    return adjoint, transitions_grad


def working_dtype(logits: Tensor) -> torch.dtype:
    """float64 for sums over paths, as its range allows the fast form of `prefix_scores`; Apple's GPUs have none."""
    return logits.dtype if logits.device.type == "mps" else torch.float64


@dataclass(frozen=True)
class Chains:
    """Scores of independent chains, words first.

    emissions: (words, chains, tags); start, end: (tags,) and transitions: (tags, tags), −inf where forbidden.
    """

    packing: Packing
    emissions: Tensor
    start: Tensor
    end: Tensor
    transitions: Tensor

    def prefixes(self) -> Tensor:
        """(words, chains, tags): all paths that end in each tag at each word."""
        return prefix_scores(self.emissions, self.start, self.transitions)

    def suffixes(self) -> Tensor:
        """(words, chains, tags): all paths that begin in each tag at each word."""
        backwards = prefix_scores(self.packing.reverse(self.emissions), self.end, self.transitions.t())
        return self.packing.reverse(backwards)

    def log_z(self, prefixes: Tensor) -> Tensor:
        """(chains,): all whole paths."""
        return torch.logsumexp(self.packing.at_last(prefixes) + self.end, -1)

    def losses(self, tags: Tensor) -> Tensor:
        """(chains,) log Z − the score of the path of these tags (chains, words); 0 without counted words."""
        log_z = self.log_z(self.prefixes())
        return (log_z - self._score(self.packing.pack(tags))).masked_fill(self.packing.lengths == 0, 0)

    def _score(self, tags: Tensor) -> Tensor:
        emitted = self.emissions.gather(-1, tags[..., None])[..., 0].sum(0)  # zeros after the counted words
        pairs = (tags[:-1] * len(self.start) + tags[1:]).flatten()
        steps = self.transitions.flatten().index_select(0, pairs).reshape(tags[1:].shape)
        stepped = steps.masked_fill(~self.packing.counted[1:], 0).sum(0)
        last = tags.gather(0, self.packing.last[None])[0]
        return emitted + stepped + self.start.index_select(0, tags[0]) + self.end.index_select(0, last)


def best_path(emissions: Tensor, start: Tensor, end: Tensor, transitions: Tensor, mask: Tensor) -> Tensor:
    """Viterbi: the tags of the path with the greatest sum of scores; the lowest ids where paths tie at a word.

    emissions: (batch, words, tags); start, end: (tags,); transitions: (tags, tags) [previous][next]; −inf = forbidden.
    mask: (batch, words) bool, True = counted; any pattern. Returns: (batch, words) long, 0 where the mask is False.
    """
    if not mask.shape[1]:
        return mask.long()
    # The longest first: at each step only the sentences that reach so far are worked on.
    order = mask.sum(1).argsort(descending=True, stable=True)
    packing = Packing.of(mask[order])
    packed = packing.pack(emissions[order])
    reaching = packing.counted.sum(1).tolist()
    # Only the maxima are kept: looking for the one predecessor on the way back is cheaper than noting all of them.
    incoming = transitions.t().contiguous()
    scores = torch.zeros_like(packed)
    scores[0] = packed[0] + start
    options = packed.new_empty(packed.shape[1], *transitions.shape)
    for word, count in enumerate(reaching[1:], start=1):
        after = scores[word, :count]
        torch.add(scores[word - 1, :count, None, :], incoming, out=options[:count])
        torch.amax(options[:count], dim=2, out=after)
        after.add_(packed[word, :count])
    final = (packing.at_last(scores) + end).argmax(-1)
    tags = final.repeat(len(packed), 1)
    for word in range(len(packed) - 1, 0, -1):
        count = reaching[word]
        tags[word - 1, :count] = (scores[word - 1, :count] + incoming[tags[word, :count]]).argmax(-1)
    path = torch.empty_like(mask, dtype=torch.long)
    path[order] = packing.unpack(tags)
    return path
