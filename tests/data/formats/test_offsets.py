"""Offsets in other units than characters are told by the entities' own text; the truth is what Python finds there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.errors import DataError
from tests.data.conftest import Write


def json_lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


Measure = Callable[[str], int]
"""How many units a beginning of a text has."""

UNITS: dict[str, Measure] = {
    "UTF-16 code units": lambda text: len(text.encode("utf-16-le")) // 2,
    "bytes of UTF-8": lambda text: len(text.encode("utf-8")),
    "characters with CR LF as one": lambda text: len(text.replace("\r\n", "\n")),
    "characters with a line end as two": lambda text: len(text.replace("\r\n", "\n").replace("\n", "\r\n")),
}
TEXTS = {
    "UTF-16 code units": ("😀张三在北京😀工作", ("张三", "北京", "工作")),
    "bytes of UTF-8": ("é Ann über Oslo", ("Ann", "Oslo")),
    "characters with CR LF as one": ("a\r\nAnn\r\n Oslo", ("Ann", "Oslo")),
    "characters with a line end as two": ("a\nAnn\n Oslo", ("Ann", "Oslo")),
}


def record(text: str, surfaces: tuple[str, ...], measure: Measure = len, *, key: str = "text") -> dict[str, Any]:
    entities = [
        {
            "start": measure(text[: text.index(surface)]),
            "end": measure(text[: text.index(surface) + len(surface)]),
            "label": "X",
            key: surface,
        }
        for surface in surfaces
    ]
    return {"text": text, "entities": entities}


def found(path: object) -> list[str]:
    """The text of each entity that is read."""
    (one, *_) = read_corpus([str(path)]).sentences
    assert one.text is not None
    assert one.offsets is not None
    return [one.text[one.offsets[span.start][0] : one.offsets[span.end - 1][1]] for span in one.spans or ()]


@pytest.mark.parametrize("key", ["text", "surface"])
@pytest.mark.parametrize("unit", UNITS)
def test_offsets_of_another_unit_are_read_so_and_counted(unit: str, key: str, write: Write) -> None:
    text, surfaces = TEXTS[unit]
    path = write("a.jsonl", json_lines(record(text, surfaces, UNITS[unit], key=key)))
    assert found(path) == list(surfaces)
    report = read_corpus([path]).report
    assert report.counts == {"other_offsets": len(surfaces)}
    assert f"in {unit} is {surfaces[0]!r}" in report.summary()


@pytest.mark.parametrize(("before", "behind"), [(0, -1), (1, 1), (1, 0)])
def test_ends_that_are_inclusive_and_offsets_from_1_are_told_as_well(before: int, behind: int, write: Write) -> None:
    one = record("in Oslo and Rome", ("Oslo", "Rome"))
    for entity in one["entities"]:
        entity["start"] += before
        entity["end"] += behind
    path = write("a.jsonl", json_lines(one))
    assert found(path) == ["Oslo", "Rome"]
    assert read_corpus([path]).report.counts == {"other_offsets": 2}


def test_offsets_that_fit_are_left_alone_whatever_else_they_may_count(write: Write) -> None:
    path = write("a.jsonl", json_lines(record("é Ann in Oslo", ("Ann", "Oslo")), record("😀 Rome", ("Rome",))))
    assert read_corpus([path]).report.clean


def test_entities_without_a_text_are_read_in_the_unit_of_the_others(write: Write) -> None:
    one = record("😀Ann in Oslo", ("Ann", "Oslo"), UNITS["UTF-16 code units"])
    del one["entities"][1]["text"]
    assert found(write("a.jsonl", json_lines(one))) == ["Ann", "Oslo"]


def test_each_file_has_its_own_unit(write: Write) -> None:
    utf16 = write("a.jsonl", json_lines(record("😀Ann", ("Ann",), UNITS["UTF-16 code units"])))
    plain = write("b.jsonl", json_lines(record("😀Bob", ("Bob",))))
    corpus = read_corpus([utf16, plain])
    assert [one.spans and one.spans[0].start for one in corpus.sentences] == [1, 1]
    assert corpus.report.counts == {"other_offsets": 1}


def test_a_text_that_no_unit_explains_is_read_where_it_stands_nearest(write: Write) -> None:
    entities = [
        {"start": 20, "end": 24, "label": "X", "text": "Oslo"},
        {"start": 0, "end": 3, "label": "X", "text": "Ann"},
        {"start": 900, "end": 904, "label": "X", "text": "Rome"},
    ]
    path = write("a.jsonl", json_lines({"text": "Ann saw Oslo , and Oslo saw Rome", "entities": entities}))
    corpus = read_corpus([path])
    assert [span.start for span in corpus.sentences[0].spans or ()] == [0, 5, 7]
    assert corpus.report.counts == {"surface_differs": 2}
    assert f"{path}:1: X 'slo ' (20, 24) is said to be 'Oslo', which stands at (19, 23)" in corpus.report.summary()


def test_a_text_that_is_nowhere_leaves_the_offsets_as_they_are(write: Write) -> None:
    entities = [{"start": 0, "end": 3, "label": "X", "text": "Anna Smith"}]
    corpus = read_corpus([write("a.jsonl", json_lines({"text": "Ann sings", "entities": entities}))])
    assert [span.end for span in corpus.sentences[0].spans or ()] == [1]
    assert corpus.report.counts == {"surface_unknown": 1}


@pytest.mark.parametrize("said", ["OSLO", " Oslo ", "Ｏｓｌｏ"])
def test_case_white_space_and_width_make_no_other_text(said: str, write: Write) -> None:
    entities = [{"start": 3, "end": 7, "label": "X", "text": said}]
    assert read_corpus([write("a.jsonl", json_lines({"text": "in Oslo", "entities": entities}))]).report.clean


def test_strict_stops_at_offsets_of_another_unit(write: Write) -> None:
    path = write("a.jsonl", json_lines(record("😀Ann", ("Ann",), UNITS["UTF-16 code units"])))
    with pytest.raises(DataError, match=r"a\.jsonl:1: X \(2, 5\) in UTF-16 code units .*without `strict`: read in"):
        read_corpus([path], strict=True)
