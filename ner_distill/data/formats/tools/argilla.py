"""Argilla: records with responses to span questions (version 2), and with `annotation` (token classification of 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ner_distill.data.formats.json_records import json_records
from ner_distill.data.formats.jsonl import has_records
from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.rows import Entity, Row, RowOptions
from ner_distill.data.formats.segment import Offsets
from ner_distill.data.formats.tools.annotators import Annotation, LeftOut, chosen, entity_of
from ner_distill.errors import DataError

_RESPONSES, _SUGGESTION = ".responses", ".suggestion"
_DONE = ("submitted", None)  # a response without a status is of an export that has submitted ones alone
_FIRST_VERSION = frozenset({"annotation", "annotation_agent", "prediction", "prediction_agent"})


def is_argilla(beginning: Beginning) -> bool:
    return has_records(beginning, lambda record: any(is_one(record) for is_one in (_is_nested, _is_flat, _is_first)))


def _is_nested(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("fields"), Mapping) and ("responses" in record or "suggestions" in record)


def _is_flat(record: Mapping[str, Any]) -> bool:
    return any(key.endswith((_RESPONSES, _SUGGESTION)) for key in record)


def _is_first(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("text"), str) and len(_FIRST_VERSION & record.keys()) > 1


def argilla_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each record: its text, and the entities of the response that counts (see `chosen`).

    Suggestions and predictions are no labels: they are left out and counted, as are discarded records and drafts. A
    record without a response is unlabelled. Raises DataError where responses are there, and none is to a span question.
    """
    left_out = LeftOut(path, options.report)
    spans, others = 0, set[str]()
    for number, record in json_records(path, options.report):
        id = record.get("id")
        row = Row(path, number, None if id is None else str(id))
        if _is_first(record):
            first = _first_version(record, row, options, left_out)
            if first is not None:
                spans += 1
                yield first
            continue
        responses = _responses(record, left_out)
        questions = {name: one for name, one in responses.items() if all(_are_spans(value) for value, _ in one)}
        others |= responses.keys() - questions.keys()
        row = replace(row, text=_text(record, [v for one in questions.values() for v, _ in one], row))
        if options.bare_words:
            yield row
            continue
        done = {name: [v for v, status in one if status in _DONE] for name, one in questions.items()}
        if any(questions.values()) and not any(done.values()):
            left_out.add("record", "records", "its responses are discarded or drafts")
            continue
        labelled = [chosen([_annotation(v, row) for v in one], row, options) for one in done.values() if one]
        spans += bool(labelled)
        yield replace(row, entities=tuple(one for each in labelled for one in each) if labelled else None)
    if others and not spans and not options.bare_words:
        raise DataError(f"{path}: expected responses to a span question, found only {', '.join(sorted(others))}")
    if not options.bare_words:
        left_out.say()


def _responses(record: Mapping[str, Any], left_out: LeftOut) -> dict[str, list[tuple[Any, str | None]]]:
    """Question → (value, status) of each response; suggestions are counted."""
    found: dict[str, list[tuple[Any, str | None]]] = {}
    if _is_nested(record):
        left_out.add("suggestion", "suggestions", count=len(record.get("suggestions") or ()))
        for name, responses in (record.get("responses") or {}).items():
            found[name] = [(one.get("value"), one.get("status")) for one in responses if isinstance(one, Mapping)]
        return found
    for key, values in record.items():
        if key.endswith(_SUGGESTION) and values is not None:
            left_out.add("suggestion", "suggestions")
        if key.endswith(_RESPONSES) and isinstance(values, list):
            statuses = record.get(f"{key}.status") or [None] * len(values)
            found[key.removesuffix(_RESPONSES)] = list(zip(values, statuses, strict=False))
    return found


def _are_spans(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) and "start" in one and "label" in one for one in value)


def _text(record: Mapping[str, Any], values: Sequence[Any], row: Row) -> str:
    """The text of a record: its field `text`, or its only one."""
    fields = record.get("fields")
    if not isinstance(fields, Mapping):
        fields = {key: value for key, value in record.items() if "." not in key and key not in ("id", "_server_id")}
    if isinstance(text := fields.get("text"), str):
        return text
    texts = [value for value in fields.values() if isinstance(value, str)]
    if len(texts) > 1:  # a span may repeat its text
        told = [one for value in values for one in value if isinstance(one.get("text"), str)]
        texts = [text for text in texts if told and all(text[one["start"] : one["end"]] == one["text"] for one in told)]
    if len(texts) != 1:
        found = ", ".join(fields) or "none"
        raise DataError.at(row.path, row.line, f"expected a field 'text', or one field that is a text, found {found}")
    return texts[0]


def _annotation(value: Sequence[Mapping[str, Any]], row: Row) -> Annotation:
    entities = [entity_of(one.get("start"), one.get("end"), one.get("label"), one.get("text"), row) for one in value]
    return Annotation(tuple(entities))


def _first_version(
    record: Mapping[str, Any], row: Row, options: RowOptions, left_out: LeftOut
) -> Row | None:
    """The row of a record of version 1; None where it was discarded."""
    text, status = record["text"], str(record.get("status") or "")
    row = replace(row, text=text, offsets=_offsets(text, record.get("tokens")))
    if options.bare_words:
        return row
    if record.get("prediction") is not None:
        left_out.add("prediction of a model", "predictions of models", count=len(record["prediction"]))
    if status == "Discarded":
        left_out.add("record", "records", "it was discarded")
        return None
    items = record.get("annotation")
    if items is None and status != "Validated":
        return row
    if not isinstance(items, list | None):
        raise DataError.at(row.path, row.line, f"expected 'annotation' to be a list of entities, found {items!r:.60}")
    return replace(row, entities=tuple(_first_entity(item, row) for item in items or ()))


def _first_entity(item: Any, row: Row) -> Entity:
    """`[label, start, end]`, perhaps with a score behind, or the same as an object."""
    if isinstance(item, Mapping):
        return entity_of(item.get("start"), item.get("end"), item.get("label"), None, row)
    label, start, end = item[:3] if isinstance(item, list) and len(item) >= 3 else (item, None, None)
    return entity_of(start, end, label, None, row)


def _offsets(text: str, tokens: Any) -> Offsets | None:
    """Where the tokens stand in the text, one behind the other; None where one does not."""
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        return None
    offsets: list[tuple[int, int]] = []
    end = 0
    for token in filter(str.strip, tokens):
        start = text.find(token, end)
        if start < 0:
            return None
        end = start + len(token)
        offsets.append((start, end))
    return tuple(offsets)
