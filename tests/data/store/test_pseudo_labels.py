"""Rows of a store as labelled sentences, and which of them are worth training on."""

from __future__ import annotations

import numpy as np
import pytest

from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.columns import SPAN, SoftRow, SpanArray
from ner_distill.data.store.pseudo_labels import labelled_row, worth_training_on
from ner_distill.data.tagset import TagSet

TAGS = TagSet(("LOC", "PER"))
WORDS = ("Ana", "López", "met", "Rome", ".")
ANA, ROME = Span(0, 2, "PER"), Span(3, 4, "LOC")


def row(*spans: Span, keep: tuple[int, ...] = (1, 1, 1, 1, 1), stored: SpanArray | None = None) -> SoftRow:
    """What a teacher says that is sure of these entities; or one with a span head."""
    probs = np.full((len(WORDS), len(TAGS)), 0.01, np.float16)
    for word, tag in enumerate(TAGS.encode(spans, len(WORDS))):
        probs[word, tag] = 0.96
    return SoftRow("r", WORDS, probs, np.array(keep, bool), "es", stored)


def likely(*said: tuple[Span, float]) -> SpanArray:
    values = [(one.start, one.end, TAGS.labels.index(one.label), score) for one, score in said]
    return np.array(values, SPAN)


def test_what_the_teachers_find_becomes_a_label() -> None:
    assert labelled_row(row(ANA, ROME), TAGS) == Sentence("r", WORDS, (ANA, ROME), lang="es")


def test_an_entity_that_is_not_kept_whole_is_masked_whole() -> None:
    sentence = labelled_row(row(ANA, ROME, keep=(1, 0, 1, 1, 1)), TAGS)
    assert sentence is not None
    assert (sentence.spans, sentence.keep) == ((ROME,), (False, False, True, True, True))


def test_a_dropped_word_outside_of_entities_is_masked_alone() -> None:
    sentence = labelled_row(row(ANA, keep=(1, 1, 1, 0, 1)), TAGS)
    assert sentence is not None
    assert (sentence.spans, sentence.keep) == ((ANA,), (True, True, True, False, True))


def test_a_row_of_which_nothing_is_kept_is_no_sentence() -> None:
    assert labelled_row(row(ANA, keep=(0, 0, 0, 0, 0)), TAGS) is None


def test_of_stored_spans_the_likely_ones_become_labels_nested_ones_too() -> None:
    stored = likely((ANA, 0.9), (Span(0, 1, "PER"), 0.7), (ROME, 0.4))
    sentence = labelled_row(row(ROME, stored=stored), TAGS)
    assert sentence is not None
    assert set(sentence.spans or ()) == {ANA, Span(0, 1, "PER")}


def test_a_sentence_has_the_weight_that_is_asked_for() -> None:
    sentence = labelled_row(row(ANA), TAGS, weight=0.5)
    assert sentence is not None
    assert sentence.weight == 0.5


# ---- which are worth it


def full(name: str) -> Sentence:
    return Sentence(name, (name,), (Span(0, 1, "PER"),))


def bare(name: str) -> Sentence:
    return Sentence(name, (name,), ())


def ids(*sentences: Sentence, known: tuple[tuple[str, ...], ...] = (), empty: float = 1.0) -> list[str]:
    return [one.id for one in worth_training_on(sentences, known, empty)]


@pytest.mark.parametrize(("empty", "expected"), [(0.0, "ab"), (0.5, "a1b"), (1.0, "a1b2"), (5.0, "a1b234")])
def test_sentences_without_entities_are_as_many_as_in_labelled_data(empty: float, expected: str) -> None:
    sentences = [full("a"), bare("1"), full("b"), bare("2"), bare("3"), bare("4")]
    assert "".join(ids(*sentences, empty=empty)) == expected


def test_a_sentence_of_which_only_doubts_are_left_teaches_nothing() -> None:
    assert ids(full("a"), Sentence("x", ("x", "y"), (), keep=(True, False))) == ["a"]


def test_known_sentences_and_repeated_ones_are_left_out() -> None:
    again = Sentence("again", ("a",), (Span(0, 1, "PER"),))
    assert ids(full("a"), again, full("known"), known=(("known",),)) == ["a"]
