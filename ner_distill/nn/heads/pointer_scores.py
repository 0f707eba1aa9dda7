"""How pointers score spans: each form turns word vectors into parts, and parts into the scores of a tile of spans.

A tile is some first words and a run of last words; the parts of a sentence are small, the tiles of all spans are
not. Tiles are (batch, types, first words, last words), in float32 or better whatever autocast says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

Parts = tuple[Tensor, ...]
"""Of a form's own kinds, (..., words, features) each; the batch is their first dimension."""


class SpanScores(nn.Module, ABC):
    """A form of scoring: its constructor takes the width of word vectors, how many types, and options of its own."""

    types: int
    channels: int
    """How many numbers a span takes while it is scored."""

    @abstractmethod
    def forward(self, vectors: Tensor) -> Parts:
        """(batch, words, dim) float → parts, float32 or better. Inside autocast projections may be of its dtype."""

    @abstractmethod
    def tile(self, parts: Parts, bias: Tensor, first: slice, last: slice) -> Tensor:
        """(batch, types, first words, last words): bias (batch, first words, last words) added to the scores."""


class ProductScores(SpanScores):
    """Per type q_i = W_q h_i + b_q, k_j = W_k h_j + b_k; s(i, j) = (R_i q_i) · (R_j k_j) / √d.

    head_dim: d; even where rotary. rotary: R_i turns by the angles i · 10000^(−2m/d), so that s knows j − i.
    Source: Su et al. 2022, "Global Pointer"; rotary positions: Su et al. 2021, "RoFormer".
    """

    def __init__(self, dim: int, types: int, *, head_dim: int = 64, rotary: bool = True) -> None:
        super().__init__()
        self.types = self.channels = types
        self.head_dim, self.rotary = head_dim, rotary
        self.query = nn.Linear(dim, types * head_dim)
        self.key = nn.Linear(dim, types * head_dim)

    def forward(self, vectors: Tensor) -> Parts:
        """Queries and keys, turned and divided by the root of √d: (batch, types, words, head_dim) each."""
        both = (_projected(part, vectors).unflatten(-1, (self.types, -1)) for part in (self.query, self.key))
        scale = self.head_dim**-0.25
        placed = (turned(part, scale=scale) if self.rotary else part * scale for part in both)
        # One copy here saves one for every tile: a product of matrices wants types beside the batch.
        query, key = (part.transpose(1, 2).contiguous() for part in placed)
        return query, key

    def tile(self, parts: Parts, bias: Tensor, first: slice, last: slice) -> Tensor:
        query, key = parts[0][:, :, first].flatten(0, 1), parts[1][:, :, last].flatten(0, 1)
        wide = bias[:, None].expand(-1, self.types, -1, -1)
        return torch.baddbmm(wide.flatten(0, 1), query, key.transpose(1, 2)).view(wide.shape)


class SharedProductScores(SpanScores):
    """One q and k for all types, and a little of each type: s = (R_i q_i) · (R_j k_j) / √d + w · [q_i; k_i; q_j; k_j].

    The product finds spans, the weights w (and a constant) of a type tell what they are.
    Source: Su 2022, "Efficient GlobalPointer" (kexue.fm/archives/8877).
    """

    def __init__(self, dim: int, types: int, *, head_dim: int = 64, rotary: bool = True) -> None:
        super().__init__()
        self.types = self.channels = types
        self.head_dim, self.rotary = head_dim, rotary
        self.project = nn.Linear(dim, 2 * head_dim)
        self.of_types = nn.Linear(2 * head_dim, 2 * types)

    def forward(self, vectors: Tensor) -> Parts:
        """Query and key as above: (batch, words, head_dim); what types add to first and last words: see the end."""
        both = _projected(self.project, vectors)
        begins, ends = _projected(self.of_types, both).transpose(1, 2).chunk(2, 1)
        both = both.unflatten(-1, (2, self.head_dim))
        scale = self.head_dim**-0.25
        query, key = (turned(both, scale=scale) if self.rotary else both * scale).unbind(2)
        return query, key, begins[..., None], ends[..., None]  # (batch, types, words, 1)

    def tile(self, parts: Parts, bias: Tensor, first: slice, last: slice) -> Tensor:
        query, key, begins, ends = parts
        product = torch.baddbmm(bias, query[:, first], key[:, last].transpose(1, 2))
        return product[:, None] + begins[:, :, first] + ends[:, :, last].transpose(2, 3)


class AdditiveScores(SpanScores):
    """s(i, j) = w · tanh(W [h_i; h_j] + b) + c, w and c of each type; W in two halves, words are projected once.

    head_dim: rows of W. It has no notion of positions beyond those in the vectors. output_bias: is there a c?
    Source: Wang et al., COLING 2020, "TPLinker" (handshaking kernel).
    """

    def __init__(self, dim: int, types: int, *, head_dim: int = 64, output_bias: bool = True) -> None:
        super().__init__()
        self.types, self.channels = types, max(types, head_dim)
        self.begin = nn.Linear(dim, head_dim)
        self.end = nn.Linear(dim, head_dim, bias=False)
        self.weights = nn.Linear(head_dim, types, bias=output_bias)

    def forward(self, vectors: Tensor) -> Parts:
        """What a word gives as first and as last one: (batch, hidden, words, 1) each."""
        begins, ends = (_projected(part, vectors).transpose(1, 2)[..., None] for part in (self.begin, self.end))
        return begins, ends

    def tile(self, parts: Parts, bias: Tensor, first: slice, last: slice) -> Tensor:
        begins, ends = parts
        hidden = torch.tanh(begins[:, :, first] + ends[:, :, last].transpose(2, 3))  # (batch, hidden, first, last)
        weights = self.weights.weight.to(hidden.dtype).expand(len(hidden), -1, -1)
        wide = bias[:, None].expand(-1, self.types, -1, -1)
        if self.weights.bias is not None:
            wide = wide + self.weights.bias.to(hidden.dtype)[:, None, None]
        return torch.baddbmm(wide.flatten(2), weights, hidden.flatten(2)).view(wide.shape)


def turned(vectors: Tensor, *, scale: float = 1.0) -> Tensor:
    """Rotary positions: numbers 2m, 2m+1 of the vector of word i turn in their plane by the angle i · 10000^(−2m/d).

    vectors: (batch, words, ..., d) float32 or better, d even. scale: of the result.
    Returns: the same shape.
    """
    words, size = vectors.shape[1], vectors.shape[-1]
    half = torch.arange(size // 2, device=vectors.device, dtype=vectors.dtype)
    angles = torch.arange(words, device=vectors.device, dtype=vectors.dtype)[:, None] * 10000.0 ** (-2 * half / size)
    turns = torch.polar(torch.full_like(angles, scale), angles)
    # As complex numbers: one pass over the vectors where sines and cosines take six.
    plane = torch.view_as_complex(vectors.unflatten(-1, (-1, 2)))
    turns = turns.reshape(words, *[1] * (vectors.dim() - 3), size // 2)
    return torch.view_as_real(plane * turns).flatten(-2)


def _projected(linear: nn.Linear, vectors: Tensor) -> Tensor:
    projected: Tensor = linear(vectors.to(linear.weight.dtype))
    return projected.to(torch.promote_types(projected.dtype, torch.float32))
