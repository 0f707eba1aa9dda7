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
_NO_FIELDS = ("id", "status", "_server_id")
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
    labelled, others = False, set[str]()
    for number, record in json_records(path, options.report):
        id = record.get("id")
        row = Row(path, number, None if id is None else str(id))
        if _is_first(record):
            read = _first_version(record, row, options, left_out)
        else:
            read = _second_version(record, row, options, left_out, others)
        if read is not None:
            labelled = labelled or read.entities is not None
            yield read
    if options.bare_words:
        return
    if others and not labelled:
        raise DataError(f"{path}: expected responses to a span question, found only {', '.join(sorted(others))}")
    left_out.say()


def _second_version(
    record: Mapping[str, Any], row: Row, options: RowOptions, left_out: LeftOut, others: set[str]
) -> Row | None:
    """The row of a record of version 2; None where no response to it was submitted.

    others: takes the names of questions that are not about spans.
    """
    responses = _responses(record, row, left_out)
    done = {name: [value for value, status in given if status in _DONE] for name, given in responses.items()}
    questions = {name: values for name, values in done.items() if all(map(_are_spans, values))}
    others |= done.keys() - questions.keys()
    row = replace(row, text=_text(record, [value for values in questions.values() for value in values], row))
    if options.bare_words:
        return row
    labelled = [
        chosen([_annotation(one, row) for one in values], row, options) for values in questions.values() if values
    ]
    if not labelled and any(responses[name] for name in questions):
        left_out.add("record", "records", "its responses are discarded or drafts")
        return None
    return replace(row, entities=tuple(one for entities in labelled for one in entities) if labelled else None)


def _responses(record: Mapping[str, Any], row: Row, left_out: LeftOut) -> dict[str, list[tuple[Any, str | None]]]:
    """Question → (value, status) of each response; suggestions are counted."""
    found: dict[str, list[tuple[Any, str | None]]] = {}
    if _is_nested(record):
        left_out.add_all(record.get("suggestions"), "suggestion", "suggestions")
        responses = {} if record.get("responses") is None else record["responses"]
        if not isinstance(responses, dict) or not all(isinstance(one, list) for one in responses.values()):
            expected = "expected 'responses' to hold a list for each question"
            raise DataError.at(row.path, row.line, f"{expected}, found {responses!r:.60}")
        for name, given in responses.items():
            found[name] = [(one.get("value"), one.get("status")) for one in given if isinstance(one, dict)]
        return found
    for key, values in record.items():
        if key.endswith(_SUGGESTION) and values is not None:
            left_out.add("suggestion", "suggestions")
        if key.endswith(_RESPONSES) and isinstance(values, list):
            statuses = record.get(f"{key}.status")
            statuses = statuses if isinstance(statuses, list) else [None] * len(values)
            found[key.removesuffix(_RESPONSES)] = list(zip(values, statuses, strict=False))
    return found


def _are_spans(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, Mapping) and "start" in one and "label" in one for one in value
    )


def _text(record: Mapping[str, Any], values: Sequence[Any], row: Row) -> str:
    """The text of a record: its field `text`, or its only one."""
    fields = record.get("fields")
    if not isinstance(fields, Mapping):
        fields = {key: value for key, value in record.items() if "." not in key and key not in _NO_FIELDS}
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


def _first_version(record: Mapping[str, Any], row: Row, options: RowOptions, left_out: LeftOut) -> Row | None:
    """The row of a record of version 1; None where it was discarded."""
    text, status = record["text"], str(record.get("status") or "")
    row = replace(row, text=text, offsets=_offsets(text, record.get("tokens")))
    if options.bare_words:
        return row
    left_out.add_all(record.get("prediction"), "prediction of a model", "predictions of models")
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
