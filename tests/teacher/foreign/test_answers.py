from pathlib import Path

import numpy as np
import pytest

from ner_distill.data.formats.answers import Answer, Named, Said
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import ConfigError, DataError
from ner_distill.options.by_type import ByType
from ner_distill.teacher.foreign.answers import NOT_FOUND, OVERLAPPING, WIDENED, AnswersTeacher

WORDS = ("Ana", "is", "in", "Oslo")
TEXT = "AnaisinOslo"
ANA, OSLO = Said(0, 3, "PER", None), Said(7, 11, "LOC", None)


def teacher(*answers: Answer, confidence: ByType[float] | None = None) -> AnswersTeacher:
    return AnswersTeacher("answers:x", answers, confidence)


def test_an_answer_is_found_by_id_and_by_text_but_never_for_another_text() -> None:
    made = teacher(Answer("a", TEXT, (ANA,)), Answer("b", "other", (OSLO._replace(end=2, start=0),)))
    assert made.knows(Sentence("a", WORDS))
    assert made.knows(Sentence("b", WORDS))  # by its text
    assert not made.knows(Sentence("a", ("new", "text")))
    assert made.knows(Sentence("zzz", ("Anais", "in", "Oslo")))  # cut otherwise


def test_what_was_said_has_nine_tenths_and_the_rest_goes_to_o_and_the_other_types() -> None:
    (said,) = teacher(Answer("a", TEXT, (ANA, OSLO))).answers([Sentence("a", WORDS)])
    np.testing.assert_allclose(said.probs[0], [0.05, 0.05, 0, 0.9, 0], atol=1e-6)  # O, B-LOC, I-LOC, B-PER, I-PER
    np.testing.assert_allclose(said.probs[3], [0.05, 0.9, 0, 0.05, 0], atol=1e-6)


def test_an_entity_is_missed_on_an_o_word_so_often_that_a_fifth_of_all_are() -> None:
    answers = [Answer(str(n), TEXT, (ANA, OSLO)) for n in range(10)]
    (said,) = teacher(*answers).answers([Sentence("1", WORDS)])
    # of 11 characters 7 are of entities, and a quarter of that is missing, among 4; but no more than of those found
    np.testing.assert_allclose(said.probs[1, 0], 1 - 0.25 * 7 / 7, atol=1e-6)
    np.testing.assert_allclose(said.probs.sum(1), 1, atol=1e-6)


def test_scores_and_given_confidences_count_in_its_place() -> None:
    answer = Answer("a", TEXT, (ANA._replace(score=0.6), OSLO))
    (said,) = teacher(answer, confidence=ByType(0.8, {"LOC": 0.7})).answers([Sentence("a", WORDS)])
    np.testing.assert_allclose(said.probs[0], [0.2, 0.2, 0, 0.6, 0], atol=1e-6)
    np.testing.assert_allclose(said.probs[3], [0.15, 0.7, 0, 0.15, 0], atol=1e-6)
    (sure,) = teacher(Answer("a", TEXT, (ANA._replace(score=0.6),)), confidence=ByType(1.0, {})).answers(
        [Sentence("a", WORDS)]
    )
    np.testing.assert_allclose(sure.probs[0], [0.4, 0.6, 0], atol=1e-6)


def test_labelled_sentences_say_how_often_a_type_is_right_and_how_much_is_missed() -> None:
    """Of 1000 said PER 500 are LOC; of 1000 words without an entity 200 are PER."""
    made = teacher(
        *(Answer(str(n), f"Xa{n}y", (Said(0, 1, "PER", None), Said(1, 2, "LOC", None))) for n in range(1000))
    )
    labelled = [
        Sentence(str(n), ("X", "a", f"{n}y"), tuple(
            [Span(0, 1, "P" if n % 2 else "L"), Span(1, 2, "L")] + ([Span(2, 3, "P")] if n % 5 == 0 else [])))
        for n in range(1000)
    ]  # fmt: skip
    made.learn(labelled, {"PER": "P", "LOC": "L"})
    (said,) = made.answers([Sentence("1", ("X", "a", "1y"))])
    np.testing.assert_allclose(said.probs[0], [0, 0.5, 0, 0.5, 0], atol=0.02)
    np.testing.assert_allclose(said.probs[1], [0, 1, 0, 0, 0], atol=0.02)
    np.testing.assert_allclose(said.probs[2], [0.8, 0, 0, 0.2, 0], atol=0.02)


def test_two_types_that_stand_for_one_are_both_right() -> None:
    made = teacher(*(Answer(str(n), f"Xa{n}", (Said(0, 1, "GPE", None), Said(1, 2, "LOC", None))) for n in range(500)))
    labelled = [Sentence(str(n), ("X", "a", str(n)), (Span(0, 1, "L"), Span(1, 2, "L"))) for n in range(500)]
    made.learn(labelled, {"GPE": "L", "LOC": "L"})
    (said,) = made.answers([Sentence("1", ("X", "a", "1"))])
    assert said.probs[:2].max(1).min() > 0.99
    assert said.probs[:2].argmax(1).tolist() == [1, 3]


def test_learning_changes_no_count_and_gives_way_to_what_the_user_said() -> None:
    answers = [Answer("a", TEXT, named=(Named("Ana", "PER", None), Named("Rome", "PER", None)))]
    made = teacher(*answers, confidence=ByType(0.8, {}))
    made.learn([Sentence("a", WORDS, ())], {"PER": "PER"})
    (said,) = made.answers([Sentence("a", WORDS)])
    np.testing.assert_allclose(said.probs[0], [0.2, 0.8, 0], atol=1e-6)
    assert made.counts[NOT_FOUND] == 1


def test_labelled_sentences_without_an_answer_are_an_error() -> None:
    with pytest.raises(DataError, match="`labelled`: answers:x has an answer to none of 1 sentence"):
        teacher(Answer("a", TEXT, (ANA,))).learn([Sentence("b", ("no",), ())], {})


def test_what_is_lost_is_counted() -> None:
    said = (Said(0, 2, "PER", None), Said(0, 11, "LOC", None), ANA)
    made = teacher(Answer("a", TEXT, said, (Named("Rome", "LOC", None),)))
    made.answers([Sentence("a", WORDS)])
    assert (made.counts[WIDENED], made.counts[OVERLAPPING], made.counts[NOT_FOUND]) == (1, 1, 1)


def test_answers_without_an_entity_have_no_types() -> None:
    with pytest.raises(DataError, match="no entity in any of 1 answer"):
        teacher(Answer("a", TEXT))


def test_a_file_that_is_not_there_and_a_type_that_it_has_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; expected a file with labelled sentences"):
        AnswersTeacher.load(str(tmp_path / "x"))
    (tmp_path / "a.conll").write_text("Oslo B-LOC\n")
    with pytest.raises(ConfigError, match="`confidence` PER: no such type in .*; expected LOC"):
        AnswersTeacher.load(str(tmp_path / "a.conll"), ByType(0.9, {"PER": 0.8}))
