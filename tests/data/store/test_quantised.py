import numpy as np
import pytest

from ner_distill.data.store.columns import half_of
from ner_distill.data.store.quantised import (
    FLOOR,
    LEVELS,
    STEP,
    Quantised,
    quantise,
    quantise_share,
    restored,
    share_of,
)

TAGS = 9
ULP = 2.0**-11  # what float16 rounds, relative


def softmax(words: int, sharpness: float, seed: int, tags: int = TAGS) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(words, tags)) * sharpness
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float16)


def there_and_back(probs: np.ndarray) -> np.ndarray:
    return restored(quantise(probs), probs.shape[1])


SHARPNESS = [0.0, 0.3, 1.0, 3.0, 8.0, 30.0]


@pytest.mark.parametrize("sharpness", SHARPNESS)
@pytest.mark.parametrize("tags", [3, 9, 37])
def test_every_probability_comes_back_within_the_documented_bound(sharpness, tags):
    probs = softmax(2_000, sharpness, 1, tags)
    exact = probs.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    found = there_and_back(probs).astype(np.float64)
    best = np.zeros_like(exact, dtype=np.bool_)
    best[np.arange(len(exact)), probs.argmax(1)] = True
    other = ~best
    small = other & (exact < FLOOR)
    assert (found[small] == 0).all()
    kept = other & ~small
    assert (found[kept] <= exact[kept] * (1 + 2 * ULP)).all()
    assert (found[kept] >= exact[kept] / STEP * (1 - 2 * ULP)).all()
    most = exact + (1 - 1 / STEP) * (1 - exact) + FLOOR * (tags - 1)
    assert (found[best] <= most[best] * (1 + 2 * ULP)).all()
    assert (found[best] >= exact[best] * (1 - 2 * ULP)).all()


@pytest.mark.parametrize("words", [0, 1, 7, 40])
def test_in_parts_it_is_the_same(words, monkeypatch):
    probs = softmax(words, 1.0, 4) if words else np.zeros((0, TAGS), np.float16)
    whole = quantise(probs)
    monkeypatch.setattr("ner_distill.data.store.quantised._AT_ONCE", 3 * TAGS + 1)  # three words each
    parts = quantise(probs)
    for field in ("best", "count", "tags", "codes"):
        np.testing.assert_array_equal(getattr(parts, field), getattr(whole, field))
        assert getattr(parts, field).dtype == getattr(whole, field).dtype


@pytest.mark.parametrize("sharpness", SHARPNESS)
def test_the_probabilities_of_a_word_sum_to_one(sharpness):
    assert np.abs(there_and_back(softmax(2_000, sharpness, 2)).astype(np.float64).sum(1) - 1).max() < 0.003


@pytest.mark.parametrize("sharpness", SHARPNESS)
def test_the_best_tag_stays_the_best(sharpness):
    probs = softmax(5_000, sharpness, 3)
    np.testing.assert_array_equal(there_and_back(probs).argmax(1), probs.argmax(1))


def test_of_equals_the_first_stays_the_best():
    rows = [[0, 0.5, 0.5], [0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3], [0.25, 0.375, 0.375]]
    assert there_and_back(np.array(rows, np.float16)).argmax(1).tolist() == [1, 0, 0, 1]


def test_neighbouring_float16_keep_their_order():
    # of every pair of neighbours near a half, the larger second
    low = np.arange(0x3600, 0x3800, dtype=np.uint16).view(np.float16)
    probs = np.stack([low, np.nextafter(low, np.float16(1)), 1 - 2 * low.astype(np.float32)], 1).astype(np.float16)
    probs = probs[probs[:, 2] < probs[:, 0]]
    assert len(probs) > 100
    assert (there_and_back(probs).argmax(1) == 1).all()


def test_equal_tags_of_a_probability_that_has_a_code_come_back():
    probs = np.full((1, 8), 0.125, np.float16)
    np.testing.assert_array_equal(there_and_back(probs), probs)


def test_a_sure_word_is_one_tag():
    stored = quantise(np.array([[0.0, 1.0, 0.0], [0.9998, 0.0001, 0.0001]], np.float16))
    assert (stored.best.tolist(), stored.count.tolist(), len(stored.tags)) == ([1, 0], [0, 0], 0)


def test_no_words_are_fine():
    assert there_and_back(np.zeros((0, 5), np.float16)).shape == (0, 5)


def quantised(best: list[int], count: list[int], tags: list[int], codes: list[int]) -> Quantised:
    return Quantised(
        np.array(best, np.uint16), np.array(count, np.uint16), np.array(tags, np.uint16), np.array(codes, np.uint8)
    )


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (quantised([0], [1], [], []), "do not fit"),
        (quantised([0, 0], [1], [1], [9]), "do not fit"),
        (quantised([3], [0], [], []), "not one of 3"),
        (quantised([0], [1], [3], [9]), "not one of 3"),
        (quantised([0], [1], [0], [9]), "there twice"),
        (quantised([0], [2], [1, 1], [9, 9]), "there twice"),
        (quantised([0], [2], [1, 2], [0, 0]), "not the most probable"),
    ],
)
def test_what_cannot_be_is_refused(stored, message):
    with pytest.raises(ValueError, match=message):
        restored(stored, 3)


def test_shares_come_back_within_half_a_level():
    values = np.random.default_rng(4).random(10_000)
    assert np.abs(share_of(quantise_share(values)) - values).max() <= 0.5 / LEVELS + ULP


def test_every_level_is_itself():
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(quantise_share(share_of(codes)), codes)
    assert (float(share_of(codes[:1])[0]), float(share_of(codes[-1:])[0])) == (0, 1)


def test_a_share_is_above_a_half_exactly_where_it_was():
    values = np.arange(0x3000, 0x3C00, dtype=np.uint16).view(np.float16)  # 0.125 to 1
    np.testing.assert_array_equal(share_of(quantise_share(values)) > 0.5, values > 0.5)


def test_a_score_just_above_a_half_stays_above_it_in_every_form() -> None:
    above = np.nextafter(np.float32(0.5), np.float32(1))
    scores = np.array([0.0, 0.4999, 0.5, above, 0.5001, 0.50024, 0.5003, 0.9, 1.0], np.float32)
    stored = half_of(scores)
    assert stored.dtype == np.float16
    assert ((stored > 0.5) == (scores > 0.5)).all()
    assert ((share_of(quantise_share(stored)) > 0.5) == (scores > 0.5)).all()
    assert np.abs(stored.astype(np.float32) - scores).max() < 0.0005
    assert (stored[[0, 1, 2, 6, 7, 8]] == scores[[0, 1, 2, 6, 7, 8]].astype(np.float16)).all()
