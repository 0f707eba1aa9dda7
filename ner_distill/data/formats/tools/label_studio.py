"""Label Studio: the JSON export (tasks with annotations and their results), and JSON-MIN (an object an annotation)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ner_distill.data.formats.json_records import json_records
from ner_distill.data.formats.jsonl import has_records
from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.rows import Entity, Row, RowOptions, same_text
from ner_distill.data.formats.tools.annotators import Annotation, LeftOut, chosen, entity_of
from ner_distill.errors import DataError

_MIN_KEYS = frozenset({"annotation_id", "annotator", "lead_time"})
_LISTS = ("annotations", "completions")  # as versions before 1.0 called them
_UNCOUNTED = (("predictions", "prediction of a model", "predictions of a model"), ("drafts", "draft", "drafts"))
_OTHER = "not entities of a text"


def is_label_studio(beginning: Beginning) -> bool:
    """Is one of the first objects a task, or a record of JSON-MIN?"""
    return has_records(beginning, lambda record: _is_task(record) or _is_minimal(record))


def label_studio_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each task: its text, and the entities of the annotation that counts (see `chosen`).

    A task of which every annotation was cancelled (skipped) is left out; one without annotations is unlabelled.
    Predictions, drafts, relations and results that label no text are left out and counted. Offsets are checked against
    the text that each result repeats. Raises DataError where the text of a task cannot be told, where results have
    offsets into something else than a plain text (HyperText, Paragraphs), and where no result labels a text at all.
    """
    reading = _Reading(path, options)
    seen: dict[str, list[tuple[Row, Mapping[str, Any]]]] = {}
    for number, record in json_records(path, options.report):
        if _is_task(record):
            if (row := reading.task(record, number)) is not None:
                yield row
        elif options.bare_words:
            row = reading.minimal_row(record, number)
            if row.id is None or row.id not in seen:
                seen.setdefault(row.id or str(number), [])
                yield row
        else:
            row = reading.minimal_row(record, number)
            seen.setdefault(row.id or f"line {number}", []).append((row, record))
    for records in seen.values():
        if records:
            yield reading.minimal(records)
    reading.finish()


def _is_task(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("data"), Mapping) and any(key in record for key in (*_LISTS, "predictions"))


def _is_minimal(record: Mapping[str, Any]) -> bool:
    return len(_MIN_KEYS & record.keys()) > 1


