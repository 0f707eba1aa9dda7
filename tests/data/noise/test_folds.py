"""Folds: what is held out, what is trained on, and what neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import pytest

from ner_distill.data.noise.folds import (
    By,
    Fold,
    development_slice,
    document_of,
    entities_alone,
    make_bags,
    make_folds,
    rare_labels,
)
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import ConfigError, DataError
from tests import corpora


def one(id: str, text: str, *entities: str) -> Sentence:
    """Entities by their words, all of type X."""
    words = tuple(text.split())
    starts = [words.index(entity.split()[0]) for entity in entities]
    lengths = [len(entity.split()) for entity in entities]
    return Sentence(id, words, tuple(Span(start, start + n, "X") for start, n in zip(starts, lengths, strict=True)))


def forms(sentences: Sequence[Sentence], indices: Sequence[int]) -> set[tuple[str, ...]]:
    chosen = [sentences[index] for index in indices]
    return {sentence.words[span.start : span.end] for sentence in chosen for span in sentence.spans or ()}


# no name stands in many sentences of the first; in the second, half of the sentences are linked to one group
APART = [one(f"d{n // 4}:{n}", f"w{n} e{n // 3} v{n}", f"e{n // 3}") for n in range(60)]
LINKED = APART[:30] + [
    one(f"x{n // 4}:{n}", f"x{n} hub{n % 10} y{n % 7}", f"hub{n % 10}", f"y{n % 7}") for n in range(30)
]
CORPORA = {"apart": APART, "linked": LINKED}


@pytest.mark.parametrize("by", get_args(By))
@pytest.mark.parametrize("corpus", CORPORA)
def test_every_sentence_is_held_out_in_exactly_one_fold(corpus: str, by: By) -> None:
    folds = make_folds(CORPORA[corpus], 5, by=by, seed=1)
    assert sorted(index for fold in folds for index in fold.held_out) == list(range(60))


@pytest.mark.parametrize("by", get_args(By))
@pytest.mark.parametrize("corpus", CORPORA)
def test_nothing_is_both_held_out_and_trained_on_and_the_rest_is_counted(corpus: str, by: By) -> None:
    for fold in make_folds(CORPORA[corpus], 5, by=by, seed=1):
        assert not set(fold.held_out) & set(fold.train)
        assert len(fold.held_out) + len(fold.train) + fold.dropped == 60


@pytest.mark.parametrize("by", ["sentence", "document"])
def test_all_that_is_not_held_out_is_trained_on(by: By) -> None:
    assert [fold.dropped for fold in make_folds(LINKED, 5, by=by, seed=1)] == [0] * 5


def test_no_document_is_both_held_out_and_trained_on() -> None:
    for fold in make_folds(LINKED, 5, by="document", seed=1):
        held = {document_of(LINKED[index].id) for index in fold.held_out}
        assert held.isdisjoint(document_of(LINKED[index].id) for index in fold.train)


@pytest.mark.parametrize("corpus", CORPORA)
def test_no_entity_is_both_held_out_and_trained_on(corpus: str) -> None:
    sentences = CORPORA[corpus]
    for fold in make_folds(sentences, 5, by="entity", seed=1):
        assert forms(sentences, fold.held_out).isdisjoint(forms(sentences, fold.train))


def test_groups_that_share_no_entity_need_no_dropping() -> None:
    assert [fold.dropped for fold in make_folds(APART, 5, by="entity", seed=1)] == [0] * 5


def test_a_group_that_is_too_big_is_split_by_dropping() -> None:
    folds = make_folds(LINKED, 3, by="entity", seed=2)
    assert all(any(LINKED[index].id.startswith("x") for index in fold.held_out) for fold in folds)
    assert all(fold.dropped > 0 for fold in folds)


@pytest.mark.parametrize("by", get_args(By))
def test_no_sentence_with_the_words_of_a_held_out_one_is_trained_on(by: By) -> None:
    twice = [*APART, *(Sentence(f"again{n // 4}:{n}", sentence.words, ()) for n, sentence in enumerate(APART))]
    for fold in make_folds(twice, 4, by=by, seed=3):
        held = {twice[index].words for index in fold.held_out}
        assert held.isdisjoint(twice[index].words for index in fold.train)


@pytest.mark.parametrize("by", get_args(By))
def test_folds_are_a_function_of_the_seed(by: By) -> None:
    def of(seed: int) -> tuple[Fold, ...]:
        return make_folds(APART, 5, by=by, seed=seed)

    assert of(1) == of(1)
    assert of(1) != of(2)


@pytest.mark.parametrize(
    ("id", "document"),
    [
        ("12", "12"),
        ("report-3:7", "report-3"),
        ("a/b/4", "a/b"),
        ("12#2", "12"),
        ("train.txt:5", "train.txt"),
        (":1", ":1"),
    ],
)
def test_the_document_of_an_id_is_what_stands_before_its_number(id: str, document: str) -> None:
    assert document_of(id) == document


def test_fewer_documents_than_folds_is_an_error_that_says_what_a_document_is() -> None:
    sentences = [one("train.txt:1", "a b", "a"), one("train.txt:9", "c d", "c")]
    with pytest.raises(DataError, match=r"as many documents as folds \(5\), found 1 .*'train.txt:1'.*fewer `folds`"):
        make_folds(sentences, 5, by="document", seed=1)


def test_fewer_sentences_than_folds_is_an_error() -> None:
    with pytest.raises(DataError, match=r"different sentences as folds \(3\), found 2"):
        make_folds(APART[:2], 3, seed=1)


def test_a_fold_that_leaves_no_entity_to_train_on_is_an_error() -> None:
    sentences = [one("a", "x y", "x"), one("b", "z"), one("c", "z z")]
    with pytest.raises(DataError, match="no entity is left to train on"):
        make_folds(sentences, 3, seed=1)


def test_types_with_fewer_entities_than_folds_are_named() -> None:
    rare = Sentence("r", ("a", "b"), (Span(0, 1, "RARE"), Span(1, 2, "RARE")))
    assert rare_labels([*APART, rare], 3) == {"RARE": 2}


# ---- what chooses the best epoch


def test_the_development_slice_is_a_share_of_the_sentences_and_no_part_of_training() -> None:
    sentences = corpora.sentences(200, seed=4)
    train, development = development_slice(sentences, 0.1, seed=1)
    assert {one.words for one in train}.isdisjoint(one.words for one in development)
    assert len(train) + len(development) == 200
    assert 20 <= len(development) < 40


def test_the_last_entity_of_a_type_stays_in_training() -> None:
    sentences = [*APART[:6], Sentence("r", ("a",), (Span(0, 1, "RARE"),))]
    for seed in range(20):
        train, _ = development_slice(sentences, 0.5, seed=seed)
        assert any(span.label == "RARE" for sentence in train for span in sentence.spans or ())


def test_the_development_slice_has_an_entity_where_few_sentences_have_one() -> None:
    sentences = [*(one(f"n{n}", f"none {n}") for n in range(50)), *APART[:2]]
    for seed in range(5):
        _, development = development_slice(sentences, 0.02, seed=seed)
        assert any(sentence.spans for sentence in development)


def test_too_few_sentences_for_a_development_slice_is_an_error() -> None:
    with pytest.raises(DataError, match="none with an entity can be set aside"):
        development_slice([one("a", "x y", "x"), one("b", "z")], 0.5, seed=1)


# ---- bags


def test_each_sentence_is_in_a_bag_or_out_of_it() -> None:
    for bag in make_bags(APART, 4, share=0.5, seed=1):
        assert sorted([*bag.train, *bag.held_out]) == list(range(60))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 0.393), (1.0, 0.632)])
def test_a_bag_holds_what_drawing_with_replacement_gives(share: float, expected: float) -> None:
    bags = make_bags([one(f"s{n}", f"w{n} e", "e") for n in range(2000)], 10, share=share, seed=1)
    assert sum(len(bag.train) for bag in bags) / 20_000 == pytest.approx(expected, abs=0.01)


def test_bags_differ_and_a_seed_gives_the_same_again() -> None:
    bags = make_bags(APART, 4, share=0.5, seed=1)
    assert len({bag.train for bag in bags}) == 4
    assert bags == make_bags(APART, 4, share=0.5, seed=1) != make_bags(APART, 4, share=0.5, seed=2)


def test_sentences_of_the_same_words_are_in_the_bag_together() -> None:
    twice = [*APART, *[Sentence(f"again-{sentence.id}", sentence.words, ()) for sentence in APART]]
    for bag in make_bags(twice, 4, share=0.5, seed=1):
        assert {twice[index].words for index in bag.train}.isdisjoint(twice[index].words for index in bag.held_out)


@pytest.mark.parametrize(
    ("bags", "share", "error", "said"),
    [
        (1, 0.5, ConfigError, "`bags` 1: expected 2 or more"),
        (3, 0.0, ConfigError, r"`bag_share` 0\.0: expected more than 0"),
        (3, float("inf"), ConfigError, "`bag_share` inf: expected more than 0, and 5 at most"),
    ],
)
def test_bags_that_judge_nothing_are_refused(bags: int, share: float, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make_bags(APART, bags, share=share, seed=1)


def test_a_bag_that_holds_all_there_is_is_refused() -> None:
    with pytest.raises(DataError, match="a bag of 2 different sentences left none out"):
        make_bags(APART[:2], 20, share=5, seed=1)


def test_of_a_sentence_out_of_the_bag_only_the_words_of_entities_count() -> None:
    sentence = one("a", "Ana López met Rome .", "Ana López", "Rome")
    assert entities_alone(sentence).keep == (True, True, False, True, False)
    told = Sentence("a", sentence.words, sentence.spans, negative=(False, False, True, False, False))
    assert entities_alone(told).keep == (True, True, True, True, False)
    masked = Sentence("a", sentence.words, sentence.spans, keep=(True, True, True, False, True))
    assert entities_alone(masked).keep == (True, True, False, False, False)
