"""FLAT: a transformer over the characters of a sentence and the lexicon words found in it (Li et al., ACL 2020).

An element of the lattice has a head h and a tail t, the positions of its first and last character. Attention sees
four distances, h_i - h_j, h_i - t_j, t_i - h_j and t_i - t_j, which a fusion makes one vector R_ij:

    score_ij = ((q_i + u) · k_j + (q_i + v) · W_R R_ij) / sqrt(d)

With the width w = t - h and d = h_i - h_j the four are d, d - w_j, d + w_i and d + w_i - w_j. R_ij is a function of
(d, w_i, w_j) alone: for two widths it is a table with a row per d, the same for the whole batch. So no tensor here
has (elements × elements × dim) numbers: queries are multiplied by the tables, and scores are looked up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ner_distill.nn.encoders.flat_attention import character_attention
from ner_distill.nn.encoders.flat_fusion import Fusion, Positions, fusion_of
from ner_distill.nn.encoders.relative import RelativeLayer


class WordGroup(NamedTuple):
    """The lexicon words of one width in a batch. A group may be padding in some sentences, or in all."""

    width: int  # tail - head, at least 0: one less than the characters of the word
    vectors: Tensor  # (batch, words, dim)
    heads: Tensor  # (batch, words) long, position of the first character; in padding any position, 0 say
    mask: Tensor  # (batch, words) bool, True = counts


class Lattice(NamedTuple):
    """Where the elements stand: the characters (width 0), then the words of each group."""

    length: int  # characters, with padding
    widths: tuple[int, ...]  # of each class of elements; the first is 0, the characters'
    heads: tuple[Tensor, ...]  # of each class, (batch or 1, elements) long
    tables: tuple[Tensor, ...]  # vectors of the distances that the fusion takes, see `Positions`

    def columns(self) -> Tensor:
        """(batch or 1, elements) long: where scores by (class, distance) have each element, for a head at 0."""
        rows = 2 * self.length - 1
        columns = [heads + (number * rows + self.length - 1) for number, heads in enumerate(self.heads)]
        batch = max(column.shape[0] for column in columns)
        return torch.cat([column.expand(batch, -1) for column in columns], 1)


class FlatAttention(nn.Module):
    """Multi-head attention over a lattice. `last`: only the characters ask, for only they are used after it."""

    def __init__(self, dim: int, heads: int, *, fusion: Fusion, scaled: bool, dropout: float, last: bool) -> None:
        super().__init__()
        self.heads = heads
        self.last = last
        self.kind = fusion
        self.scaled = scaled
        self.scale = math.sqrt(heads / dim) if scaled else 1.0
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.fusion = fusion_of(fusion, dim)
        self.position = nn.Linear(dim, dim, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(heads, 1, 1, dim // heads))
        self.distance_bias = nn.Parameter(torch.zeros(heads, 1, 1, dim // heads))
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, mask: Tensor, lattice: Lattice) -> Tensor:
        """vectors (batch, elements, dim), mask (batch, elements) bool → (batch, elements or characters, dim).

        Rows outside the mask hold finite numbers without meaning.
        """
        query = self._by_head(self.query(vectors[:, : lattice.length] if self.last else vectors) * self.scale)
        key, value = (self._by_head(part) for part in self.key_value(vectors).chunk(2, -1))
        content = query + (self.scale * self.content_bias).to(query.dtype)
        query = query + (self.scale * self.distance_bias).to(query.dtype)
        parts, chars = self.fusion.parts(lattice.tables), lattice.length
        distances = self._distances(parts, 0, lattice).permute(0, 2, 1, 3)
        attended = character_attention(
            (content[:, :, :chars], query[:, :, :chars]),
            (key, value),
            distances,
            mask,
            lattice.heads[1:],
            dropout=self.dropout.p if self.training else 0.0,
        )
        if not self.last:
            scores = content[:, :, chars:] @ key.transpose(-1, -2) + self._of_words(query[:, :, chars:], parts, lattice)
            scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
            attended = torch.cat([attended, self.dropout(scores.softmax(-1)).to(value.dtype) @ value], 2)
        result: Tensor = self.out(attended.permute(1, 2, 0, 3).flatten(2))
        return result

    def _of_words(self, query: Tensor, parts: Sequence[Tensor], lattice: Lattice) -> Tensor:
        """query (heads, batch, words, dim / heads) → scores by their distances (heads, batch, words, elements)."""
        columns, first = lattice.columns(), 0
        scores = [query.new_empty(*query.shape[:2], 0, columns.shape[1])]
        for width, heads in zip(lattice.widths[1:], lattice.heads[1:], strict=True):
            last = first + heads.shape[1]
            table = self._distances(parts, width, lattice).flatten(0, 1)
            by_distance = query[:, :, first:last].flatten(1, 2) @ table.permute(1, 2, 0)
            by_distance = by_distance.unflatten(1, (query.shape[1], heads.shape[1]))
            scores.append(by_distance.gather(-1, (columns[:, None] - heads[..., None]).expand(self.heads, -1, -1, -1)))
            first = last
        return torch.cat(scores, 2)

    def _distances(self, parts: Sequence[Tensor], width: int, lattice: Lattice) -> Tensor:
        """(classes, 2 · length - 1, heads, dim / heads): W_R R of queries of this width."""
        relative = self.position(self.fusion(parts, width, lattice.widths, lattice.length))
        by_head: Tensor = relative.unflatten(-1, (self.heads, -1))
        return by_head

    def _by_head(self, vectors: Tensor) -> Tensor:
        """(batch, elements, dim) → (heads, batch, elements, dim / heads)."""
        by_head: Tensor = vectors.unflatten(-1, (self.heads, -1)).permute(2, 0, 1, 3)
        return by_head


class FlatTransformer(nn.Module):
    """FLAT layers over characters and lexicon words; the vectors of the characters come out.

    fusion:  `ff`, `two`, `attn` or `gate`: how four distances become one vector.
    shared:  the four distances have one table of positions or one each; of fixed tables this changes nothing.
    learned: tables are embeddings (for distances up to ± max_distance) or fixed sinusoids.
    scaled:  attention scores are divided by sqrt(dim / heads).
    """

    def __init__(
        self,
        dim: int,
        *,
        layers: int,
        heads: int,
        inner: int,
        dropout: float,
        fusion: Fusion = "ff",
        shared: bool = True,
        learned: bool = False,
        scaled: bool = True,
        max_distance: int = 512,
    ) -> None:
        super().__init__()
        self.dim = dim
        kinds = 2 if fusion == "two" else 4
        self.positions = Positions(dim, kinds, shared=shared, learned=learned, max_distance=max_distance)
        self.layers = nn.ModuleList()
        for number in range(layers):
            last = number == layers - 1
            attention = FlatAttention(dim, heads, fusion=fusion, scaled=scaled, dropout=dropout, last=last)
            self.layers.append(RelativeLayer(dim, heads, inner=inner, dropout=dropout, attention=attention))

    def forward(self, chars: Tensor, mask: Tensor, words: Sequence[WordGroup] = ()) -> Tensor:
        """chars (batch, length, dim), mask (batch, length) bool → (batch, length, dim), rows outside the mask zero.

        words: any number of groups in any order; heads lie in [0, length).
        """
        length = chars.shape[1]
        if length == 0 or chars.shape[0] == 0:  # only sentences without characters: there are no distances either
            return chars * mask[..., None]
        vectors = torch.cat([chars, *(group.vectors.to(chars.dtype) for group in words)], 1)
        mask = torch.cat([mask, *(group.mask for group in words)], 1)
        vectors = vectors * mask[..., None]
        widths = (0, *(group.width for group in words))
        heads = (torch.arange(length, device=chars.device)[None], *(group.heads for group in words))
        lattice = Lattice(length, widths, heads, self.positions(length + max(widths), chars))
        for layer in self.layers:
            vectors = layer(vectors, mask, lattice)
        return vectors[:, :length]
