"""FLAT as the literature has it: R for every pair of elements. Slow and plain; tests and the benchmark compare to it.

Li et al., ACL 2020, eq. 4-9: the four distances of all pairs, a vector for each, fused to R (batch, elements,
elements, dim), multiplied by the queries. It takes its weights from a `FlatTransformer`.

unique: fuse each different quadruple of distances once and copy it to its pairs, as one version of the authors' code
does: less to multiply, but still a tensor of (elements × elements × dim).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ner_distill.nn.encoders.flat import FlatAttention, FlatTransformer, WordGroup
from ner_distill.nn.encoders.flat_fusion import Positions
from ner_distill.nn.encoders.relative import RelativeLayer


def dense_flat(
    model: FlatTransformer, chars: Tensor, mask: Tensor, words: Sequence[WordGroup], *, unique: bool = False
) -> Tensor:
    """What `model(chars, mask, words)` must be."""
    batch, length, _ = chars.shape
    heads = torch.cat([torch.arange(length).expand(batch, -1), *(group.heads.cpu() for group in words)], 1)
    tails = torch.cat(
        [torch.arange(length).expand(batch, -1), *(group.heads.cpu() + group.width for group in words)], 1
    )
    mask = torch.cat([mask, *(group.mask for group in words)], 1)
    vectors = torch.cat([chars, *(group.vectors for group in words)], 1) * mask[..., None]
    pairs = [(heads, heads), (heads, tails), (tails, heads), (tails, tails)]
    distances = [(mine[:, :, None] - other[:, None, :]).to(chars.device) for mine, other in pairs]
    if model.positions.kinds == 2:  # fusion `two`: hh and tt
        distances = [distances[0], distances[3]]
    rows = None
    if unique:
        quadruples, rows = torch.unique(torch.stack(distances, -1).flatten(0, 2), dim=0, return_inverse=True)
        shape = rows.view(distances[0].shape)
        distances, rows = list(quadruples.unbind(-1)), shape
    for layer in model.layers:
        assert isinstance(layer, RelativeLayer)
        assert isinstance(layer.attention, FlatAttention)
        fused = _fused(layer.attention.fusion, layer.attention.kind, model.positions, distances, chars)
        fused = fused if rows is None else fused[rows]
        attended = layer.dropout(_attention(layer.attention, vectors, mask, fused))
        vectors = layer.attention_norm(vectors + attended)
        vectors = layer.feed_forward_norm(vectors + layer.dropout(layer.feed_forward(vectors))) * mask[..., None]
    return vectors[:, :length]


def _positions(positions: Positions, number: int, distances: Tensor, like: Tensor) -> Tensor:
    """p of each distance: (…, dim)."""
    if positions.tables:
        limit = positions.max_distance
        learned: Tensor = positions.tables[0 if positions.shared else number]
        return learned[limit - distances.clamp(-limit, limit)]  # row 0 holds the greatest distance
    rows = int(distances.abs().max())
    every = torch.arange(-rows, rows + 1, device=like.device, dtype=torch.float64)
    rates = 10000 ** (-torch.arange(0, positions.dim, 2, device=like.device, dtype=torch.float64) / positions.dim)
    angles = every[:, None] * rates
    table: Tensor = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, : positions.dim]
    return table.to(like.dtype)[distances + rows]


def _fused(fusion: nn.Module, kind: str, positions: Positions, distances: Sequence[Tensor], like: Tensor) -> Tensor:
    """R of all pairs: (batch, elements, elements, dim)."""
    parts = dict(fusion.named_parameters())
    vectors_of = [_positions(positions, number, distance, like) for number, distance in enumerate(distances)]
    if kind in ("ff", "two"):
        return linear(torch.cat(vectors_of, -1), parts["distance.weight"]).relu_()
    hidden = linear(torch.cat(vectors_of, -1), parts["hidden.distance.weight"]).relu_()
    choice: Tensor = linear(hidden, parts["choice.weight"], parts["choice.bias"]).unflatten(-1, (4, -1)).softmax(-2)
    return (choice * linear(torch.stack(vectors_of, -2), parts["value.weight"])).sum(-2)


def _attention(part: FlatAttention, vectors: Tensor, mask: Tensor, fused: Tensor) -> Tensor:
    """((q_i + u) · k_j + (q_i + v) · W_R R_ij) / sqrt(d), softmax, values: (batch, elements, dim)."""
    query = part.query(vectors).unflatten(-1, (part.heads, -1)).transpose(1, 2)
    key, value = (half.unflatten(-1, (part.heads, -1)).transpose(1, 2) for half in part.key_value(vectors).chunk(2, -1))
    relative = part.position(fused).unflatten(-1, (part.heads, -1))
    content = (query + part.content_bias[:, 0]) @ key.transpose(-1, -2)
    position = torch.einsum("bhid,bijhd->bhij", query + part.distance_bias[:, 0], relative)
    scores = content + position
    if part.scaled:
        scores = scores / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min)
    attended = part.dropout(scores.softmax(-1)) @ value
    result: Tensor = part.out(attended.transpose(1, 2).flatten(2))
    return result
