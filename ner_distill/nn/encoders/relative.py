"""Transformer layers with relative positions (Transformer-XL attention over signed distances).

This is the attention of FLAT (Li et al., ACL 2020, eq. 4-7) for a lattice without lexicon words: then all
four distances equal i - j, R_ij = ReLU(W_r p(i - j)), and the table of R has one row per distance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoids(length: int, dim: int, *, device: torch.device) -> Tensor:
    """(2 · length - 1, dim) float32: row r holds p(d) of the distance d = length - 1 - r.

    p(d)[2k] = sin(d / 10000^(2k/dim)), p(d)[2k+1] = cos(the same).
    """
    distances = torch.arange(length - 1, -length, -1, device=device, dtype=torch.float32)
    rates = torch.exp(torch.arange(0, dim, 2, device=device, dtype=torch.float32) * (-math.log(10000.0) / dim))
    angles = distances[:, None] * rates[None, :]
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :dim]


def shift_to_distances(scores: Tensor) -> Tensor:
    """(…, length, 2 · length - 1) scores by distance → (…, length, length) scores by position.

    Entry [i, j] of the result is entry [i, length - 1 - i + j] of the input: the distance i - j.
    """
    length = scores.shape[-2]
    flat = nn.functional.pad(scores, (0, 1)).flatten(-2)
    shifted: Tensor = flat[..., length - 1 : length - 1 + length * (2 * length - 1)].unflatten(-1, (length, -1))
    return shifted[..., :length]


class RelativeAttention(nn.Module):
    """Multi-head attention: scores ((q_i + u)·k_j + (q_i + v)·W_R R_ij) / √d."""

    def __init__(self, dim: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.distance = nn.Linear(dim, dim, bias=False)
        self.position = nn.Linear(dim, dim, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(heads, 1, dim // heads))
        self.distance_bias = nn.Parameter(torch.zeros(heads, 1, dim // heads))
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, mask: Tensor, table: Tensor) -> Tensor:
        """vectors (batch, words, dim), mask (batch, words) bool, table (2 · words - 1, dim) → as vectors.

        Rows outside the mask hold finite numbers without meaning.
        """
        parts = self.qkv(vectors).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        relative = self.position(self.distance(table).relu()).unflatten(-1, (self.heads, -1)).permute(1, 2, 0)
        content = (query + self.content_bias) @ key.transpose(-1, -2)
        scores = content + shift_to_distances((query + self.distance_bias) @ relative)
        scores = scores / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min)
        attended = self.dropout(scores.softmax(-1)) @ value
        result: Tensor = self.out(attended.transpose(1, 2).flatten(-2))
        return result


class RelativeLayer(nn.Module):
    """Attention and a feed-forward part, each added to its input and then normalised (post-LN, as FLAT).

    attention: RelativeAttention unless another is given; it may answer for the first of its rows alone.
    """

    def __init__(self, dim: int, heads: int, *, inner: int, dropout: float, attention: nn.Module | None = None) -> None:
        super().__init__()
        self.attention = attention or RelativeAttention(dim, heads, dropout=dropout)
        self.feed_forward = nn.Sequential(nn.Linear(dim, inner), nn.ReLU(), nn.Dropout(dropout), nn.Linear(inner, dim))
        self.attention_norm = nn.LayerNorm(dim)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, mask: Tensor, positions: object) -> Tensor:
        """Shapes, and what `positions` is, as in the attention; rows outside the mask come out zero."""
        attended = self.attention(vectors, mask, positions)
        rows = attended.shape[1]
        vectors = self.attention_norm(vectors[:, :rows] + self.dropout(attended))
        vectors = self.feed_forward_norm(vectors + self.dropout(self.feed_forward(vectors)))
        return vectors * mask[:, :rows, None]


class RelativeTransformer(nn.Module):
    """A stack of relative-position layers over one shared table of sinusoids."""

    def __init__(self, dim: int, *, layers: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.ModuleList(RelativeLayer(dim, heads, inner=inner, dropout=dropout) for _ in range(layers))

    def forward(self, vectors: Tensor, mask: Tensor, inputs: object = None) -> Tensor:
        """(batch, words, dim) with mask (batch, words) → (batch, words, dim), rows outside the mask zero.

        inputs: what layers of a lattice read besides; nothing here.
        """
        vectors = vectors * mask[..., None]
        if vectors.shape[1] == 0:  # only sentences without words: there are no distances either
            return vectors
        table = sinusoids(vectors.shape[1], self.dim, device=vectors.device).to(vectors.dtype)
        for layer in self.layers:
            vectors = layer(vectors, mask, table)
        return vectors
