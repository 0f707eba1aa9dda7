"""Scores and probabilities of all spans of a sentence at once: losses, word tags that follow from them, what is found.

Everywhere a table of spans is (batch, types, words, words): row i and column j stand for the span from word i to
word j, BOTH inclusive. `Spans` of gold and of found entities are half-open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional


@dataclass(frozen=True)
class Spans:
    """The entities of a batch in any order, nested ones included: what a span head learns from.

    places: (spans, 4) long: row, first word, end (the word behind the last), type.
    """

    places: Tensor

    def repeat(self, times: int, rows: int) -> Spans:
        """The entities of `tensor.repeat(times, ...)` of a batch of so many rows."""
        steps = torch.arange(times, device=self.places.device).repeat_interleave(len(self.places)) * rows
        places = self.places.repeat(times, 1)
        return Spans(torch.cat([places[:, :1] + steps[:, None], places[:, 1:]], 1))

    def reordered(self, order: Tensor) -> Spans:
        """The entities of `tensor[order]`; order (rows,) long is a permutation."""
        rows = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        return Spans(torch.cat([rows[self.places[:, :1]], self.places[:, 1:]], 1))


def candidates(mask: Tensor, *, max_width: int = 0) -> Tensor:
    """Which spans may be entities: i ≤ j, every word from i to j counted, no wider than max_width where that is > 0.

    mask: (batch, words) bool, True = counted, any pattern.
    Returns: (batch, words, words) bool.
    """
    gaps = (~mask).cumsum(1)
    width = torch.arange(mask.shape[1], device=mask.device)
    width = width[None, :] - width[:, None]  # less one
    possible = width >= 0 if max_width <= 0 else (width >= 0) & (width < max_width)
    return possible & mask[:, :, None] & (gaps[:, :, None] == gaps[:, None, :])


def targets(gold: Spans, shape: tuple[int, int, int, int]) -> Tensor:
    """The gold spans as a table.

    shape: batch, types, words, words.
    Returns: (batch, types, words, words) bool. Raises ValueError where a span does not fit: see `check_fit`.
    """
    check_fit(gold, shape)
    row, start, end, kind = gold.places.unbind(1)
    table = torch.zeros(shape, dtype=torch.bool, device=gold.places.device)
    table[row, kind, start, end - 1] = True
    return table


def check_fit(gold: Spans, shape: tuple[int, int, int, int]) -> None:
    """Raises ValueError where a span does not fit into a table of this shape (batch, types, words, words).

    On a GPU, where asking would mean waiting, the device's own check of indices stops the program.
    """
    if gold.places.device.type != "cpu":
        return
    batch, types, words, _ = shape
    row, start, end, kind = gold.places.unbind(1)
    fits = (row >= 0) & (row < batch) & (start >= 0) & (start < end) & (end <= words) & (kind >= 0) & (kind < types)
    if not bool(fits.all()):
        raise ValueError(
            f"gold spans: expected (row, start, end, type) with row < {batch}, 0 <= start < end <= {words} and "
            f"type < {types}, found {gold.places[~fits][0].tolist()}; do they belong to this batch?"
        )


def masked(values: Tensor, keep: Tensor) -> Tensor:
    """The dtype's lowest number where `keep` is False: its exponent is 0, and unlike −inf it gives no NaN gradients."""
    return values.masked_fill(~keep, torch.finfo(values.dtype).min)


def soft_multilabel_terms(scores: Tensor, probs: Tensor, candidates: Tensor) -> Tensor:
    """The log of Σ e^{−s + log t} and that of Σ e^{s + log(1−t)}, of all spans or of a tile of first words.

    t = p² / (p² + (1−p)²), so that the loss is least exactly where every σ(s) is its p. With p itself in the place of
    t, as the source has it, scores come to rest at half the logit of p, and 0.90 is learned as 0.75.

    scores:     (batch, types, first words, last words) float logits; anything where no candidate is.
    probs:      the same shape, float in [0, 1]; no gradient.
    candidates: (batch, first words, last words) bool.
    Returns: (2, batch, types) in the dtype of the scores. `joined` makes them a loss.
    """
    probs = probs.detach().to(scores.dtype)
    of_gold, of_rest = probs.square(), (1 - probs).square()
    both = of_gold + of_rest
    allowed = candidates[:, None]
    gold = masked((of_gold / both).log() - scores, allowed & (of_gold > 0))
    rest = masked((of_rest / both).log() + scores, allowed & (of_rest > 0))
    return torch.stack([log_sum_exp_of_table(gold), log_sum_exp_of_table(rest)])


def joined(terms: Tensor) -> Tensor:
    """(tiles, 2, batch, types) logs of sums → (batch, types): log(1 + Σ) of each, added up."""
    return functional.softplus(terms.logsumexp(0)).sum(0)


def log_sum_exp_of_table(logs: Tensor) -> Tensor:
    """The log of the sum of exponents over the last two dimensions; the lowest number where nothing is summed."""
    logs = logs.flatten(-2)
    return log_sum_exp(logs) if logs.shape[-1] else logs.sum(-1) + torch.finfo(logs.dtype).min


