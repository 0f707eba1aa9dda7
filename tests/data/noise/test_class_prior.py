"""Class priors of data in which the truth is known."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ner_distill.data.noise.class_prior import estimate_priors, labelled_shares, negative_share
from ner_distill.data.sentence import Sentence, Span


def test_labelled_shares_count_words_by_type() -> None:
    sentences = [
        Sentence("a", ("Ann", "Lee", "in", "Rome"), (Span(0, 2, "PER"), Span(3, 4, "LOC"))),
        Sentence("b", ("It", "rains", ".", "Ha"), ()),
    ]
    assert labelled_shares(sentences) == {"LOC": 1 / 8, "PER": 2 / 8}


def test_labelled_shares_leave_out_words_that_do_not_count() -> None:
    sentence = Sentence(
        "a", ("Ann", "met", "Bob", "here"), (Span(0, 1, "PER"), Span(2, 3, "PER")), keep=(True, True, False, False)
    )
    assert labelled_shares([sentence]) == {"PER": 1 / 2}


def names(coverage: float, *, sentences: int = 1500) -> list[Sentence]:
    """`Mr <name> said <word>` and `the <word> said <Capital word>`: a share of the NAMES is labelled, by form."""
    rng = random.Random(4)
    people = [f"N{chr(97 + number % 26)}{'x' * (number // 26)}o" for number in range(600)]
    known = set(rng.sample(people, round(coverage * len(people))))
    found = []
    for number in range(sentences):
        if number % 2:
            words = ("Mr", rng.choice(people), "said", f"w{'a' * rng.randrange(30)}")
            spans = (Span(1, 2, "PER"),) if words[1] in known else ()
        else:
            words, spans = ("the", f"w{'a' * rng.randrange(30)}", "said", f"W{'a' * rng.randrange(300)}"), ()
        found.append(Sentence(str(number), words, spans))
    return found


@pytest.mark.parametrize("coverage", [0.25, 0.5, 0.8])
def test_the_prior_is_found_to_a_half_whatever_part_of_the_forms_is_labelled(coverage: float) -> None:
    assert 1 / 1.5 < 8 * estimate_priors(names(coverage))["PER"] < 1.5


def test_a_prior_is_no_less_than_the_labelled_share() -> None:
    sentences = names(1.0)
    assert estimate_priors(sentences)["PER"] >= labelled_shares(sentences)["PER"]


def test_with_too_few_forms_half_of_the_words_are_taken_for_labelled() -> None:
    sentence = Sentence("a", ("Ann", "met", "nobody", "."), (Span(0, 1, "PER"),))
    assert estimate_priors([sentence]) == {"PER": 1 / 2}


def test_shares_weigh_sentences_and_leave_out_entities_that_are_partly_masked() -> None:
    words = ("a", "b", "c", "d")
    sentences = [
        Sentence("1", words, (Span(0, 1, "X"),), weight=0.5),
        Sentence("2", words, (Span(0, 2, "X"), Span(3, 4, "X")), keep=(True, False, True, True)),
    ]
    assert labelled_shares(sentences) == {"X": pytest.approx((0.5 * 1 + 1) / (0.5 * 4 + 2))}


def test_the_share_of_words_that_are_surely_of_no_entity_is_one_of_words_that_count() -> None:
    told = Sentence("a", ("Ann", "is", "in", "Rome"), (Span(0, 1, "PER"),), negative=(False, True, True, False))
    assert negative_share([told]) == 2 / 4
    assert negative_share([replace(told, keep=(True, True, False, True))]) == 1 / 3
    assert negative_share([Sentence("b", ("x",), ())]) == 0


def test_forms_that_are_surely_of_no_entity_are_no_missed_ones() -> None:
    # `Mr` stands before names and before words that are known to be none: without these half of what it says is lost
    sentences = names(0.5)
    said = [Sentence(f"w{n}", ("Mr", f"W{'a' * n}", "said", "so"), (), negative=(True,) * 4) for n in range(300)]
    unsaid = [replace(sentence, negative=None) for sentence in said]
    true = 750 / (4 * 1800)
    plain, told = (estimate_priors([*sentences, *more])["PER"] for more in (unsaid, said))
    assert abs(told - true) < abs(plain - true)
