from __future__ import annotations

import itertools
from collections import Counter

from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.varying import can_be_varied, forms_of, vary

ANN = Sentence("1", ("Ann", "Lee", "is", "in", "Oslo", "."), (Span(0, 2, "PER"), Span(4, 5, "LOC")), lang="en")
FORMS = {"PER": [("Bo",), ("Cy", "Dee", "Ek")], "LOC": [("Rio",), ("New", "York")]}


def test_entities_are_replaced_by_those_of_their_type_and_nothing_else_is() -> None:
    found = {" ".join(sentence.words): sentence for sentence in vary([ANN], FORMS, 10, seed=1)}
    assert set(found) == {
        f"{person} is in {place} ." for person, place in itertools.product(("Bo", "Cy Dee Ek"), ("Rio", "New York"))
    }
    for sentence in found.values():
        entities = [(span.label, sentence.words[span.start : span.end]) for span in sentence.spans or ()]
        assert [label for label, _ in entities] == ["PER", "LOC"]
        assert all(words in FORMS[label] for label, words in entities)
        assert sentence.lang == "en"


def test_every_form_is_as_likely() -> None:
    forms = {"PER": [(f"P{number}",) for number in range(4)], "LOC": [(f"L{number}",) for number in range(1_000)]}
    drawn = Counter(sentence.words[0] for sentence in vary([ANN], forms, 2_000, seed=3))
    assert set(drawn) == {"P0", "P1", "P2", "P3"}
    assert all(430 < count < 570 for count in drawn.values())  # of a mean of 500, deviation 19


def test_no_sentence_is_given_twice_nor_one_that_was_there() -> None:
    forms = {"PER": [("Ann", "Lee"), ("Bo",)], "LOC": [("Oslo",)]}
    assert [sentence.words for sentence in vary([ANN], forms, 5, seed=1)] == [("Bo", "is", "in", "Oslo", ".")]


def test_the_same_seed_gives_the_same_sentences_with_ids_of_their_own() -> None:
    one, same, other = (list(vary([ANN], FORMS, 3, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert [sentence.id for sentence in one] == ["1~1", "1~2", "1~3"]


def test_in_a_headline_names_are_in_capitals() -> None:
    shouted = Sentence("1", ("OSLO", "WINS", "!"), (Span(0, 1, "LOC"),))
    assert next(vary([shouted], {"LOC": [("New", "York")]}, 1, seed=1)).words == ("NEW", "YORK", "WINS", "!")
    chinese = Sentence("1", ("他", "在", "京"), (Span(2, 3, "LOC"),))
    assert next(vary([chinese], {"LOC": [("a",)]}, 1, seed=1)).words == ("他", "在", "a")


def test_what_is_nested_masked_or_of_half_a_word_is_left_as_it_is() -> None:
    words = ("a", "b", "c")
    nested = Sentence("1", words, (Span(0, 2, "X"), Span(1, 2, "Y")))
    masked = Sentence("2", words, (Span(0, 1, "X"),), keep=(True, True, False))
    inside = Sentence("3", words, (Span(0, 1, "X"),), inside_words=(Span(0, 1, "X"),))
    empty, unknown = Sentence("4", words, ()), Sentence("5", words)
    assert not any(map(can_be_varied, (nested, masked, inside, empty, unknown)))
    assert can_be_varied(Sentence("6", words, (Span(0, 1, "X"), Span(1, 2, "Y"))))


def test_names_of_headlines_are_taken_where_there_are_no_others() -> None:
    shouted = Sentence("2", ("OSLO", "MEETS", "ACME"), (Span(0, 1, "LOC"), Span(2, 3, "ORG")))
    assert forms_of([ANN, shouted]) == {"LOC": [("Oslo",)], "ORG": [("ACME",)], "PER": [("Ann", "Lee")]}


def test_forms_are_each_there_once() -> None:
    assert forms_of([ANN, ANN]) == {"LOC": [("Oslo",)], "PER": [("Ann", "Lee")]}
