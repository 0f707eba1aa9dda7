"""Lists of the training data's entities: which forms stand on them, and that no sentence knows its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.features.train_lists import ListRules, TrainLists
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import DataError, RunError

LABELS = ("LOC", "PER")
PER, LOC = (0, 0, 1, 0), (1, 0, 0, 0)  # the marks of a word that begins an entry of one list
NONE, INSIDE = (0, 0, 0, 0), (0, 0, 0, 1)


def one(words: str, *spans: tuple[int, int, str], keep: tuple[bool, ...] | None = None) -> Sentence:
    return Sentence(words, tuple(words.split()), tuple(Span(*span) for span in spans), keep=keep)


FOUR = [
    one("Ann Lee sings", (0, 2, "PER")),
    one("in Rome today", (1, 2, "LOC")),
    one("Ann Lee met Bo", (0, 2, "PER"), (3, 4, "PER")),
    one("off to Rome", (2, 3, "LOC")),
]


def lists_of(sentences: list[Sentence], *, folds: int = 2, separator: str = " ", **rules: Any) -> TrainLists:
    return TrainLists.counted(sentences, LABELS, separator, folds=folds, rules=ListRules(**rules))[0]


def left_out(sentences: list[Sentence], **rules: Any) -> dict[str, int]:
    return dict(TrainLists.counted(sentences, LABELS, " ", folds=2, rules=ListRules(**rules))[1])


def marks(lists: TrainLists, words: str, *, training: bool = False) -> list[tuple[int, ...]]:
    made = (lists.training_features if training else lists.features)(words.split())
    return [tuple(row) for row in made.astype(int).tolist()]


def test_new_sentences_know_all_entities_of_the_training_data() -> None:
    assert marks(lists_of(FOUR), "Bo saw Ann Lee in Rome") == [PER, NONE, PER, INSIDE, NONE, LOC]


def test_a_training_sentence_knows_the_entities_of_other_folds_alone() -> None:
    # two sentences a fold: 0 and 1, 2 and 3; Bo stands in the second fold alone
    lists = lists_of(FOUR)
    assert marks(lists, "Ann Lee met Bo", training=True) == [PER, INSIDE, NONE, NONE]
    assert marks(lists, "Ann Lee met Bo") == [PER, INSIDE, NONE, PER]


def test_what_stands_in_one_sentence_alone_is_never_known_in_training() -> None:
    sentences = [one(f"name{n} sings", (0, 1, "PER")) for n in range(20)]
    lists = lists_of(sentences, folds=5)
    assert not any(lists.training_features(sentence.words).any() for sentence in sentences)
    assert all(lists.features(sentence.words).any() for sentence in sentences)
    assert lists.known(sentences) == 0


def test_sentences_of_the_same_words_are_of_one_fold() -> None:
    sentences = [one("Bo sings", (0, 1, "PER")), *FOUR, one("Bo sings", (0, 1, "PER"))]
    del sentences[3]  # the other Bo
    assert not lists_of(sentences).training_features(["Bo", "sings"]).any()


def test_the_share_of_known_entities_is_that_of_other_folds() -> None:
    assert lists_of(FOUR).known(FOUR) == pytest.approx(4 / 5)


# ---- which forms


MIXED = [*FOUR, one("Rome sings", (0, 1, "PER")), one("Lake Rome", (0, 2, "LOC"))]


@pytest.mark.parametrize(("forms", "expected"), [("all", (1, 0, 1, 0)), ("main-type", LOC), ("unambiguous", NONE)])
def test_a_form_of_several_types_stands_where_the_rules_say(forms: str, expected: tuple[int, ...]) -> None:
    assert marks(lists_of(MIXED, forms=forms), "Rome") == [expected]
    assert left_out(MIXED, forms=forms) == ({"of several types": 1} if forms == "unambiguous" else {})


def test_forms_that_mostly_stand_outside_of_entities_are_left_out() -> None:
    sentences = [*FOUR, one("Will sings", (0, 1, "PER")), one("Will he ?"), one("Will it ?")]
    assert marks(lists_of(sentences), "Will") == [NONE]
    assert marks(lists_of(sentences, outside=0.7), "Will") == [PER]  # in two of three places
    assert left_out(sentences) == {"mostly outside of entities": 1}


def test_a_form_inside_a_longer_entity_is_not_outside() -> None:
    assert marks(lists_of(MIXED, forms="main-type", outside=0.0), "Rome") == [LOC]


def test_frequent_forms_are_left_out_where_rare_ones_are_wanted() -> None:
    assert marks(lists_of(FOUR, most=1), "Ann Lee met Bo in Rome") == [NONE, NONE, NONE, PER, NONE, NONE]
    assert left_out(FOUR, most=1) == {"too frequent": 2}


def test_entities_and_places_that_do_not_count_are_as_if_they_were_not_there() -> None:
    masked = one("Will sings", (0, 1, "PER"), keep=(False, True))
    assert marks(lists_of([*FOUR, masked]), "Will") == [NONE]
    kept = [*FOUR, one("Will sings", (0, 1, "PER")), *(one(f"Will he {n}", keep=(False, True, True)) for n in "ab")]
    assert marks(lists_of(kept), "Will") == [PER]


def test_characters_are_joined_without_blanks() -> None:
    sentences = [Sentence(text, tuple(text), (Span(1, 3, "LOC"),)) for text in ("在南京", "去上海", "到南京")]
    lists = lists_of(sentences, separator="")
    assert sorted(lists.lists["LOC"]) == ["上海", "南京"]
    assert lists.features(list("南京市")).astype(int).tolist() == [list(LOC), [0, 1, 0, 0], list(NONE)]


def test_a_type_without_a_form_has_an_empty_list() -> None:
    lists = lists_of([FOUR[0], FOUR[2]])
    assert lists.lists["LOC"] == []
    assert marks(lists, "Bo in Rome") == [PER, NONE, NONE]


@pytest.mark.parametrize(
    ("sentences", "rules", "said"),
    [
        (
            FOUR[:1] * 5,
            {},
            r"features\.train_lists_folds: expected at least as many different sentences as folds \(2\)",
        ),
        ([one("a b"), one("c d")], {}, r"no entity of the training data is left for a list \(there is no entity\)"),
        (FOUR[1::2], {"most": 1}, r"is left for a list \(1 too frequent\); see features\.train_lists_outside"),
    ],
)
def test_data_that_gives_no_lists_is_refused(sentences: list[Sentence], rules: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        lists_of(sentences, **rules)


# ---- the file


def test_lists_come_back_as_they_were(tmp_path: Path) -> None:
    lists = lists_of([*FOUR, one("a\tb\\n c", (0, 2, "PER"))])
    lists.save(tmp_path)
    loaded = TrainLists.load(tmp_path)
    assert loaded.lists == lists.lists
    text = "Bo saw Ann Lee in Rome"
    assert marks(loaded, text) == marks(lists, text) == marks(loaded, text, training=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "expected 'separator' and 'lists'"),
        ('{"format": 2, "separator": " ", "lists": {}}', "has format 2, this version reads 1"),
        ('{"format": 1, "separator": "x", "lists": {}}', "expected 'separator' and 'lists'"),
        ('{"format": 1, "separator": "", "lists": {"PER": ["a", ""]}}', "expected 'separator' and 'lists'"),
        ('{"format": 1, "separator": "", "lists": {"PER": "ab"}}', "expected 'separator' and 'lists'"),
        ("{", "train_lists.json"),
    ],
)
def test_a_damaged_file_is_named(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "train_lists.json").write_text(content)
    with pytest.raises(RunError, match=said):
        TrainLists.load(tmp_path)
    with pytest.raises(RunError, match=r"train_lists\.json"):
        TrainLists.load(tmp_path / "nowhere")


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    lists_of(FOUR).save(tmp_path)
    content = json.loads((tmp_path / "train_lists.json").read_text("utf-8"))
    assert content == {"format": 1, "separator": " ", "lists": {"LOC": ["Rome"], "PER": ["Ann Lee", "Bo"]}}
