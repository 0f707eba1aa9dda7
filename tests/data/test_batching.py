"""Batches against their definition, sampled pairs against brute force and counted frequencies."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ner_distill.data.batching import Batch, pad_rows, plan_batches
from ner_distill.data.sampling import sample_pairs

SIZES = np.random.default_rng(1).integers(1, 60, 500).tolist()


@given(
    sizes=st.lists(st.integers(0, 80)),
    budget=st.integers(1, 200),
    seed=st.none() | st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 100),
)
def test_a_batch_keeps_the_budget_unless_it_is_one_row(
    sizes: list[int], budget: int, seed: int | None, epoch: int
) -> None:
    for batch in plan_batches(sizes, budget=budget, seed=seed, epoch=epoch):
        assert len(batch) == 1 or len(batch) * max(sizes[index] for index in batch) <= budget


@given(sizes=st.lists(st.integers(0, 80)), budget=st.integers(1, 200), seed=st.none() | st.integers(0, 9))
def test_an_epoch_holds_every_index_once(sizes: list[int], budget: int, seed: int | None) -> None:
    batches = plan_batches(sizes, budget=budget, seed=seed)
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    assert all(batches)


def test_the_plan_is_a_function_of_seed_and_epoch() -> None:
    first = plan_batches(SIZES, budget=256, seed=7, epoch=3)
    np.random.seed(99)  # the global state must not matter
    assert plan_batches(SIZES, budget=256, seed=7, epoch=3) == first


@pytest.mark.parametrize(("seed", "epoch"), [(7, 4), (8, 3)])
def test_another_epoch_or_seed_makes_other_batches_not_only_another_order(seed: int, epoch: int) -> None:
    def contents(seed: int, epoch: int) -> set[frozenset[int]]:
        return {frozenset(batch) for batch in plan_batches(SIZES, budget=256, seed=seed, epoch=epoch)}

    common = contents(7, 3) & contents(seed, epoch)
    assert len(common) < len(contents(7, 3)) / 10


def test_shuffled_batches_are_not_sorted_by_length() -> None:
    longest = [max(SIZES[index] for index in batch) for batch in plan_batches(SIZES, budget=256, seed=7)]
    rising = sum(first < second for first, second in pairwise(longest))
    assert 0.3 < rising / len(longest) < 0.7


@pytest.mark.parametrize("epoch", range(3))
def test_shuffled_batches_hold_sentences_of_like_length(epoch: int) -> None:
    batches = plan_batches(SIZES, budget=512, seed=7, epoch=epoch)
    computed = sum(len(batch) * max(SIZES[index] for index in batch) for batch in batches)
    assert sum(SIZES) / computed > 0.85  # in the order of the file it would be near a half


def test_without_a_seed_batches_go_from_long_to_short() -> None:
    order = [SIZES[index] for batch in plan_batches(SIZES, budget=256, seed=None) for index in batch]
    assert order == sorted(SIZES, reverse=True)


def test_pad_rows_puts_zeros_at_the_end() -> None:
    padded = pad_rows([[1, 2], [], [3]], 3)
    assert padded.tolist() == [[1, 2, 0], [0, 0, 0], [3, 0, 0]]
    assert padded.dtype == torch.long


def test_batch_to_moves_every_tensor_and_keeps_what_is_missing() -> None:
    batch = Batch({"words": torch.zeros(1, 2)}, torch.ones(1, 2), tags=torch.zeros(1, 2), pairs=torch.zeros(0, 2))
    moved = batch.to(torch.device("meta"))
    tensors = [moved.inputs["words"], moved.mask, moved.tags, moved.pairs]
    assert [tensor.device.type for tensor in tensors if tensor is not None] == ["meta"] * 4
    assert (moved.keep, moved.probs, moved.pair_targets) == (None, None, None)


# ---- pairs


@st.composite
def keys_and_mask(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5))
    highest = draw(st.integers(0, 6))
    return draw(arrays(np.int64, shape, elements=st.integers(0, highest))), draw(arrays(np.bool_, shape))


@given(batch=keys_and_mask(), pairs=st.integers(0, 40), seed=st.integers(0, 1000))
def test_pairs_keep_their_definition(batch: tuple[np.ndarray, np.ndarray], pairs: int, seed: int) -> None:
    keys, mask = batch
    found = sample_pairs(keys, mask, pairs, np.random.default_rng(seed))
    assert found.dtype == np.int64
    assert found.shape[1] == 2
    assert all(mask.ravel()[found].ravel()), "only masked words"
    assert all(first != second for first, second in found), "never a word with itself"

    groups = Counter(keys[mask].tolist())
    equal = sum(keys.ravel()[first] == keys.ravel()[second] for first, second in found)
    different = len(found) - equal
    asked_equal, asked_different = (pairs + 1) // 2, pairs // 2
    assert equal <= asked_equal
    assert different == (asked_different if len(groups) > 1 else 0), "any word has a partner where there are two keys"
    if all(size > 1 for size in groups.values()) and groups:
        assert equal == asked_equal, "any word has a partner where no key is alone"
    if all(size == 1 for size in groups.values()):
        assert equal == 0


@pytest.mark.parametrize(
    ("keys", "equal", "different"),
    [
        pytest.param([0], 0, 0, id="one word"),
        pytest.param([0, 0, 0], 5, 0, id="all outside"),
        pytest.param([2, 2, 2], 5, 0, id="all of one type"),
        pytest.param([0, 1, 2, 3], 0, 5, id="one word of each key"),
        pytest.param([0, 0, 1, 1], 5, 5, id="two of each"),
        pytest.param([], 0, 0, id="no words"),
    ],
)
def test_pairs_of_degenerate_batches(keys: list[int], equal: int, different: int) -> None:
    array = np.array([keys], dtype=np.int64)
    found = sample_pairs(array, np.ones_like(array, dtype=np.bool_), 10, np.random.default_rng(0))
    same = [array[0, first] == array[0, second] for first, second in found]
    assert (sum(same), len(same) - sum(same)) == (equal, different)


def test_every_pair_of_different_words_can_be_drawn() -> None:
    keys = np.array([[0, 0, 0, 1], [1, 2, 2, 2], [3, 0, 3, 9]])
    mask = keys != 9
    found = sample_pairs(keys, mask, 4000, np.random.default_rng(0))
    words = np.flatnonzero(mask).tolist()
    assert set(map(tuple, found.tolist())) == {(a, b) for a in words for b in words if a != b}


def test_pairs_are_a_function_of_the_generator() -> None:
    keys, mask = np.arange(12).reshape(3, 4) % 3, np.ones((3, 4), dtype=np.bool_)
    first, second = (sample_pairs(keys, mask, 20, np.random.default_rng(5)) for _ in range(2))
    assert first.tolist() == second.tolist()


def definition(keys: list[int], equal: bool) -> dict[tuple[int, int], float]:
    """Chance of each pair: its first word among entities in half of the draws, and so its other word if unequal."""
    words = range(len(keys))
    entities = [word for word in words if keys[word]]
    chances: dict[tuple[int, int], float] = {}
    for first in words:
        chance = 0.5 / len(keys) + (0.5 / len(entities) if first in entities else 0)
        partners = [word for word in words if word != first and (keys[word] == keys[first]) == equal]
        preferred = [word for word in partners if keys[word]] or partners
        for second in partners:
            other = 1 / len(partners)
            if not equal:
                other = 0.5 * other + (0.5 / len(preferred) if second in preferred else 0)
            chances[first, second] = chance * other
    return chances


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("keys", [[0, 1, 0, 2, 0, 1, 2, 0, 0], [1, 1, 2, 2, 1], [0, 0, 0, 0, 0, 0, 3, 3]], ids=str)
def test_pairs_are_drawn_with_the_chances_of_their_definition(keys: list[int], equal: bool) -> None:
    draws = 60_000
    array = np.array([keys])
    found = sample_pairs(array, np.ones_like(array, dtype=np.bool_), draws, np.random.default_rng(0))
    same = array[0, found[:, 0]] == array[0, found[:, 1]]
    counts = Counter(map(tuple, found[same == equal].tolist()))
    wanted = definition(keys, equal)
    assert sum(wanted.values()) == pytest.approx(1)
    assert counts.keys() == wanted.keys()
    for pair, chance in wanted.items():
        # six standard deviations of a count
        assert counts[pair] == pytest.approx(draws / 2 * chance, abs=6 * (draws / 2 * chance) ** 0.5), pair