@dataclass
class _Reading:
    """A file that is being read.

    text_key: the key of `data` that held the text of the last task.
    labelled: how many results were entities. others: of each other type how many there were.
    """

    path: str
    options: RowOptions
    text_key: str = "text"
    labelled: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.left_out = LeftOut(self.path, self.options.report)

    def task(self, task: Mapping[str, Any], number: int) -> Row | None:
        """The row of a task; None where it was skipped."""
        annotations = [one for key in _LISTS for one in self.objects(task.get(key), key, number)]
        results = [self.objects(one.get("result"), "result", number) for one in annotations]
        row = self.row(task, number, self.text(task["data"], [one for each in results for one in each], number))
        if self.options.bare_words:
            return row
        for key, one, many in _UNCOUNTED:
            self.left_out.add_all(task.get(key), one, many)
        kept = [
            (annotation, result)
            for annotation, result in zip(annotations, results, strict=True)
            if not annotation.get("was_cancelled") and not annotation.get("skipped")
        ]
        if annotations and not kept:
            self.left_out.add("task", "tasks", "cancelled (skipped) by who looked at it")
            return None
        self.left_out.add("cancelled annotation", "cancelled annotations", count=len(annotations) - len(kept))
        found = [
            Annotation(
                tuple(self.entities(result, row)),
                str(annotation.get("updated_at") or annotation.get("created_at") or ""),
                annotation.get("ground_truth") is True,
            )
            for annotation, result in kept
        ]
        entities = chosen(found, row, self.options) if found else None
        return replace(row, entities=entities)

    def row(self, record: Mapping[str, Any], number: int, text: str) -> Row:
        meta = record.get("meta")
        own = meta if isinstance(meta, Mapping) else {}  # our id comes back there: the tool gives its own to a task
        id, lang = own.get("id", record.get("id")), own.get("lang")
        return Row(
            self.path, number, None if id is None else str(id), text=text, lang=None if lang is None else str(lang)
        )

    def objects(self, value: Any, key: str, number: int) -> Sequence[Mapping[str, Any]]:
        """The objects of a list, none where there is no list. Raises DataError for anything else."""
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise DataError.at(self.path, number, f"expected {key!r} to be a list of objects, found {value!r:.60}")
        return value

    def text(self, data: Mapping[str, Any], results: Sequence[Mapping[str, Any]], number: int) -> str:
        """The text of a task: what its results are of, else `text`, else the one whose parts the results repeat."""
        named = [str(one.get("to_name")) for one in results if one.get("from_name") is not None]
        for key in (*dict.fromkeys(named), self.text_key, "text"):
            if isinstance(text := data.get(key), str):
                self.text_key = key
                return text
        texts = {key: value for key, value in data.items() if isinstance(value, str)}
        if len(texts) > 1:
            values = [one["value"] for one in results if isinstance(one.get("value"), Mapping)]
            places = [
                value
                for value in values
                if isinstance(value.get("text"), str) and type(value.get("start")) is type(value.get("end")) is int
            ]
            texts = {
                key: text
                for key, text in texts.items()
                if places and all(same_text(text[one["start"] : one["end"]], one["text"]) for one in places)
            }
        if len(texts) != 1:
            found = ", ".join(map(str, data)) or "none"
            raise DataError.at(
                self.path, number, f"expected one key of 'data' to hold the text, 'text' for instance, found {found}"
            )
        ((self.text_key, text),) = texts.items()
        return text

    def entities(self, results: Sequence[Mapping[str, Any]], row: Row) -> Iterator[Entity]:
        for result in results:
            kind, value = str(result.get("type")), result.get("value")
            if kind == "relation":
                self.left_out.add("relation", "relations")
            elif not isinstance(value, dict) or "start" not in value or not kind.endswith("labels"):
                self.others[kind] += 1
            else:
                yield from self.labels(value, kind, row)

    def labels(self, value: Mapping[str, Any], kind: str, row: Row) -> Iterator[Entity]:
        """The entities of one region, one for each of its labels."""
        place = value.get("globalOffsets")
        place = place if isinstance(place, dict) else value
        start, end = place.get("start"), place.get("end")
        if type(start) is not int or type(end) is not int or (kind != "labels" and "<" in (row.text or "")):
            raise DataError.at(
                row.path,
                row.line,
                f"a result of type {kind} has its place in something else than a plain text, found start {start!r}; "
                "expected offsets of characters (an object tag Text in the labelling configuration)",
            )
        labels = value.get(kind, value.get("labels"))
        if not labels:
            self.left_out.add("region without a label", "regions without a label")
        elif not isinstance(labels, list):
            raise DataError.at(
                row.path, row.line, f"expected the labels of a region to be a list, found {labels!r:.60}"
            )
        surface = value.get("text")
        if isinstance(surface, str) and (row.text or "")[start:end] != surface:
            surface = surface.replace("\\n", "\n")  # as some versions write the end of a line
        for label in labels or ():
            self.labelled += 1
            yield entity_of(start, end, label, surface, row)

    def minimal_row(self, record: Mapping[str, Any], number: int) -> Row:
        own = _MIN_KEYS | {"id", "created_at", "updated_at"}
        data = {key: value for key, value in record.items() if key not in own}
        places = [{"value": one} for values in _regions(record) for one in values]
        return self.row(record, number, self.text(data, places, number))

    def minimal(self, records: Sequence[tuple[Row, Mapping[str, Any]]]) -> Row:
        """The row of all records of a task, one for each annotation."""
        found = []
        for row, record in records:
            regions = list(_regions(record))
            self.others.update(
                key for key, value in record.items() if isinstance(value, list | dict) and value not in regions
            )
            entities = [one for values in regions for value in values for one in self.labels(value, "labels", row)]
            found.append(Annotation(tuple(entities), str(record.get("updated_at") or record.get("created_at") or "")))
        return replace(records[0][0], entities=chosen(found, records[0][0], self.options))

    def finish(self) -> None:
        """Say what was left out. Raises DataError where there are results, and none of them labels a text."""
        if self.others and not self.labelled:
            seen = ", ".join(f"{kind} ({count:,})" for kind, count in self.others.most_common(5))
            raise DataError(f"{self.path}: expected results of type labels, which label parts of a text, found {seen}")
        for kind, count in self.others.items():
            self.left_out.add(f"result of type {kind}", f"results of type {kind}", _OTHER, count)
        self.left_out.say()


def _regions(record: Mapping[str, Any]) -> Iterator[list[Mapping[str, Any]]]:
    """The values of a record of JSON-MIN that are lists of labelled regions."""
    for value in record.values():
        if isinstance(value, list) and value and all(isinstance(one, Mapping) and "start" in one for one in value):
            yield value
