"""Given rows stay, the others are learned."""

from __future__ import annotations

import torch
from torch import nn

from ner_distill.nn.encoders.embedding import GivenEmbedding, start_rows

VECTORS = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def test_given_rows_stay_and_the_others_move() -> None:
    one = GivenEmbedding(nn.Embedding(5, 2))
    start_rows(one, [2, 4], VECTORS)
    before = one(torch.arange(5)).detach().clone()
    optimizer = torch.optim.AdamW(one.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        one(torch.arange(5)).square().sum().backward()
        optimizer.step()
    after = one(torch.arange(5))
    assert torch.equal(after[[2, 4]], VECTORS)
    assert (after[[0, 1, 3]] != before[[0, 1, 3]]).all()


def test_given_rows_are_part_of_the_state() -> None:
    one, other = (GivenEmbedding(nn.Embedding(5, 2)) for _ in range(2))
    start_rows(one, [2, 4], VECTORS)
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(torch.arange(5)), one(torch.arange(5)))


def test_an_embedding_begins_at_the_vectors_and_is_tuned() -> None:
    one = nn.Embedding(5, 2)
    start_rows(one, [4, 2], VECTORS)
    assert torch.equal(one.weight[[4, 2]], VECTORS)
    assert one.weight.requires_grad
