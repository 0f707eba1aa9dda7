"""doccano: its exports with relations, and the older ones (`data`, `annotations` of several users)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ner_distill.data.formats.json_records import json_records
from ner_distill.data.formats.jsonl import has_records, row_of_foreign
from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.rows import Entity, Row, RowOptions
from ner_distill.data.formats.tools.annotators import Annotation, LeftOut, chosen, entity_of
from ner_distill.errors import DataError

_OWN = frozenset({"relations", "Comments", "comments", "annotation_approver", "approved_by"})


def is_doccano(beginning: Beginning) -> bool:
    return has_records(beginning, lambda record: _is_old(record) or _has_data(record) or _is_new(record))


def _is_new(record: Mapping[str, Any]) -> bool:
    if not isinstance(record.get("text"), str):
        return False
    entities = record.get("entities")
    return any(key in record and isinstance(record.get("label", entities), list) for key in _OWN) or (
        isinstance(entities, list) and any(isinstance(one, Mapping) and "start_offset" in one for one in entities)
    )


def _has_data(record: Mapping[str, Any]) -> bool:
    labels = record.get("label")
    return (
        isinstance(record.get("data"), str)
        and isinstance(labels, list)
        and all(isinstance(one, list) for one in labels)
    )


def _is_old(record: Mapping[str, Any]) -> bool:
    items = record.get("annotations")
    return isinstance(items, list) and any(isinstance(one, Mapping) and "start_offset" in one for one in items)


def doccano_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each object: `text` with triples under `label`, or with `entities`; older ones have `data` for `text`.

    In the oldest form `annotations` are of several users: see `chosen`. Its labels may be numbers of a table that is
    not in the file: they are read as types of that name, and it is said. Relations are left out and counted.
    Raises DataError for labels of another form.
    """
    left_out = LeftOut(path, options.report)
    numbers = set[int]()
    for number, record in json_records(path, options.report):
        if not options.bare_words:
            left_out.add_all(record.get("relations"), "relation", "relations")
        if _has_data(record) and "text" not in record:
            record = {**record, "text": record["data"]}
        if not isinstance(items := record.get("annotations"), list):
            yield row_of_foreign(record, path, number, options)
            continue
        row = row_of_foreign({"id": record.get("id"), "text": record.get("text")}, path, number, options)
        if not options.bare_words:
            numbers |= {one["label"] for one in items if isinstance(one, Mapping) and type(one.get("label")) is int}
            row = replace(row, entities=_by_users(items, row, options))
        yield row
    if numbers:
        options.report.remark(path, f"its labels are numbers without names, read as types {sorted(map(str, numbers))}")
    left_out.say()


def _by_users(items: list[Any], row: Row, options: RowOptions) -> tuple[Entity, ...]:
    users: dict[Any, list[Entity]] = defaultdict(list)
    for one in items:
        if not isinstance(one, Mapping) or "start_offset" not in one:
            raise DataError.at(
                row.path, row.line, f"expected entities with 'start_offset' under 'annotations', found {one!r:.60}"
            )
        label = one.get("label")
        label = str(label) if type(label) is int else label
        users[str(one.get("user"))].append(entity_of(one["start_offset"], one.get("end_offset"), label, None, row))
    return chosen([Annotation(tuple(own)) for own in users.values()], row, options) if users else ()
