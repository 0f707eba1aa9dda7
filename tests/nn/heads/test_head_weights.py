"""Every head: a sentence's weight multiplies its loss and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import HEADS, Gold, Head, Spans, Tags

TAGSET = TagSet(("LOC", "PER"))
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 1]]).bool()
TAGS = torch.tensor([[1, 2, 0, 3], [0, 3, 4, 0], [1, 0, 0, 0]])
SPANS = Spans(torch.tensor([[0, 0, 2, 0], [0, 3, 4, 1], [1, 1, 3, 1], [2, 0, 1, 0]]))
KINDS = [*(kind for kind in HEADS if kind != "pu"), "smoothed pointer", "reading pointer"]  # a PU risk is no sum


def head_of(kind: str) -> Head:
    torch.manual_seed(4)
    options = {"smoothed pointer": {"smoothing": 0.1}, "reading pointer": {"reading": 0.7}}.get(kind, {})
    tags = Tags(TAGSET.allowed_start(), TAGSET.allowed_transitions())
    head = HEADS["global-pointer" if options else kind].of_tags(6, tags, **options)
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    return head.double()


def vectors() -> Tensor:
    return torch.randn(3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def loss(head: Head, mask: Tensor, weight: Tensor | None) -> Tensor:
    return head.gold_loss(vectors(), mask, Gold(TAGS, SPANS, weight))


@pytest.mark.parametrize("kind", KINDS)
def test_weighted_loss_is_the_weighted_sum_of_the_sentences_own_losses(kind: str) -> None:
    head, weight = head_of(kind), torch.tensor([0.25, 2.0, 0.5])
    alone = [loss(head, MASK & (torch.arange(3) == row)[:, None], None) for row in range(3)]
    expected = sum(one * share for one, share in zip(alone, weight.tolist(), strict=True))
    torch.testing.assert_close(loss(head, MASK, weight), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_one_leave_the_loss_unchanged(kind: str) -> None:
    head = head_of(kind)
    torch.testing.assert_close(loss(head, MASK, torch.ones(3)), loss(head, MASK, None))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_of_weight_zero_gives_no_gradient(kind: str) -> None:
    head = head_of(kind)
    inputs = vectors().requires_grad_()
    weight = torch.tensor([1.0, 0.0, 1.0])
    head.gold_loss(inputs, MASK, Gold(TAGS, SPANS, weight)).backward()
    assert inputs.grad is not None
    assert (inputs.grad[1] == 0).all()
    assert (inputs.grad[0] != 0).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_count_knows_no_weights(kind: str) -> None:
    expected = 10 if kind == "token" else 3
    assert head_of(kind).count(MASK) == expected
