"""The noise that the benchmark plants is what it says it is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from benchmarks.noise import KINDS, Planted, Ranking, plant
from tests import corpora

TRUE = corpora.sentences(200, seed=5)
NOISY, PLANTED = plant(TRUE, 0.2, 1)
SPANS = {one.id: (set(before.spans or ()), set(one.spans or ())) for before, one in zip(TRUE, NOISY, strict=True)}


def of(kind: str) -> list[Planted]:
    return [one for one in PLANTED if one.kind == kind]


def test_a_fifth_of_the_entities_has_an_error_a_quarter_of_each_kind() -> None:
    total = sum(len(one.spans or ()) for one in TRUE)
    counts = Counter(one.kind for one in PLANTED)
    assert sum(counts.values()) == round(0.2 * total)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_records_are_all_that_differs() -> None:
    removed = {(id, span) for id, (before, after) in SPANS.items() for span in before - after}
    added = {(id, span) for id, (before, after) in SPANS.items() for span in after - before}
    assert removed == {(one.id, one.before) for one in PLANTED if one.before}
    assert added == {(one.id, one.after) for one in PLANTED if one.after}


def test_a_swapped_entity_has_another_type_at_the_same_place() -> None:
    for one in of("swapped"):
        assert one.before is not None
        assert one.after is not None
        assert (one.before.start, one.before.end) == (one.after.start, one.after.end)
        assert one.before.label != one.after.label


def test_a_moved_entity_has_one_border_one_word_off() -> None:
    for one in of("moved"):
        assert one.before is not None
        assert one.after is not None
        assert abs(one.before.start - one.after.start) + abs(one.before.end - one.after.end) == 1
        assert one.before.label == one.after.label


def test_an_invented_entity_touches_no_true_one() -> None:
    for one in of("invented"):
        assert one.after is not None
        true = SPANS[one.id][0]
        assert all(one.after.end <= span.start or span.end <= one.after.start for span in true)


@pytest.mark.parametrize("seed", range(5))
def test_noisy_entities_never_overlap_nor_leave_their_sentence(seed: int) -> None:
    noisy, _ = plant(TRUE, 0.6, seed)
    for sentence in noisy:
        assert all(one.end <= other.start for one, other in pairwise(sorted(sentence.spans or ())))


def test_noise_is_a_function_of_the_seed() -> None:
    assert plant(TRUE, 0.2, 1) == (NOISY, PLANTED)
    assert plant(TRUE, 0.2, 2)[1] != PLANTED


def test_a_single_type_cannot_be_swapped() -> None:
    single = [one for one in TRUE if {span.label for span in one.spans or ()} <= {"LOC"}]
    assert {one.kind for one in plant(single, 0.5, 1)[1]} == set(KINDS) - {"swapped"}


def test_average_precision_counts_errors_that_nobody_ranked_as_last() -> None:
    # precision 1 at the first error, 2/3 at the second, 3/4 at the last, which stands behind the three that are ranked
    assert Ranking([True, False, True], [0.9, 0.8, 0.1], missing=1).average_precision() == pytest.approx(
        (1 + 2 / 3 + 3 / 4) / 3
    )
