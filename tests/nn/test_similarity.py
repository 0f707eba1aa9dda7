"""The similarity of word vectors against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ner_distill.nn.similarity import PairSimilarity, pair_bce

# words (0, 0) … (1, 2) of two sentences, flat 0 … 5
VECTORS = torch.tensor([[[3.0, 4.0], [4.0, 3.0], [-6.0, -8.0]], [[0.0, 2.0], [5.0, 0.0], [0.0, 0.0]]])
COSINES = {(0, 1): 24 / 25, (0, 2): -1.0, (3, 4): 0.0, (1, 3): 3 / 5, (4, 4): 1.0, (0, 5): 0.0}


@pytest.mark.parametrize(("pair", "cosine"), COSINES.items())
def test_logit_of_a_pair_is_scaled_and_shifted_cosine(pair: tuple[int, int], cosine: float) -> None:
    similarity = PairSimilarity()
    similarity.load_state_dict({"scale": torch.tensor(4.0), "shift": torch.tensor(-0.5)})
    torch.testing.assert_close(similarity(VECTORS, torch.tensor([pair])), torch.tensor([4.0 * cosine - 0.5]))


def test_similarity_as_published_is_the_sigmoid_of_the_cosine() -> None:
    pairs = torch.tensor(list(COSINES))
    found = PairSimilarity(learned=False)(VECTORS, pairs).sigmoid()
    torch.testing.assert_close(found, torch.tensor([1 / (1 + math.exp(-cosine)) for cosine in COSINES.values()]))


@pytest.mark.parametrize("learned", [True, False])
def test_scale_and_shift_are_trained_only_where_they_are_learned(learned: bool) -> None:
    similarity = PairSimilarity(learned=learned)
    assert [parameter.requires_grad for parameter in similarity.parameters()] == [learned, learned]


def test_no_pairs_give_no_logits_and_still_back_propagate() -> None:
    vectors = VECTORS.clone().requires_grad_()
    similarity = PairSimilarity()
    logits = similarity(vectors, torch.zeros(0, 2, dtype=torch.long))
    pair_bce(logits, torch.zeros(0)).sum().backward()
    assert logits.shape == (0,)
    assert vectors.grad is not None
    assert vectors.grad.abs().sum() == 0


def test_gradient_at_a_zero_vector_is_finite() -> None:
    vectors = VECTORS.clone().requires_grad_()
    PairSimilarity()(vectors, torch.tensor([[0, 5]])).sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


def test_half_precision_vectors_are_compared_in_float32() -> None:
    pairs = torch.tensor(list(COSINES))
    found = PairSimilarity()(VECTORS.bfloat16(), pairs)  # these vectors are exact in bfloat16
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, PairSimilarity()(VECTORS, pairs))


def test_pair_bce_is_the_cross_entropy_of_each_pair() -> None:
    similarities, targets = [0.9, 0.2, 0.5], [1.0, 0.3, 0.0]
    logits = torch.tensor([math.log(s / (1 - s)) for s in similarities])
    wanted = [-t * math.log(s) - (1 - t) * math.log(1 - s) for s, t in zip(similarities, targets, strict=True)]
    torch.testing.assert_close(pair_bce(logits, torch.tensor(targets)), torch.tensor(wanted))


def test_pair_bce_of_a_certain_and_wrong_logit_is_finite() -> None:
    torch.testing.assert_close(pair_bce(torch.tensor([1000.0]), torch.tensor([0.0])), torch.tensor([1000.0]))
