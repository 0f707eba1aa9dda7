"""JSON: our own objects and those of annotation tools, and CLUENER's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ner_distill.data.formats.exports import is_rejected, own_record
from ner_distill.data.formats.json_records import first_records, is_whole, json_records
from ner_distill.data.formats.lines import Beginning, count_lines
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.rows import Entity, Row, RowOptions, row_of_record
from ner_distill.data.formats.texts import keyed_row
from ner_distill.errors import DataError

_NAMES = (".json", ".jsonl", ".ndjson")
_SAMPLE = 1 << 14  # characters
_BEGINS = re.compile(r'(\[\s*)?\{\s*["}\']|\[\s*(\[\s*)?"|\[\s*$')
_TEXTS = ("text", "words", "tokens")
_KEYS = re.compile(r'"(words|tokens|text|entities)"\s*:')


def is_jsonl(beginning: Beginning) -> bool:
    """Is it so by name, or does it begin with an object, alone or in an array, that is whole or has a key of ours?

    One that is too long to be looked at as a whole is taken for one.
    """
    lines = beginning.lines
    if not lines or beginning.suffix in _NAMES:
        return bool(lines)
    start = "\n".join(lines)[:_SAMPLE].lstrip()
    if _BEGINS.match(start) is None:
        return False
    return beginning.is_cut or _KEYS.search(start) is not None or bool(first_records(beginning))


def is_cluener(beginning: Beginning) -> bool:
    """Is an object of the form of CLUENER among the first ones?"""
    return has_records(beginning, _is_cluener_record)


def has_records(beginning: Beginning, is_one: Callable[[Mapping[str, Any]], bool]) -> bool:
    """Is a file of JSON, and one of its first objects such a record?"""
    return is_jsonl(beginning) and any(map(is_one, first_records(beginning)))


def has_record_a_line(path: str) -> bool:
    """Has a file of JSON an object a line, by its first one?"""
    return is_whole(next(iter(Beginning(path).lines), ""))


def count_records(path: str) -> int | None:
    """How many lines are not blank, where the file has an object a line; else None."""
    return count_lines(path) if has_record_a_line(path) else None


def _is_cluener_record(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("text"), str) and isinstance(record.get("label"), dict)


def jsonl_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each object: see `own_record` and `row_of_record`, or `keyed_row` where the text has another key.

    Labelled records that a person rejected or ignored (`answer`) are left out and counted.
    Raises DataError where something is no JSON object of these forms.
    """
    rejected: Counter[str] = Counter()
    for number, record in json_records(path, options.report, options.position):
        if options.text_key is not None:
            yield keyed_row(record, path, number, options)
            continue
        if not options.bare_words and is_rejected(record):
            rejected[record["answer"]] += 1
            continue
        yield row_of_foreign(record, path, number, options)
    for answer, count in rejected.items():
        options.report.remark(path, f'{counted(count, "record")} left out: "answer" is "{answer}"')


def row_of_foreign(record: Mapping[str, Any], path: str, line: int, options: RowOptions) -> Row:
    """The row of a record of ours or of an annotation tool.

    Where no labels are asked for, a text or words that are null are an empty text, and counted. Raises DataError that
    names what is wrong.
    """
    bare_words = options.bare_words
    if all(record.get(key) is None for key in _TEXTS):
        null = next((key for key in _TEXTS if key in record), None)
        if bare_words and null is not None:
            options.report.note("null_texts", path, line, f"'{null}' is null")
            record = {**record, "text": ""}
        return row_of_record(record, path, line, bare_words=bare_words)  # which says what is missing
    try:
        own = own_record(record, bare_words=bare_words)
    except ValueError as error:
        raise DataError.at(path, line, str(error)) from None
    return row_of_record(own, path, line, bare_words=bare_words)


def cluener_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """`{"text", "label": {type: {surface: [[start, end], ...]}}}`, ends inclusive; no nested entities.

    CLUENER is a data set of flat entities; what stands inside a longer one is left over from the annotation.
    """
    for number, record in json_records(path, options.report):
        row = row_of_foreign({key: record.get(key) for key in ("id", "text")}, path, number, options)
        if options.bare_words or record.get("label") is None:
            yield row
        else:
            yield replace(row, entities=_entities(record["label"], path, number), flat=True)


def _entities(label: Any, path: str, number: int) -> tuple[Entity, ...]:
    entities = []
    try:
        for kind, surfaces in label.items():
            for surface, places in surfaces.items():
                for start, end in places:
                    if type(start) is not int or type(end) is not int:
                        raise TypeError(places)
                    entities.append(Entity(start, end + 1, kind, surface))
    except (AttributeError, TypeError, ValueError):
        found = repr(label)
        raise DataError.at(
            path, number, f"expected 'label' {{type: {{surface: [[start, end], ...]}}}}, found {found[:60]}"
        ) from None
    return tuple(entities)
