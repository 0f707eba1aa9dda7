"""JSON Lines: our own format, and CLUENER's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ner_distill.data.formats.lines import lines_of
from ner_distill.data.formats.rows import Entity, Row, row_of_record
from ner_distill.errors import DataError


def jsonl_rows(path: Path | str, name: str, *, bare_words: bool = False) -> Iterator[Row]:
    """A row for each line: see `row_of_record`. Raises DataError where a line is no JSON object of this form."""
    for number, record in _records(path, name):
        yield row_of_record(record, name, number, bare_words=bare_words)


def cluener_rows(path: Path | str, name: str, *, bare_words: bool = False) -> Iterator[Row]:
    """`{"text", "label": {type: {surface: [[start, end], ...]}}}`, ends inclusive; no nested entities.

    CLUENER is a data set of flat entities; what stands inside a longer one is left over from the annotation.
    """
    for number, record in _records(path, name):
        row = row_of_record({key: record.get(key) for key in ("id", "text")}, name, number)
        if bare_words or record.get("label") is None:
            yield row
        else:
            yield Row(name, number, row.id, text=row.text, entities=_entities(record["label"], name, number), flat=True)


def _entities(label: Any, name: str, number: int) -> tuple[Entity, ...]:
    entities = []
    try:
        for kind, surfaces in label.items():
            for surface, places in surfaces.items():
                entities += [Entity(int(start), int(end) + 1, kind, surface) for start, end in places]
    except (AttributeError, TypeError, ValueError):
        found = repr(label)
        raise DataError.at(
            name, number, f"expected 'label' {{type: {{surface: [[start, end], ...]}}}}, found {found[:60]}"
        ) from None
    return tuple(entities)


def _records(path: Path | str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in lines_of(path, bare_cr=False):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            where = f" at column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
            advice = "write one object a line (jq -c . FILE does it)"
            raise DataError.at(name, number, f"is no JSON{where}; found {line[:60]!r}; {advice}") from None
        if not isinstance(record, dict):
            what = "a list" if isinstance(record, list) else repr(record)[:60]
            raise DataError.at(
                name, number, f"expected a JSON object a line, found {what}; jq -c '.[]' FILE makes lines of a list"
            )
        yield number, record
