"""Label Studio's exports: read as its documentation describes them, with what does not count left out by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import read_corpus, read_raw
from ner_distill.data.formats.registry import detect_format
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]

TEXT = "Ann lives in Oslo"
ANN, OSLO = Span(0, 1, "PER"), Span(3, 4, "LOC")


def region(start: int, end: int, label: str, text: str | None = None) -> dict[str, Any]:
    return {"start": start, "end": end, "text": TEXT[start:end] if text is None else text, "labels": [label]}


def result(start: int, end: int, label: str, **others: Any) -> dict[str, Any]:
    value = region(start, end, label)
    return {"id": "x", "from_name": "label", "to_name": "text", "type": "labels", "value": value} | others


BOTH = [result(0, 3, "PER"), result(13, 17, "LOC")]


def annotation(results: list[dict[str, Any]], **others: Any) -> dict[str, Any]:
    return {"id": 1, "was_cancelled": False, "ground_truth": False, "result": results} | others


def task(*annotations: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"id": 7, "annotations": list(annotations), "predictions": [], "drafts": [], "data": {"text": TEXT}} | others


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([task(annotation(BOTH))]),
        json.dumps([task(annotation(BOTH))], indent=2),
        json.dumps(task(annotation(BOTH))) + "\n",
        json.dumps([{"id": 7, "completions": [annotation(BOTH)], "data": {"text": TEXT}}]),
    ],
    ids=["array", "pretty", "lines", "before 1.0"],
)
def test_task_has_its_text_and_entities(content: str, write: Write) -> None:
    path = write("export", content)
    assert detect_format(path) == "label-studio"
    (sentence,) = read_corpus([path]).sentences
    assert (sentence.id, sentence.text, sentence.spans) == ("7", TEXT, (ANN, OSLO))
    (raw,) = read_raw([path], unit="word")
    assert (raw.text, raw.spans) == (TEXT, None)


def test_pretty_task_that_is_longer_than_the_lines_looked_at_is_recognised(write: Write) -> None:
    path = write("export", json.dumps([task(annotation(BOTH * 20))], indent=2))
    assert path.read_text().count("\n") > 400
    assert detect_format(path) == "label-studio"


def test_text_is_the_key_that_the_results_name(write: Write) -> None:
    data = {"title": "No", "body": TEXT}
    path = write("a.json", json.dumps([task(annotation([result(0, 3, "PER", to_name="body")]), data=data)]))
    assert read_corpus([path]).sentences[0].text == TEXT


def test_text_is_the_key_whose_parts_the_results_repeat(write: Write) -> None:
    data = {"title": "Bob was in Bonn or so", "body": TEXT}
    path = write("a.json", json.dumps([task(annotation([result(0, 3, "PER", to_name="t")]), data=data)]))
    assert read_corpus([path]).sentences[0].text == TEXT


def test_text_that_cannot_be_told_is_an_error_with_the_keys(write: Write) -> None:
    path = write("a.json", json.dumps([task(data={"title": "A", "body": "B"})]))
    with pytest.raises(DataError, match=r"a\.json:1: expected one key of 'data' to hold the text, .* title, body"):
        read_corpus([path])


def test_task_without_annotations_is_unlabelled_and_one_without_results_has_no_entity(write: Write) -> None:
    tasks = [task(annotation(BOTH)), task(id=8), task(annotation([]), id=9)]
    corpus = read_corpus([write("a.json", json.dumps(tasks))])
    assert [one.spans for one in corpus.sentences] == [(ANN, OSLO), None, ()]


def test_what_does_not_count_is_left_out_and_counted(write: Write) -> None:
    cancelled = annotation([result(4, 9, "ORG")], was_cancelled=True)
    choice = {"from_name": "c", "to_name": "text", "type": "choices", "value": {"choices": ["News"]}}
    relation = {"from_id": "x", "to_id": "y", "type": "relation", "direction": "right"}
    empty = result(4, 9, "", value={"start": 4, "end": 9, "text": "lives"})
    tasks = [
        task(annotation([*BOTH, choice, relation, empty]), cancelled, predictions=[{"result": BOTH}] * 2, drafts=[{}]),
        task(cancelled, id=8),
    ]
    path = write("a.json", json.dumps(tasks))
    corpus = read_corpus([path])
    assert [one.spans for one in corpus.sentences] == [(ANN, OSLO)]
    assert set(corpus.report.remarks) == {
        f"{path}: 2 predictions of a model left out",
        f"{path}: 1 draft left out",
        f"{path}: 1 task left out: cancelled (skipped) by who looked at it",
        f"{path}: 1 cancelled annotation left out",
        f"{path}: 1 relation left out",
        f"{path}: 1 region without a label left out",
        f"{path}: 1 result of type choices left out: not entities of a text",
    }
    assert len(list(read_raw([path], unit="word"))) == 2


def test_of_annotations_that_differ_the_newest_counts_and_the_ground_truth_before_it(write: Write) -> None:
    old = annotation([result(0, 3, "PER")], updated_at="2024-01-01T00:00:00Z")
    new = annotation([result(13, 17, "LOC")], updated_at="2024-02-01T00:00:00Z")
    tasks = [
        task(new, old),
        task(new, old | {"ground_truth": True}, id=8),
        task(new, new, id=9),
    ]
    corpus = read_corpus([write("a.json", json.dumps(tasks))])
    assert [one.spans for one in corpus.sentences] == [(OSLO,), (ANN,), (OSLO,)]
    assert corpus.report.counts == {"several_annotations": 2}


def test_offsets_of_javascript_are_told_by_the_text_of_the_results(write: Write) -> None:
    text = "\U0001f600 Ann lives in Oslo"  # the first character is two UTF-16 code units
    results = [
        result(0, 0, "", value={"start": 3, "end": 6, "text": "Ann", "labels": ["PER"]}),
        result(0, 0, "", value={"start": 16, "end": 20, "text": "Oslo", "labels": ["LOC"]}),
    ]
    corpus = read_corpus([write("a.json", json.dumps([task(annotation(results), data={"text": text})]))])
    assert [one.label for one in corpus.sentences[0].exact] == ["PER", "LOC"]
    assert corpus.report.counts == {"other_offsets": 2}


def test_line_end_that_is_written_as_two_characters_fits(write: Write) -> None:
    value = {"start": 0, "end": 7, "text": "Ann\\nBo", "labels": ["PER"]}
    value["end"] = 6
    tasks = [task(annotation([result(0, 0, "", value=value)]), data={"text": "Ann\nBo"})]
    assert read_corpus([write("a.json", json.dumps(tasks))]).report.clean


def test_backslash_before_an_n_in_the_text_is_no_line_end(write: Write) -> None:
    value = {"start": 0, "end": 6, "text": "C:\\new", "labels": ["PER"]}
    tasks = [task(annotation([result(0, 0, "", value=value)]), data={"text": "C:\\new here"})]
    assert read_corpus([write("a.json", json.dumps(tasks))]).report.clean


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([{"type": "choices", "value": {"choices": ["A"]}}], r"found choices \(1\)"),
        ([{"type": "rectanglelabels", "value": {"x": 1, "rectanglelabels": ["A"]}}], r"found rectanglelabels \(1\)"),
        ([result(0, 0, "", value={"start": 0.5, "end": 2.5, "labels": ["A"]})], "type labels has its place in some"),
        (
            [result(0, 0, "", type="paragraphlabels", value={"start": "0", "end": "0", "paragraphlabels": ["A"]})],
            "type paragraphlabels has its place in something else than a plain text, found start '0'",
        ),
    ],
)
def test_results_that_label_no_plain_text_are_an_error_by_their_type(
    results: list[dict[str, Any]], message: str, write: Write
) -> None:
    with pytest.raises(DataError, match=message):
        read_corpus([write("a.json", json.dumps([task(annotation(results))]))])


def minimal(**others: Any) -> dict[str, Any]:
    labels = [region(0, 3, "PER"), region(13, 17, "LOC")]
    return {"text": TEXT, "id": 7, "ner": labels, "annotator": 1, "annotation_id": 3, "lead_time": 2.5} | others


def test_minimal_record_has_its_text_and_entities_under_any_name(write: Write) -> None:
    path = write("a.json", json.dumps([minimal(), minimal(id=8, ner=None, other="x")]))
    assert detect_format(path) == "label-studio"
    assert [one.spans for one in read_corpus([path]).sentences] == [(ANN, OSLO), ()]


def test_minimal_records_of_one_task_are_annotations_of_it(write: Write) -> None:
    records = [
        minimal(updated_at="2024-02-01", ner=[region(0, 3, "PER")]),
        minimal(updated_at="2024-01-01", annotation_id=4),
    ]
    path = write("a.json", json.dumps(records))
    corpus = read_corpus([path])
    assert [one.spans for one in corpus.sentences] == [(ANN,)]
    assert corpus.report.counts == {"several_annotations": 1}
    assert len(list(read_raw([path], unit="word"))) == 1


def test_minimal_records_of_an_image_are_an_error(write: Write) -> None:
    record = minimal(ner=None, shape=[{"points": [[0, 1]], "polygonlabels": ["Car"]}])
    with pytest.raises(DataError, match=r"found shape \(1\)"):
        read_corpus([write("a.json", json.dumps([record]))])