class _LogSumExp(torch.autograd.Function):
    """`logsumexp(-1)` of at least one number, none of them infinite.

    By softmax, which is its gradient too: MKL's exponents of hugely negative numbers, as most of these are, take 16
    times as long.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, logs: Tensor) -> Tensor:
        probs = logs.softmax(-1)
        ctx.save_for_backward(probs)
        return logs.amax(-1) - probs.amax(-1).log()  # the greatest probability is no less than 1 / n

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        probs: Tensor
        (probs,) = ctx.saved_tensors
        return grad[..., None] * probs


log_sum_exp: Callable[[Tensor], Tensor] = _LogSumExp.apply


def tag_log_probs(log_odds: Tensor, mask: Tensor) -> Tensor:
    """What spans say of single words: a distribution over BIO tags, as if spans were independent of each other.

    With p the probability of a span: B_X(k) = 1 − Π_j (1 − p_X(k, j)); I_X(k) = 1 − Π_{a<k≤b} (1 − p_X(a, b));
    O(k) = Π (1 − p) over all types and all spans that hold k; then divided by their sum.

    log_odds: (batch, types, words, words) float, log p/(1−p), float32 or better; the lowest number or −inf for a span
              that is impossible.
    mask:     (batch, words) bool. Spans that hold a word that is not counted are left out.
    Returns: (batch, words, 1 + 2 · types): `O`, then `B`, `I` of each type. Differentiable. −inf where no span can give
    the tag (`I` of a first word); rows that are not counted are zeros.
    """
    begins, inside = tag_costs(log_odds, candidates(mask))
    return tags_of_costs(begins, inside, mask)


def tag_costs(log_odds: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """−log Π (1 − p) over the spans that begin at a word, and over those that go on at a word.

    log_odds:   (batch, types, rows, columns) as above, or a tile: row 0 and column 0 are the same word.
    candidates: (batch, rows, columns) bool.
    Returns: (batch, types, rows) and (batch, types, columns). The `begins` of tiles are put one after the other, the
    `inside` of a word is added up.
    """
    costs = functional.softplus(log_odds).masked_fill(~candidates[:, None], 0)  # −log(1 − σ(s)), no less exact near 1
    after = costs.flip(-1).cumsum(-1).flip(-1)  # [a, k]: spans from a to k or beyond
    rows, columns = costs.shape[-2:]
    later = torch.ones(rows, columns, dtype=torch.bool, device=costs.device).triu(1)
    return costs.sum(-1), after.masked_fill(~later, 0).sum(-2)


def tags_of_costs(begins: Tensor, inside: Tensor, mask: Tensor) -> Tensor:
    """(batch, types, words) twice, of all spans → (batch, words, tags), normalised: see `tag_log_probs`."""
    outside = -(begins + inside).sum(1)[..., None]
    tags = torch.stack([_log_not(begins), _log_not(inside)], -1)  # (batch, types, words, 2)
    tags = tags.transpose(1, 2).flatten(2)
    return torch.cat([outside, tags], -1).log_softmax(-1).masked_fill(~mask[..., None], 0)


def _log_not(cost: Tensor) -> Tensor:
    """log(1 − e^{−cost}); −inf where there is no cost, and then no gradient."""
    none = cost.detach() < torch.finfo(cost.dtype).tiny
    return torch.expm1(-cost.masked_fill(none, 1)).neg().log().masked_fill(none, -torch.inf)


def word_confidence(probs: Tensor, mask: Tensor) -> Tensor:
    """How sure a table is of each word: the least max(p, 1 − p) over all spans that hold the word.

    Unlike the greatest probability of a tag it is not less where entities nest, of which each may be certain.
    probs: (batch, types, words, words). mask: (batch, words) bool. Returns: (batch, words), 0 where not counted.
    """
    certain = torch.where(candidates(mask)[:, None], torch.maximum(probs, 1 - probs), 1.0).amin(1)
    held = certain.cummin(-2).values.flip(-1).cummin(-1).values.flip(-1)  # spans that begin before, and end behind
    return held.diagonal(dim1=-2, dim2=-1) * mask


def span_probs_of_tags(log_probs: Tensor, mask: Tensor) -> Tensor:
    """What tags of single words say of spans: P(B_i) · Π_{i<k≤j} P(I_k) · (1 − P(I_{j+1})), words taken as independent.

    log_probs: (batch, words, 1 + 2 · types) float: `O`, then `B`, `I` of each type; −inf for an impossible tag.
    mask:      (batch, words) bool. A word that is not counted ends every span before it.
    Returns: (batch, types, words, words) float32 or better; 0 where there is no candidate.
    """
    logs = log_probs.to(torch.promote_types(log_probs.dtype, torch.float32))
    begin, inside = logs[..., 1::2].transpose(1, 2), logs[..., 2::2].transpose(1, 2)  # (batch, types, words)
    inside = inside.masked_fill(~mask[:, None], -torch.inf)
    words = mask.shape[1]
    later = torch.ones(words, words, dtype=torch.bool, device=mask.device).triu(1)
    # Sums from every first word on, not differences of sums from word 0: one impossible tag would spoil all those.
    going_on = inside[:, :, None, :].expand(-1, -1, words, -1).masked_fill(~later, 0).cumsum(-1)
    ended = 1 - functional.pad(inside.exp(), (0, 1))[..., 1:]
    probs = (begin[..., None] + going_on).exp() * ended[:, :, None]
    return probs.masked_fill(~candidates(mask)[:, None], 0)


def spans_above(values: Tensor, floor: float) -> tuple[Spans, Tensor]:
    """The spans whose value (score or probability) is above the floor.

    values: (batch, types, words, words); no candidates must have a value that is not above the floor.
    Returns: `Spans` sorted by row, first word, end, type, and (spans,) their values.
    """
    table = values.permute(0, 2, 3, 1)
    row, first, last, kind = (table > floor).nonzero(as_tuple=True)
    return Spans(torch.stack([row, first, last + 1, kind], 1)), table[row, first, last, kind]
