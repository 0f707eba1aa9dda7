"""Embeddings of which some rows stay as they were read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class GivenEmbedding(nn.Module):
    """Rows that were given never move; all others (the unknown word's, forms that the file lacks) are learned.

    Takes the place of the `nn.Embedding` it is made of; which rows were given is part of the state.
    """

    given: Tensor
    fixed: Tensor

    def __init__(self, learned: nn.Embedding) -> None:
        super().__init__()
        self.learned = learned
        self.register_buffer("given", torch.zeros_like(learned.weight))
        self.register_buffer("fixed", torch.zeros(learned.num_embeddings, dtype=torch.bool))

    def forward(self, ids: Tensor) -> Tensor:
        """ids (…) long → (…, dim)."""
        return torch.where(self.fixed[ids][..., None], self.given[ids], self.learned(ids))


def start_rows(embedding: nn.Module, rows: Sequence[int], vectors: Tensor) -> None:
    """Put vectors (rows, dim) float into these rows: to be tuned in an `nn.Embedding`, to stay in a `GivenEmbedding`.

    Raises ValueError for any other module.
    """
    index = torch.tensor(rows, dtype=torch.long)
    with torch.no_grad():
        if isinstance(embedding, GivenEmbedding):
            embedding.given[index] = vectors
            embedding.fixed[index] = True
        elif isinstance(embedding, nn.Embedding):
            embedding.weight[index] = vectors
        else:
            raise ValueError(f"expected an embedding, found {type(embedding).__name__}")
