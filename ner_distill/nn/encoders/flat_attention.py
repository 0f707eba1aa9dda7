"""The attention of characters to a lattice: as it reads, and the same in less memory and time (`benchmarks/flat.py`).

Both are softmax(content · key + query · distance) · value, and have the same arguments:

queries:   content and query (heads, batch, length, dim / heads), to be multiplied by keys and by distances
keys:      key and value (heads, batch, elements, dim / heads), the characters first, then the words of each class
distances: (classes, heads, 2 · length - 1, dim / heads), a row for each h_i - h_j from length - 1 down
mask:      (batch, elements) bool, the keys that count; where none does the result has no meaning
words:     for each class but the first, the characters', (batch, words) long: the heads
dropout:   probability that an attention weight is dropped

They return (heads, batch, length, dim / heads).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

# Scores by distance that a block of queries may have: what a core's cache holds; on a device, what few launches need.
CACHED_NUMBERS = 2**19
DEVICE_NUMBERS = 2**26

Pair = tuple[Tensor, Tensor]


def gathered_attention(
    queries: Pair, keys: Pair, distances: Tensor, mask: Tensor, words: Sequence[Tensor], *, dropout: float = 0.0
) -> Tensor:
    """The plain form: every pair of a character and an element looks up the score of its distance."""
    (content, query), (key, value) = queries, keys
    length = query.shape[2]
    places = torch.arange(length, device=query.device)
    looked_up = []
    for distance, heads in zip(distances, (places[None], *words), strict=True):
        rows = length - 1 - places[:, None] + heads[:, None, :]  # (batch or 1, length, elements of the class)
        by_distance = query @ distance.transpose(1, 2)[:, None]
        looked_up.append(by_distance.gather(-1, rows.expand(*query.shape[:2], -1, -1)))
    scores = content @ key.transpose(-1, -2) + torch.cat(looked_up, -1)
    scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min / 2)
    return functional.dropout(scores.softmax(-1), dropout) @ value


def strided_attention(
    queries: Pair, keys: Pair, distances: Tensor, mask: Tensor, words: Sequence[Tensor], *, dropout: float = 0.0
) -> Tensor:
    """The fast form."""
    run: Callable[..., Tensor] = _StridedAttention.apply
    return run(dropout, mask, *queries, *keys, distances, *words)


class _StridedAttention(torch.autograd.Function):
    """Queries go through in blocks that a cache can hold.

    In a block of b queries length + b - 1 distances occur; scores by distance exist for one block and one class at a
    time, and only the attention weights are kept. All of these have one dtype; sums are float32 at least. The gradient
    has no gradient of its own.
    """

    @staticmethod
    def forward(ctx: Any, dropout: float, mask: Tensor, *tensors: Tensor) -> Tensor:
        content, query, key, value, distances, *words = tensors
        exact = torch.promote_types(query.dtype, torch.float32)
        bias = torch.zeros(mask.shape, dtype=exact, device=mask.device)
        bias = bias.masked_fill_(~mask, torch.finfo(exact).min / 2)[:, None]
        attended = torch.empty_like(query)
        kept: list[Tensor] = []
        for block, rows, by_distance, by_position in _blocks(query):
            scores = (content[:, :, block] @ key.transpose(-1, -2)).to(exact).add_(bias)
            asking = query[:, :, block].flatten(1, 2)
            for distance, (columns, heads) in zip(distances, _classes(by_position, words), strict=True):
                torch.bmm(asking, distance[:, rows].transpose(1, 2), out=by_distance)
                scores[..., columns] += by_position if heads is None else by_position.gather(-1, heads)
            weights = scores.softmax(-1).to(value.dtype)
            used, *chosen = torch.native_dropout(weights, dropout, True) if dropout else (weights,)
            attended[:, :, block] = used @ value
            if any(ctx.needs_input_grad):
                kept += [weights, *chosen]
        ctx.dropout, ctx.words = dropout, len(words)
        ctx.save_for_backward(content, query, key, value, distances, attended, *words, *kept)
        return attended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        content, query, key, value, distances, attended, *rest = ctx.saved_tensors
        words, kept, (grad,) = rest[: ctx.words], iter(rest[ctx.words :]), grads
        exact = torch.promote_types(query.dtype, torch.float32)
        content_grad, query_grad = torch.empty_like(content), torch.empty_like(query)
        key_grad, value_grad, distances_grad = (
            torch.zeros(part.shape, dtype=exact, device=part.device) for part in (key, value, distances)
        )
        carried = (grad * attended).sum(-1, dtype=exact, keepdim=True)  # Σ_j weight_ij · its gradient
        for block, rows, by_distance, by_position in _blocks(query):
            coming, asking, weights = grad[:, :, block], query[:, :, block].flatten(1, 2), next(kept)
            scores_grad, used = (coming @ value.transpose(-1, -2)).to(exact), weights
            if ctx.dropout:
                chosen = next(kept) / (1 - ctx.dropout)
                scores_grad, used = scores_grad.mul_(chosen), weights * chosen.to(weights.dtype)
            value_grad += used.transpose(-1, -2) @ coming
            scores_grad = scores_grad.sub_(carried[:, :, block]).mul_(weights).to(query.dtype)
            content_grad[:, :, block] = scores_grad @ key
            key_grad += scores_grad.transpose(-1, -2) @ content[:, :, block]
            asking_grad = torch.zeros(asking.shape, dtype=exact, device=asking.device)
            for number, (columns, heads) in enumerate(_classes(by_position, words)):
                by_distance.zero_()
                if heads is None:
                    by_position.copy_(scores_grad[..., columns])
                else:  # words that begin at one place, or padding, meet in one number
                    by_position.scatter_add_(-1, heads, scores_grad[..., columns])
                asking_grad += by_distance @ distances[number, :, rows]
                distances_grad[number, :, rows] += by_distance.transpose(1, 2) @ asking
            query_grad[:, :, block] = asking_grad.view(coming.shape)
        summed = (total.to(query.dtype) for total in (key_grad, value_grad, distances_grad))
        return None, None, content_grad, query_grad, *summed, *(None for _ in words)


def _blocks(query: Tensor) -> Iterator[tuple[slice, slice, Tensor, Tensor]]:
    """Blocks of b queries: which, the rows of distances that occur there, and memory for their scores, twice:

    by distance (heads, batch · b, rows), and the same memory by position (heads, batch, b, length): [..., i, j] is the
    score of query i for distance i - j. That stands in row b - 1 - i + j, so a step to the next query is one number
    short of a row, and no number comes twice.
    """
    heads, batch, length, _ = query.shape
    numbers = CACHED_NUMBERS if query.device.type == "cpu" else DEVICE_NUMBERS
    size = min(length, max(16, numbers // (heads * batch * length)))
    memory = query.new_empty(heads * batch * size * (length + size - 1))
    for first in range(0, length, size):
        last = min(first + size, length)
        block, rows = last - first, length + last - first - 1
        by_distance = memory[: heads * batch * block * rows].view(heads, batch * block, rows)
        steps = (batch * block * rows, block * rows, rows - 1, 1)
        by_position = by_distance.as_strided((heads, batch, block, length), steps, block - 1)
        yield slice(first, last), slice(length - last, length - last + rows), by_distance, by_position


def _classes(by_position: Tensor, words: Sequence[Tensor]) -> Iterator[tuple[slice, Tensor | None]]:
    """The keys of each class, and where to look their scores up; None for characters, which stand in order."""
    first = by_position.shape[3]
    yield slice(0, first), None
    for heads in words:
        last = first + heads.shape[1]
        yield slice(first, last), heads[:, None].expand(*by_position.shape[:3], -1)
        first = last


character_attention = strided_attention  # or gathered_attention, which is slower and takes more memory
