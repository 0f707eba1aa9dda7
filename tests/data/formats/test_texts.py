"""Paragraphs, whole files, and texts under other keys."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ner_distill.data.formats.documents import Cut
from ner_distill.data.formats.readers import read_corpus, read_documents
from ner_distill.data.sentence import Sentence
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]
TEXT = "\nAnn met\r\nTom.\n \nThey left.\n\n\n"


def read(path: Path | str, cut: Cut, **options: Any) -> list[Sentence]:
    return [document.whole for document in read_documents([path], cut, unit="word", **options)]


def test_a_paragraph_is_what_stands_between_blank_lines(write: Write) -> None:
    found = read(write("a.txt", TEXT), Cut("paragraph"), every_line=True)
    assert [(one.id, one.text) for one in found] == [("a.txt:2", "Ann met\nTom."), ("a.txt:5", "They left.")]


def test_a_file_is_one_document_under_its_name(write: Write) -> None:
    (whole,) = read(write("a.txt", TEXT), Cut("file"))
    assert (whole.id, whole.text) == ("a.txt", "\nAnn met\nTom.\n \nThey left.\n\n")
    assert whole.words == ("Ann", "met", "Tom", ".", "They", "left", ".")


def test_a_paragraph_of_standard_input_is_there_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = io.BytesIO(b"Ann met\nTom.\n\n\xff\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(lines))
    assert next(read_documents(["-"], Cut("paragraph"), format="text", unit="word")).whole.text == "Ann met\nTom."


@pytest.mark.parametrize("documents", ["paragraph", "file"])
def test_documents_of_records_are_refused(documents: str, write: Write) -> None:
    path = write("a.jsonl", '{"text": "a"}\n')
    with pytest.raises(DataError, match=rf"is read as jsonl.*`documents` {documents} is for text files"):
        read(path, Cut(documents))


RECORDS = [
    {"id": "p1", "body": "Ann left.", "doc": {"text": "Tom stayed."}, "lang": "en", "label": "news", "text": "No."},
    {"id": None, "body": "", "doc": {"text": "Bo slept."}, "lang": None, "label": "news", "text": "No."},
]


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize(("key", "texts"), [("body", ["Ann left.", ""]), ("doc.text", ["Tom stayed.", "Bo slept."])])
def test_text_stands_under_the_key_that_is_said(kind: str, key: str, texts: list[str], tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(RECORDS), path)
    else:
        path.write_text(json.dumps(RECORDS, indent=1) if kind == "json" else "\n".join(map(json.dumps, RECORDS)))
    found = read(path, Cut(text_key=key), every_line=True)
    assert [one.text for one in found] == texts
    assert (found[0].id, found[0].lang, found[1].lang) == ("p1", "en", None)
    assert found[1].id.startswith(f"a.{kind}:")


def test_the_column_of_a_data_set_is_said_as_well(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("".join(json.dumps({"body": "Ann left."}) + "\n"))
    (one,) = read(f"hf:{tmp_path}/data/default/train", Cut(text_key="body"))
    assert one.text == "Ann left."
    with pytest.raises(DataError, match=r"expected the key 'nobody' \(`text_key`\), found body"):
        read(f"hf:{tmp_path}/data/default/train", Cut(text_key="nobody"))


def test_a_key_with_a_dot_is_found_as_it_is(write: Write) -> None:
    (one,) = read(write("a.jsonl", '{"a.b": "Ann", "a": {"b": "Tom"}}'), Cut(text_key="a.b"))
    assert one.text == "Ann"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("content", r"a\.jsonl:1: expected the key 'content' \(`text_key`\), found title, doc\.text, size"),
        ("doc.body", r"expected the key 'doc\.body'.*found title, doc\.text, size"),
        ("title.a", r"expected the key 'title\.a'"),
        ("size", r"'size' \(`text_key`\) must be a text, found 3"),
    ],
)
def test_a_key_that_is_not_there_names_those_that_are(key: str, message: str, write: Write) -> None:
    path = write("a.jsonl", '{"title": "t", "doc": {"text": "x"}, "size": 3}')
    with pytest.raises(DataError, match=message):
        read(path, Cut(text_key=key))


def test_a_column_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"expected the key 'x' \(`text_key`\), found id, body, doc, lang, label, text"):
        read(tmp_path / "a.parquet", Cut(text_key="x"))


def test_a_text_that_is_null_is_empty_and_counted(write: Write) -> None:
    said: list[str] = []
    found = read(write("a.jsonl", '{"b": null}\n{"b": "Ann"}\n'), Cut(text_key="b"), every_line=True, say=said.append)
    assert [one.text for one in found] == ["", "Ann"]
    assert "records whose text is null" in said[0]


def test_a_key_in_files_without_keys_is_an_error(write: Write) -> None:
    with pytest.raises(DataError, match=r"is read as text, and its first line names no column 'b'; `text_key` is for"):
        read(write("a.txt", "Ann left.\n"), Cut(text_key="b"))


@pytest.mark.parametrize(("name", "between"), [("a.csv", ","), ("a.tsv", "\t"), ("a", ";")])
def test_the_column_of_a_table_is_said_as_well(name: str, between: str, write: Write) -> None:
    rows = [
        ("id", "my text", "lang", "tag"),
        ("7", '"Ann\nleft."', "en", "B-X"),
        ("8", "", "", "O"),
        ("", "Bo", "", "O"),
    ]
    path = write(name, "".join(between.join(row) + "\n" for row in rows))
    found = read(path, Cut(text_key="my text"), every_line=True)
    assert [(one.id, one.text, one.lang) for one in found] == [
        ("7", "Ann\nleft.", "en"), ("8", "", ""), ("", "Bo", ""),
    ]  # fmt: skip


def test_a_table_without_the_column_names_those_that_it_has(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.csv:1: expected the key 'body' \(`text_key`\), found id, text"):
        read(write("a.csv", "id,text\n1,Ann\n"), Cut(text_key="body"))


def test_a_text_that_begins_with_the_name_of_a_column_is_no_table(write: Write) -> None:
    with pytest.raises(DataError, match="is read as text"):
        read(write("a.txt", "body\nAnn left.\n"), Cut(text_key="body"))


# ---- what is null, where no labels are asked for


NULLS = [{"id": 1.0, "text": "Ann left."}, {"id": None, "text": None}, {"id": float("inf"), "text": "Bo slept."}]


@pytest.mark.parametrize("text_key", [None, "text"])
def test_a_null_text_of_a_table_is_empty_and_an_id_that_is_no_integer_is_none(
    text_key: str | None, tmp_path: Path
) -> None:
    pq.write_table(pa.Table.from_pylist(NULLS), tmp_path / "a.parquet")
    said: list[str] = []
    found = read(tmp_path / "a.parquet", Cut(text_key=text_key), every_line=True, say=said.append)
    assert [(one.id, one.text) for one in found] == [
        ("a.parquet:1", "Ann left."), ("a.parquet:2", ""), ("a.parquet:3", "Bo slept."),
    ]  # fmt: skip
    assert said == [
        "records whose text is null, read as texts without a word: 1\n"
        f"  {tmp_path / 'a.parquet'}:2: 'text' is null"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "record", "null"),
    [
        ('{"text": "Ann"}', '{"text": null}', "text"),
        ('{"text": "Ann"}', '{"text": null, "entities": [], "words": null}', "text"),
        ('{"text": "Ann"}', '{"words": null, "tags": []}', "words"),
        ('{"text": "Ann", "label": {}}', '{"text": null, "label": {}}', "text"),  # of CLUENER
        ('{"text": "Ann", "answer": "accept"}', '{"text": null, "answer": "accept"}', "text"),  # of Prodigy
        ('{"text": "Ann", "relations": []}', '{"text": null, "annotations": []}', "text"),  # of doccano
    ],
)
def test_a_null_text_is_empty_and_counted_where_no_labels_are_asked_for(
    first: str, record: str, null: str, write: Write
) -> None:
    said: list[str] = []
    path = write("a.jsonl", f'{first}\n{record}\n{{"text": "Bo"}}\n')
    found = [one.text for one in read(path, Cut(), every_line=True, say=said.append)]
    assert found[-2:] == ["", "Bo"]
    assert said[-1].endswith(f"a.jsonl:2: '{null}' is null")


def test_a_null_text_is_an_error_where_labels_are_asked_for(write: Write) -> None:
    path = write("a.jsonl", '{"text": "Ann", "entities": []}\n{"text": null, "entities": []}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: expected 'words' .*or 'text' \(a string\); 'text' is null"):
        read_corpus([path])


@pytest.mark.parametrize("id", ["1.0", "true", '["a"]'])
def test_an_id_of_another_kind_is_an_error_where_labels_are_asked_for(id: str, write: Write) -> None:
    path = write("a.jsonl", f'{{"id": {id}, "text": "Ann", "entities": []}}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:1: 'id' must be text or an integer, found "):
        read_corpus([path])
    assert [one.id for one in read(path, Cut())] == ["a.jsonl:1"]
