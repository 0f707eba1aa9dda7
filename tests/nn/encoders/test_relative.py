"""Relative attention against a loop over the formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ner_distill.nn.encoders.relative import (
    RelativeAttention,
    RelativeLayer,
    RelativeTransformer,
    shift_to_distances,
    sinusoids,
)

DIM, HEADS = 12, 3


def position(distance: int, dim: int) -> list[float]:
    """p(d) of FLAT, equations 8 and 9."""
    angles = [distance / 10000 ** (2 * (index // 2) / dim) for index in range(dim)]
    return [math.cos(angle) if index % 2 else math.sin(angle) for index, angle in enumerate(angles)]


@pytest.mark.parametrize("dim", [2, 7, 160])
def test_sinusoids_follow_the_formula(dim: int) -> None:
    wanted = torch.tensor([position(5 - row, dim) for row in range(11)])
    torch.testing.assert_close(sinusoids(6, dim, device=torch.device("cpu")), wanted)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_shift_to_distances_picks_the_score_of_i_minus_j(length: int) -> None:
    # the score of distance d at position i is 100 · i + d
    distances = length - 1 - torch.arange(2 * length - 1)
    scores = (100 * torch.arange(length)[:, None] + distances).expand(2, 3, -1, -1)
    wanted = [[100 * i + i - j for j in range(length)] for i in range(length)]
    assert shift_to_distances(scores)[1, 2].tolist() == wanted


def attention() -> RelativeAttention:
    """With biases that are not zero, in float64."""
    layer = RelativeAttention(DIM, HEADS).double()
    nn.init.normal_(layer.content_bias)
    nn.init.normal_(layer.distance_bias)
    return layer


def naive(layer: RelativeAttention, vectors: Tensor, mask: Tensor) -> Tensor:
    """A*_ij = (q_i + u)·k_j + (q_i + v)·(W_R R_ij), R_ij = ReLU(W_r p(i - j)), word by word and head by head."""
    rows, words, _ = vectors.shape
    width = DIM // HEADS
    query, key, value = layer.qkv(vectors).split(DIM, -1)
    attended = torch.zeros_like(vectors)
    for row in range(rows):
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            for i in range(words):
                scores = torch.full((words,), -torch.inf, dtype=torch.float64)
                for j in range(words):
                    if not mask[row, j]:
                        continue
                    encoded = torch.tensor(position(i - j, DIM), dtype=torch.float64)
                    distance = (layer.position.weight @ torch.relu(layer.distance.weight @ encoded))[part]
                    q = query[row, i, part]
                    content = (q + layer.content_bias[head, 0]) @ key[row, j, part]
                    scores[j] = (content + (q + layer.distance_bias[head, 0]) @ distance) / math.sqrt(width)
                attended[row, i, part] = scores.softmax(0) @ value[row, :, part]
    result: Tensor = layer.out(attended)
    return result


def test_attention_equals_the_formula_with_padding() -> None:
    layer = attention()
    vectors = torch.randn(2, 5, DIM, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    with torch.no_grad():
        found = layer(vectors, mask, sinusoids(5, DIM, device=vectors.device).double())
        wanted = naive(layer, vectors, mask)
    # the table of sinusoids is float32
    torch.testing.assert_close(found[mask], wanted[mask], rtol=1e-5, atol=1e-5)


def test_attention_tells_before_from_after() -> None:
    layer = attention()
    word, left, right = torch.randn(3, DIM, dtype=torch.float64)
    table = sinusoids(3, DIM, device=word.device).double()
    mask = torch.ones(1, 3, dtype=torch.bool)
    one = layer(torch.stack([left, word, right])[None], mask, table)[0, 1]
    other = layer(torch.stack([right, word, left])[None], mask, table)[0, 1]
    assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_over_nothing_is_finite(dtype: torch.dtype) -> None:
    layer = RelativeAttention(DIM, HEADS).to(dtype)
    table = sinusoids(3, DIM, device=torch.device("cpu")).to(dtype)
    found = layer(torch.randn(1, 3, DIM, dtype=dtype), torch.zeros(1, 3, dtype=torch.bool), table)
    assert found.isfinite().all()


def transformer() -> RelativeTransformer:
    return RelativeTransformer(DIM, layers=2, heads=HEADS, inner=20, dropout=0.3).double().eval()


def test_a_layer_normalises_each_sum() -> None:
    layer = RelativeLayer(DIM, HEADS, inner=20, dropout=0.3).double().eval()
    vectors, mask = torch.randn(1, 4, DIM, dtype=torch.float64), torch.ones(1, 4, dtype=torch.bool)
    table = sinusoids(4, DIM, device=vectors.device).double()
    attended = nn.functional.layer_norm(vectors + naive(layer.attention, vectors, mask), (DIM,))
    inner, _, _, outer = layer.feed_forward
    wanted = nn.functional.layer_norm(attended + outer(inner(attended).relu()), (DIM,))
    torch.testing.assert_close(layer(vectors, mask, table), wanted, rtol=1e-5, atol=1e-5)


def test_padding_and_neighbours_in_the_batch_do_not_change_a_sentence() -> None:
    stack = transformer()
    vectors = torch.randn(2, 7, DIM, dtype=torch.float64)
    mask = torch.arange(7) < torch.tensor([[4], [7]])
    alone = stack(vectors[:1, :4], mask[:1, :4])
    torch.testing.assert_close(stack(vectors, mask)[0, :4], alone[0])


def test_rows_outside_the_mask_are_zero_and_what_stood_there_does_not_matter() -> None:
    stack = transformer()
    vectors = torch.randn(1, 5, DIM, dtype=torch.float64)
    mask = torch.tensor([[True, True, True, False, False]])
    other = vectors.masked_fill(~mask[..., None], 1e6)
    found = stack(vectors, mask)
    assert (found[~mask] == 0).all()
    torch.testing.assert_close(stack(other, mask), found)


def test_sentences_without_words_give_no_vectors() -> None:
    assert transformer()(torch.zeros(2, 0, DIM).double(), torch.zeros(2, 0, dtype=torch.bool)).shape == (2, 0, DIM)


def test_every_parameter_has_a_finite_gradient() -> None:
    stack = transformer()
    mask = torch.tensor([[True, True, False], [False, False, False]])
    stack(torch.randn(2, 3, DIM, dtype=torch.float64), mask).pow(3).sum().backward()
    for name, parameter in stack.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
