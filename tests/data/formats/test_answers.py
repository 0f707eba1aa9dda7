import json
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.answers import Answer, Named, Said, places_of, read_answers, spans_in
from ner_distill.data.formats.segment import segment
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import DataError


def read(tmp_path: Path, *records: Any) -> list[Answer]:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return read_answers(path)[0]


def sentence(text: str, id: str = "s") -> Sentence:
    words, offsets = segment(text, "word")
    return Sentence(id, words, text=text, offsets=offsets)


def test_places_are_counted_without_white_space_and_scores_are_kept(tmp_path: Path) -> None:
    (answer,) = read(tmp_path, {"id": "a", "text": "Ana is in New York", "entities": [
        {"start": 10, "end": 18, "label": "LOC", "score": 0.75}, {"start": 0, "end": 3, "label": "PER"}]})  # fmt: skip
    assert answer == Answer("a", "AnaisinNewYork", (Said(0, 3, "PER", None), Said(7, 14, "LOC", 0.75)))


@pytest.mark.parametrize("entities", [
    [{"text": "Madrid", "label": "LOC"}],
    [{"surface": "Madrid", "type": "LOC", "confidence": None}],
    {"LOC": ["Madrid"]},
])  # fmt: skip
def test_entities_may_have_their_text_alone(tmp_path: Path, entities: Any) -> None:
    (answer,) = read(tmp_path, {"text": "Madrid", "entities": entities})
    assert (answer.said, answer.named) == ((), (Named("Madrid", "LOC", None),))


def test_words_tags_and_conll_are_answers_too(tmp_path: Path) -> None:
    expected = (Said(0, 3, "PER", None), Said(5, 12, "LOC", None))
    words = ["Ana", "in", "New", "York"]
    (answer,) = read(tmp_path, {"tokens": words, "ner_tags": ["B-PER", "O", "B-LOC", "I-LOC"]})
    assert answer.said == expected
    (tmp_path / "answers.conll").write_text("Ana B-PER\nin O\nNew B-LOC\nYork I-LOC\n")
    assert [one.said for one in read_answers(tmp_path / "answers.conll")[0]] == [expected]


def test_unlabelled_and_rejected_records_are_no_answers(tmp_path: Path) -> None:
    found = read(
        tmp_path, {"text": "a"}, {"text": "b", "entities": []}, {"text": "c", "entities": [], "answer": "reject"}
    )
    assert [answer.text for answer in found] == ["b"]


def test_an_answer_may_name_its_sentence_by_id_alone(tmp_path: Path) -> None:
    assert read(tmp_path, {"id": 7, "entities": {"LOC": ["Oslo"]}}) == [
        Answer("7", None, named=(Named("Oslo", "LOC", None),))
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "a", "entities": [{"start": 0, "end": 1, "label": "X", "score": 2}]}, "'score' of an entity must be"),
        ({"text": "a", "entities": [{"label": "X"}]}, 'an entity must be {"text": "Madrid", "label": "LOC"}'),
        ({"entities": [{"text": "a", "label": "X"}]}, "expected 'text' or 'words', or 'id' with 'entities'"),
        ({"words": ["Ana", "x"], "tags": ["PER", "B"]}, "tag 'PER' is of no scheme"),
        ({"id": "1", "entities": [{"start": 0, "end": 1, "label": "X"}]}, "entities with a place need the 'text'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, record: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"answers.jsonl:2: .*{message}"):
        read(tmp_path, {"text": "fine", "entities": []}, record)


def test_a_text_stands_at_all_its_occurrences_as_a_word() -> None:
    text = "Madrid, Real Madrid and Madridejos"
    assert places_of(Named("Madrid", "LOC", None), text) == [(0, 6), (13, 19)]
    assert places_of(Named("D.C.", "LOC", None), "in D . C . and D.C.") == [(3, 10), (15, 19)]
    assert places_of(Named("北京", "LOC", None), "在北京大学") == [(1, 3)]
    assert places_of(Named(" ", "LOC", None), text) == []


def test_inside_a_longer_name_a_text_does_not_count() -> None:
    named = (Named("Madrid", "LOC", 0.6), Named("Real Madrid", "ORG", None), Named("Rome", "LOC", None))
    spans, inside, lost = spans_in(Answer("s", None, named=named), sentence("Real Madrid left Madrid."))
    assert sorted(spans) == [(Span(0, 2, "ORG"), None), (Span(3, 4, "LOC"), 0.6)]
    assert (inside, lost) == (0, 1)


def test_words_may_be_cut_otherwise_than_the_answer_cuts_them() -> None:
    answer = Answer("s", "Ana'shouse.", (Said(0, 3, "PER", None), Said(5, 10, "LOC", None)))
    cut = Sentence("s", ("Ana's", "house", "."))
    assert spans_in(answer, cut) == ([(Span(0, 1, "PER"), None), (Span(1, 2, "LOC"), None)], 1, 0)
