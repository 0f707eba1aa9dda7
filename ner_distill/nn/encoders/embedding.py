"""Parts that embeddings are made of: word dropout, spellings, and tables of which some rows stay as they were read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

UNKNOWN = 1
"""The id of the unknown word; 0 is padding (or an empty set)."""


class WordDropout(nn.Module):
    """In training, an id is replaced by the unknown word's with the probability `rate`.

    So the unknown word's vector is trained, and what else is known of a word has to suffice. Padding stays padding.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, ids: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return ids
        chosen = (torch.rand(ids.shape, device=ids.device) < self.rate) & (ids != 0)
        return ids.masked_fill(chosen, UNKNOWN)


class SpellingCnn(nn.Module):
    """Characters of a word → a vector: convolutions of several widths, max-pooled (Kim 2014)."""

    def __init__(self, chars: int, *, filters: int, dim: int = 32, widths: tuple[int, ...] = (2, 3, 4)) -> None:
        super().__init__()
        self.embedding = nn.Embedding(chars, dim, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, filters, width, padding=width // 2) for width in widths)
        self.dropout = nn.Dropout(0.1)
        self.dim = filters * len(widths)

    def forward(self, spellings: Tensor) -> Tensor:
        """spellings (forms, chars) long, 0 = padding → (forms, dim)."""
        padding = (spellings == 0)[:, None, :]
        vectors = self.dropout(self.embedding(spellings)).transpose(1, 2)
        pooled = []
        for convolution in self.convolutions:
            features = convolution(vectors)[..., : spellings.shape[1]]
            pooled.append(features.masked_fill(padding, torch.finfo(features.dtype).min).amax(-1))
        return functional.relu(torch.cat(pooled, dim=-1))


class GivenEmbedding(nn.Module):
    """Rows that were given never move; all others (the unknown word's, forms that the file lacks) are learned.

    Takes the place of the `nn.Embedding` it is made of; which rows were given is part of the state.
    """

    given: Tensor
    fixed: Tensor

    def __init__(self, learned: nn.Embedding) -> None:
        super().__init__()
        self.learned = learned
        self.embedding_dim = learned.embedding_dim
        self.register_buffer("given", torch.zeros_like(learned.weight))
        self.register_buffer("fixed", torch.zeros(learned.num_embeddings, dtype=torch.bool))

    def forward(self, ids: Tensor) -> Tensor:
        return torch.where(self.fixed[ids][..., None], self.given[ids], self.learned(ids))


AnyEmbedding = nn.Embedding | GivenEmbedding


def start_rows(embedding: AnyEmbedding, rows: Sequence[int], vectors: Tensor) -> None:
    """Put vectors (rows, dim) into these rows: to be tuned in an `nn.Embedding`, to stay in a `GivenEmbedding`."""
    index = torch.tensor(rows, dtype=torch.long)
    with torch.no_grad():
        if isinstance(embedding, GivenEmbedding):
            embedding.given[index] = vectors
            embedding.fixed[index] = True
        else:
            embedding.weight[index] = vectors
