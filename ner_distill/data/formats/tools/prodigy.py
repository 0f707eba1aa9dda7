"""Prodigy: tasks with `spans` and the `answer` that a person gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ner_distill.data.formats.exports import REJECTED, is_rejected
from ner_distill.data.formats.json_records import json_records
from ner_distill.data.formats.jsonl import has_records, row_of_foreign
from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.formats.tools.annotators import Annotation, LeftOut, chosen

_HASHES = ("_input_hash", "_task_hash")
_ANSWERS = ("accept", *REJECTED)
_BINARY = "ner"  # what `ner.teach` calls its view, in which one entity is accepted or rejected


def is_prodigy(beginning: Beginning) -> bool:
    return has_records(beginning, lambda record: record.get("answer") in _ANSWERS or any(map(record.get, _HASHES)))


def prodigy_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each accepted task; of several of one text (of several annotators) the one that counts: see `chosen`.

    Tasks that were rejected or ignored are left out and counted, as are answers about single entities (`ner.teach`),
    which say nothing about the rest of a text, and relations.
    """
    left_out = LeftOut(path, options.report)
    texts: dict[str, list[Row]] = {}
    for number, record in json_records(path, options.report):
        if not options.bare_words and not _counts(record, left_out):
            continue
        row = row_of_foreign(record, path, number, options)
        text = str(record.get("_input_hash", f"line {number}"))
        if not options.bare_words:
            texts.setdefault(text, []).append(row)
        elif texts.setdefault(text, []) == []:
            texts[text].append(row)
            yield row
    if not options.bare_words:
        for rows in texts.values():
            yield from _of_one_text(rows, options)
    left_out.say()


def _counts(record: Mapping[str, Any], left_out: LeftOut) -> bool:
    """Are the labels of a task those of its text?"""
    left_out.add_all(record.get("relations"), "relation", "relations")
    if is_rejected(record):
        left_out.add("record", "records", f'"answer" is "{record["answer"]}"')
        return False
    if record.get("_view_id") == _BINARY:
        left_out.add(
            "record", "records", "an answer about one entity (ner.teach) says nothing about the rest of its text"
        )
        return False
    return True


def _of_one_text(rows: list[Row], options: RowOptions) -> list[Row]:
    """The row of a text that was labelled several times; all rows where the texts differ or there are none."""
    first = rows[0]
    if len(rows) == 1 or first.text is None or any(row.text != first.text for row in rows):
        return rows
    annotations = [Annotation(row.entities) for row in rows if row.entities is not None]
    return [replace(first, entities=chosen(annotations, first, options) if annotations else None)]
