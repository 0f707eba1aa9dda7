"""The token head against torch's own cross-entropy and enumeration of the paths that BIO allows."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from ner_distill.data.tagset import TagSet
from ner_distill.nn.heads import TokenHead

BIO = TagSet(("LOC", "PER"))
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]]).bool()
GOLD = torch.tensor([[1, 2, 0, 3], [3, 4, 4, -1], [1, -1, 2, 2], [-1, 1, -1, 2], [-1, -1, -1, -1]])


def token_head(*, greedy: bool = False) -> TokenHead:
    torch.manual_seed(0)
    return TokenHead(3, BIO.allowed_start(), BIO.allowed_transitions(), greedy=greedy)


def vectors() -> Tensor:
    return 5 * torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(1))


def test_token_loss_is_the_sum_of_cross_entropies_of_counted_words() -> None:
    head = token_head()
    chances = head.project(vectors()[MASK]).softmax(-1)
    expected = sum(-chances[word, tag].log() for word, tag in enumerate(GOLD[MASK].tolist()))
    torch.testing.assert_close(head.loss(vectors(), MASK, GOLD), expected)


def test_token_loss_with_nothing_counted_is_zero_and_back_propagates() -> None:
    head = token_head()
    loss = head.loss(vectors(), torch.zeros_like(MASK), GOLD)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss == 0
    assert head.project.weight.grad is not None
    assert (head.project.weight.grad == 0).all()


def test_token_log_probs_are_zero_where_the_mask_is_false() -> None:
    assert (token_head().log_probs(vectors(), MASK)[~MASK] == 0).all()


def test_token_log_probs_add_up_to_one() -> None:
    totals = token_head().log_probs(vectors(), MASK).exp().sum(-1)
    torch.testing.assert_close(totals[MASK], torch.ones(int(MASK.sum())))


def test_token_decode_gives_the_most_probable_allowed_path() -> None:
    head = token_head()
    scores, decoded = head.log_probs(vectors(), MASK), head.decode(vectors(), MASK)
    first, follows = BIO.allowed_start(), BIO.allowed_transitions()
    for row, counted in enumerate(MASK[:-1]):
        word_scores = scores[row][counted].tolist()
        legal = [
            path
            for path in product(range(5), repeat=len(word_scores))
            if first[path[0]] and all(follows[a][b] for a, b in pairwise(path))
        ]
        best = max(legal, key=lambda path: sum(word[tag] for word, tag in zip(word_scores, path, strict=True)))
        assert tuple(decoded[row][counted].tolist()) == best


def test_greedy_decode_is_each_words_best_tag() -> None:
    head = token_head(greedy=True)
    best = head.log_probs(vectors(), MASK).argmax(-1)
    assert torch.equal(head.decode(vectors(), MASK)[MASK], best[MASK])


@pytest.mark.parametrize("greedy", [False, True])
def test_token_decode_gives_zero_where_the_mask_is_false(greedy: bool) -> None:
    assert (token_head(greedy=greedy).decode(vectors(), MASK)[~MASK] == 0).all()


def test_token_results_are_float32_inside_autocast() -> None:
    head, half = token_head(), vectors().bfloat16()
    expected = head.loss(half.float(), MASK, GOLD), head.log_probs(half.float(), MASK)
    with torch.autocast("cpu", torch.bfloat16):
        found = head.loss(half, MASK, GOLD), head.log_probs(half, MASK)
    assert found[0].dtype == found[1].dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
