"""Windows against a brute-force search for the best window of each unit."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_distill.data.features.windows import Window, cut_windows, settled

LENGTHS = st.integers(0, 200)
LIMITS = st.integers(2, 40)


def distance(unit: int, window: Window, length: int) -> float:
    """Of a unit to the nearer edge of a window; edges of the sentence do not count."""
    left = math.inf if window.start == 0 else unit - window.start
    right = math.inf if window.end == length else window.end - 1 - unit
    return min(left, right)


@given(length=LENGTHS, limit=LIMITS)
def test_every_unit_is_taken_once(length: int, limit: int) -> None:
    taken = [unit for window in cut_windows(length, limit) for unit in range(window.take_start, window.take_end)]
    assert taken == list(range(length))


@given(length=LENGTHS, limit=LIMITS)
def test_windows_lie_in_the_sentence_and_within_the_limit(length: int, limit: int) -> None:
    for window in cut_windows(length, limit):
        assert 0 <= window.start <= window.take_start < window.take_end <= window.end <= length
        assert window.end - window.start <= limit


@given(length=LENGTHS, limit=LIMITS)
def test_each_unit_is_taken_where_it_stands_farthest_from_an_edge(length: int, limit: int) -> None:
    windows = cut_windows(length, limit)
    for window in windows:
        for unit in range(window.take_start, window.take_end):
            others = [distance(unit, other, length) for other in windows if other.start <= unit < other.end]
            assert distance(unit, window, length) == max(others)


@given(length=LENGTHS, limit=LIMITS)
def test_neighbouring_windows_share_half_a_window(length: int, limit: int) -> None:
    windows = cut_windows(length, limit)
    for first, second in pairwise(windows):
        assert limit // 2 <= first.end - second.start < limit


def test_what_fits_is_one_window() -> None:
    assert cut_windows(8, 8) == [Window(0, 8, 0, 8)]


def test_windows_of_a_long_sentence_by_hand() -> None:
    assert cut_windows(9, 4) == [Window(0, 4, 0, 3), Window(2, 6, 3, 5), Window(4, 8, 5, 6), Window(5, 9, 6, 9)]


def test_a_limit_below_two_is_refused() -> None:
    with pytest.raises(ValueError, match="found limit=1"):
        cut_windows(5, 1)


SPANS = st.lists(st.tuples(st.integers(0, 199), st.integers(1, 12)), max_size=30)


@given(length=LENGTHS, limit=LIMITS, spans=SPANS)
def test_settled_borders_go_to_the_nearest_place_that_no_span_crosses(
    length: int, limit: int, spans: list[tuple[int, int]]
) -> None:
    entities = [(start, min(start + width, length)) for start, width in spans if start < length]
    windows = cut_windows(length, limit)
    if not windows:
        return
    moved = settled(windows, entities)
    assert [unit for one in moved for unit in range(one.take_start, one.take_end)] == list(range(length))
    before = 0
    for left, right, (_, asked) in zip(moved, moved[1:], pairwise(windows), strict=False):
        places = range(max(right.start, before), left.end + 1)
        free = [place for place in places if not any(start < place < end for start, end in entities)]
        wanted = max(asked.take_start, before)
        if free:
            assert right.take_start in free
            assert abs(right.take_start - wanted) == min(abs(place - wanted) for place in free)
        else:
            assert right.take_start == wanted
        before = right.take_start
