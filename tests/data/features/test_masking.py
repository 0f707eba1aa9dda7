"""Which words are masked, how often, and what is seen in their place."""

from __future__ import annotations

import numpy as np
import pytest

from ner_distill.data.features.masking import HIDDEN, KEPT, LEFT, MASK, RANDOM, Kind, choose, replaced, whole_words
from ner_distill.data.lexicon.lexicon import Lexicon


def single(words: int) -> list[tuple[int, int]]:
    return [(place, place + 1) for place in range(words)]


def drawn(units: list[tuple[int, int]], kind: Kind = "word", share: float = 0.15, times: int = 2000) -> np.ndarray:
    """(times, words) actions."""
    return np.stack([choose(units, np.random.default_rng(seed), kind=kind, share=share) for seed in range(times)])


def runs(row: np.ndarray) -> list[int]:
    """Lengths of the stretches of masked words."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row != LEFT, [0]]).astype(int)))
    return (edges[1::2] - edges[::2]).tolist()


# ---- units


def test_without_a_matcher_every_word_is_a_unit() -> None:
    assert whole_words("北京大学") == single(4)


def test_the_longest_match_from_the_left_makes_a_unit_and_the_rest_stays_single() -> None:
    lexicon = Lexicon({"北京": 0, "北京大学": 0, "大学生": 0, "学生": 0})
    assert whole_words("在北京大学生活", lexicon) == [(0, 1), (1, 5), (5, 6), (6, 7)]


def test_units_of_an_empty_sentence_are_none_and_nothing_is_masked() -> None:
    assert whole_words([]) == []
    assert choose([], np.random.default_rng(0)).shape == (0,)


# ---- how many, and which


@pytest.mark.parametrize("kind", ["word", "span"])
@pytest.mark.parametrize("words", [1, 5, 6, 23])
def test_the_share_of_masked_words_is_as_asked_whatever_the_length(kind: Kind, words: int) -> None:
    masked = (drawn(single(words), kind, times=6000) != LEFT).mean()
    assert masked == pytest.approx(0.15, abs=0.02 if words == 1 else 0.01)


def test_the_share_is_as_asked_with_units_of_several_words() -> None:
    units = [(0, 3), (3, 4), (4, 6), (6, 9), (9, 10), (10, 14)]
    assert (drawn(units, times=6000) != LEFT).mean() == pytest.approx(0.15, abs=0.01)


def test_of_masked_words_eight_in_ten_are_hidden_one_replaced_and_one_left() -> None:
    actions = drawn(single(40)).ravel()
    masked = actions[actions != LEFT]
    shares = [(masked == action).mean() for action in (HIDDEN, RANDOM, KEPT)]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_every_place_is_masked_alike() -> None:
    assert (drawn(single(10), times=8000) != LEFT).mean(0) == pytest.approx([0.15] * 10, abs=0.02)


@pytest.mark.parametrize("kind", ["word", "span"])
def test_a_unit_is_masked_as_a_whole_and_treated_alike(kind: Kind) -> None:
    units = [(0, 3), (3, 4), (4, 6), (6, 9)]
    for row in drawn(units, kind, share=0.4, times=300):
        assert all(len(set(row[start:end].tolist())) == 1 for start, end in units)


def test_spans_have_the_lengths_of_the_cut_geometric_distribution() -> None:
    """0.2 · 0.8^(l − 1), cut at 10 and made to add up to 1: mean 3.8 (SpanBERT's figure)."""
    units = single(4000)  # long, as the last stretch of a sentence is often a shorter one
    found = [choose(units, np.random.default_rng(seed), kind="span", share=0.02) for seed in range(300)]
    lengths = [length for row in found for length in runs(row)]
    weights = np.array([0.2 * 0.8 ** (length - 1) for length in range(1, 11)])
    wanted = weights / weights.sum()
    assert max(lengths) <= 20  # two that touch
    shares = np.bincount(lengths, minlength=11)[1:11] / len(lengths)
    assert shares == pytest.approx(wanted, abs=0.03)
    assert np.mean(lengths) == pytest.approx(3.8, abs=0.15)


def test_words_are_masked_one_by_one_unless_spans_are_asked_for() -> None:
    mean = {kind: np.mean([n for row in drawn(single(40), kind) for n in runs(row)]) for kind in ("word", "span")}
    assert mean["word"] < 1.3
    assert mean["span"] > 2


def test_masks_are_a_function_of_the_generators_seed() -> None:
    first, second, other = (choose(single(200), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != other).any()


# ---- what is seen


def test_hidden_words_are_the_mask_random_ones_a_form_and_the_rest_stays() -> None:
    actions = np.array([LEFT, HIDDEN, RANDOM, KEPT], dtype=np.int8)
    seen = replaced(["a", "b", "c", "d"], actions, ["x", "y"], np.random.default_rng(0))
    assert (seen[0], seen[1], seen[3]) == ("a", MASK, "d")
    assert seen[2] in ("x", "y")


def test_random_words_are_drawn_from_all_forms_alike() -> None:
    actions = np.full(9000, RANDOM, dtype=np.int8)
    seen = replaced(["a"] * 9000, actions, ["x", "y", "z"], np.random.default_rng(0))
    assert [seen.count(form) / 9000 for form in "xyz"] == pytest.approx([1 / 3] * 3, abs=0.02)
