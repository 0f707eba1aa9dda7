"""What the losses of pointers need of gold spans, by their places: `ner_distill.nn.spans` without tables of targets."""

from __future__ import annotations

import torch
from torch import Tensor

from ner_distill.nn import spans
from ner_distill.nn.spans import Spans


def sparse_terms(scores: Tensor, gold: Spans, first: int) -> tuple[Tensor, Tensor]:
    """The parts of a pointer's loss that need no table of targets, of a block of spans.

    scores: (batch, types, rows, columns): row 0 and column 0 are word `first`. The lowest number where no candidate is.
    Returns: (batch, types) the log of the sum over Q; (spans,) the scores of the gold spans in the block, 0 for others.
    """
    row, start, end, kind = gold.places.unbind(1)
    start, last = start - first, end - 1 - first
    types, rows, columns = scores.shape[1:]
    if not scores.numel():
        return spans.log_sum_exp_of_table(scores), scores.new_zeros(len(row))
    inside = (start >= 0) & (start < rows) & (last < columns)
    place = ((row * types + kind) * rows + start) * columns + last
    at_gold = scores.flatten().index_select(0, place.masked_fill(~inside, 0))
    # Added, as a mask takes longer; what is not of this block goes behind the table, so that nothing is asked of a GPU.
    lowest = torch.finfo(scores.dtype).min
    without = scores.new_zeros(scores.numel() + 1)
    without[torch.where(inside & (at_gold.detach() > lowest), place, scores.numel())] = lowest
    return spans.log_sum_exp_of_table(scores + without[:-1].view(scores.shape)), at_gold.masked_fill(~inside, 0)


def gold_loss(at_gold: Tensor, gold: Spans, allowed: Tensor, types: int) -> Tensor:
    """The other part: (batch, types) log(1 + Σ_P e^{−s}), from the scores (spans,) of the gold spans.

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
    """For every span of a block the best overlap F1, counted in words, with a gold span of its sentence and type.

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
