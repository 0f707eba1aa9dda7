"""Sentences that cannot be; entities of which a part does not count."""

from __future__ import annotations

from typing import Any

import pytest

from ner_distill.data.sentence import Sentence, Span, whole_entities

A, B, C = Span(0, 3, "A"), Span(2, 5, "B"), Span(6, 7, "C")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"keep": (True,)}, "2 words but 1 values of keep"),
        ({"weight": -1.0}, "weight must be a number of 0 or more, found -1.0"),
        ({"weight": float("inf")}, "weight must be a number of 0 or more, found inf"),
    ],
    ids=["keep", "negative", "infinite"],
)
def test_a_sentence_whose_labels_cannot_count_so_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"sentence a: .*{said}"):
        Sentence("a", ("x", "y"), **fields)


def test_what_is_wider_than_its_entity_is_so_only_while_it_is_a_label() -> None:
    one = Sentence("a", ("x",) * 7, (A, C), inside_words=(A, A, B))
    assert (one.exact, one.widened) == ((C,), (A, A))


def test_an_entity_that_is_partly_kept_is_left_out_whole_and_counted() -> None:
    keep = (True, False, True, True, True, True, True)
    assert whole_entities([A, C], keep) == ((False, False, False, True, True, True, True), 1)


def test_entities_that_overlap_one_that_is_left_out_are_left_out_too() -> None:
    keep = (True, False, True, True, True, True, True)
    assert whole_entities([A, B, C], keep) == ((False,) * 5 + (True, True), 2)


def test_an_entity_that_is_kept_or_left_out_whole_stays_as_it_is() -> None:
    keep = (False, False, False, True, True, True, True)
    assert whole_entities([A, C], keep) == (keep, 0)


def test_a_word_of_an_entity_is_none_that_is_surely_of_no_entity() -> None:
    sentence = Sentence("a", ("to", "The", "Hague"), (Span(1, 3, "LOC"),), negative=(True, True, False))
    assert sentence.sure_negatives == (True, False, False)
    assert Sentence("b", ("x",)).sure_negatives == (False,)
    with pytest.raises(ValueError, match="1 words but 2 values of negative"):
        Sentence("c", ("x",), negative=(True, False))
