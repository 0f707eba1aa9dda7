"""Doubts against numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ner_distill.data.noise.doubts import span_doubts, tag_doubts
from ner_distill.data.sentence import Span
from ner_distill.data.tagset import TagSet

TAGSET = TagSet(("A", "B"))  # O, B-A, I-A, B-B, I-B
WHOLE, FIRST, OTHER, LAST = Span(0, 2, "A"), Span(0, 1, "A"), Span(0, 2, "B"), Span(2, 3, "B")
PROBS = np.array(
    [
        [0.10, 0.70, 0.00, 0.20, 0.00],
        [0.25, 0.05, 0.60, 0.00, 0.10],
        [0.50, 0.00, 0.30, 0.20, 0.00],
    ],
    dtype=np.float32,
)
# as probable as the weakest: WHOLE min(.7, .6, 1 - .3), FIRST min(.7, 1 - .6), OTHER min(.2, .1, 1), LAST .2


def doubts(spans: set[Span], given: set[Span]) -> dict[Span, float]:
    return tag_doubts(PROBS, spans, given, TAGSET)


def test_a_given_entity_is_compared_with_nothing_where_nothing_else_is_possible() -> None:
    assert doubts(set(), {WHOLE})[WHOLE] == pytest.approx(0.10 / (0.10 + 0.6))


def test_a_given_entity_is_compared_with_its_strongest_rival() -> None:
    assert doubts({FIRST, OTHER, LAST}, {WHOLE})[WHOLE] == pytest.approx(0.4 / (0.4 + 0.6))


def test_an_entity_that_is_not_given_is_compared_with_the_given_one_on_its_words() -> None:
    assert doubts({WHOLE}, {OTHER})[WHOLE] == pytest.approx(0.6 / (0.6 + 0.1))


def test_an_entity_where_nothing_is_given_is_compared_with_nothing() -> None:
    assert doubts({WHOLE}, {LAST})[WHOLE] == pytest.approx(0.6 / (0.6 + 0.1))
    assert doubts({LAST}, {WHOLE})[LAST] == pytest.approx(0.2 / (0.2 + 0.5))


def test_an_entity_that_goes_on_behind_its_end_is_doubted() -> None:
    # O of both words is .1, and the first word alone leaves out an I of .6
    assert doubts(set(), {FIRST})[FIRST] == pytest.approx(0.1 / (0.1 + 0.4))


def test_what_is_impossible_both_ways_is_in_no_doubt() -> None:
    certain = np.array([[0, 0, 0, 1, 0]], dtype=np.float32)
    assert tag_doubts(certain, {FIRST}, {FIRST}, TAGSET) == {FIRST: 0.0}


def test_spans_that_are_judged_by_themselves_are_doubted_as_far_as_they_are_improbable() -> None:
    assert span_doubts({WHOLE: 0.9, FIRST: 0.3}, {WHOLE}) == {WHOLE: pytest.approx(0.1), FIRST: 0.3}
