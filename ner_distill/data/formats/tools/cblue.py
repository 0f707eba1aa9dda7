"""CMeEE as CBLUE has it: JSON with `text` and `entities` of `start_idx`, `end_idx`, `type` and the `entity` itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ner_distill.data.formats.json_records import json_records
from ner_distill.data.formats.jsonl import has_records
from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.formats.tools.annotators import entity_of
from ner_distill.errors import DataError


def is_cmeee_json(beginning: Beginning) -> bool:
    return has_records(beginning, _is_record)


def _is_record(record: Mapping[str, Any]) -> bool:
    entities = record.get("entities")
    return isinstance(entities, list) and any(isinstance(one, Mapping) and "start_idx" in one for one in entities)


def cmeee_json_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each object; entities may nest; one without `entities` (test data) is unlabelled.

    `end_idx` is the last character, as in the published files and the task's own code; where more of the file's
    `entity` texts fit with the character behind it, it is read so, and that is said.
    Raises DataError for an object of another form.
    """
    rows = []
    for number, record in json_records(path, options.report):
        text, entities = record.get("text"), record.get("entities")
        if not isinstance(text, str):
            raise DataError.at(path, number, f"expected 'text' to be a text, found {text!r:.60}")
        row = Row(path, number, text=text)
        if options.bare_words:
            yield row
        elif entities is None:
            rows.append(row)
        else:
            rows.append(replace(row, entities=_entities(entities, row)))
    given = [(row.text or "", one) for row in rows for one in row.entities or ()]
    behind = sum(text[one.start : one.end] == one.surface for text, one in given)
    last = sum(text[one.start : one.end + 1] == one.surface for text, one in given)
    more = int(last >= behind)
    if not more:
        agree = f"{behind:,} of {counted(len(given), 'entity', 'entities')} agree with that, {last:,} with the last"
        options.report.remark(path, f"'end_idx' is read as the character behind an entity: {agree}")
    for row in rows:
        made = tuple(one._replace(end=one.end + more) for one in row.entities or ())
        yield row if row.entities is None else replace(row, entities=made)


def _entities(entities: Any, row: Row) -> Any:
    if not isinstance(entities, list) or not all(isinstance(one, Mapping) for one in entities):
        raise DataError.at(row.path, row.line, f"expected 'entities' to be a list of objects, found {entities!r:.60}")
    return tuple(
        entity_of(one.get("start_idx"), one.get("end_idx"), one.get("type"), one.get("entity"), row) for one in entities
    )
