"""JSON Lines: our own format, and CLUENER's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ner_distill.data.formats.lines import Beginning, lines_of
from ner_distill.data.formats.rows import Entity, Row, RowOptions, row_of_record
from ner_distill.errors import DataError

_NAMES = (".json", ".jsonl", ".ndjson")
_KEYS = re.compile(r'"(words|tokens|text)"\s*:')


def is_jsonl(beginning: Beginning) -> bool:
    """Is it so by name, or does it begin with an object of these keys?"""
    lines = beginning.lines
    return bool(lines) and (
        beginning.suffix in _NAMES or (lines[0].lstrip().startswith("{") and _KEYS.search(lines[0]) is not None)
    )


def is_cluener(beginning: Beginning) -> bool:
    """Is an object of the form of CLUENER among the first ones?"""
    return is_jsonl(beginning) and any(map(_is_cluener_record, beginning.lines))


def _is_cluener_record(line: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and isinstance(record.get("text"), str) and isinstance(record.get("label"), dict)


def jsonl_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each line: see `row_of_record`. Raises DataError where a line is no JSON object of this form."""
    for number, record in _records(path):
        yield row_of_record(record, path, number, bare_words=options.bare_words)


def cluener_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """`{"text", "label": {type: {surface: [[start, end], ...]}}}`, ends inclusive; no nested entities.

    CLUENER is a data set of flat entities; what stands inside a longer one is left over from the annotation.
    """
    for number, record in _records(path):
        row = row_of_record({key: record.get(key) for key in ("id", "text")}, path, number)
        if options.bare_words or record.get("label") is None:
            yield row
        else:
            yield replace(row, entities=_entities(record["label"], path, number), flat=True)


def _entities(label: Any, path: str, number: int) -> tuple[Entity, ...]:
    entities = []
    try:
        for kind, surfaces in label.items():
            for surface, places in surfaces.items():
                entities += [Entity(int(start), int(end) + 1, kind, surface) for start, end in places]
    except (AttributeError, TypeError, ValueError):
        found = repr(label)
        raise DataError.at(
            path, number, f"expected 'label' {{type: {{surface: [[start, end], ...]}}}}, found {found[:60]}"
        ) from None
    return tuple(entities)


def _records(path: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in lines_of(path, bare_cr=False):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            where = f" at column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
            advice = "write one object a line (jq -c . FILE does it)"
            raise DataError.at(path, number, f"is no JSON{where}; found {line[:60]!r}; {advice}") from None
        if not isinstance(record, dict):
            what = "a list" if isinstance(record, list) else repr(record)[:60]
            raise DataError.at(
                path, number, f"expected a JSON object a line, found {what}; jq -c '.[]' FILE makes lines of a list"
            )
        yield number, record
