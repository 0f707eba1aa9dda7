"""GLiNER's training data: `tokenized_text`, and in `ner` first and last word (inclusive) and type of each entity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ner_distill.data.formats.json_records import json_records
from ner_distill.data.formats.jsonl import has_records
from ner_distill.data.formats.lines import Beginning
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.formats.tools.annotators import LeftOut
from ner_distill.data.sentence import Span
from ner_distill.errors import DataError


def is_gliner(beginning: Beginning) -> bool:
    return has_records(beginning, lambda record: isinstance(record.get("tokenized_text"), list))


def gliner_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each object, with its words; entities may nest. Relations are left out and counted.

    Raises DataError for an entity that is not `[first, last, type]` within the words, and where there is no `ner`.
    """
    left_out = LeftOut(path, options.report)
    for number, record in json_records(path, options.report):
        words, id = record.get("tokenized_text"), record.get("id")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise DataError.at(path, number, f"expected 'tokenized_text' to be a list of words, found {words!r:.60}")
        spans = None
        if not options.bare_words:
            left_out.add_all(record.get("relations"), "relation", "relations")
            spans = _spans(record, len(words), path, number)
        yield Row(path, number, None if id is None else str(id), tuple(words), spans=spans)
    left_out.say()


def _spans(record: Mapping[str, Any], words: int, path: str, number: int) -> tuple[Span, ...]:
    entities = record.get("ner")
    if not isinstance(entities, list):
        raise DataError.at(path, number, f"expected 'ner' to be a list of entities, found {entities!r:.60}")
    spans = []
    for item in entities:
        start, end, label = item if isinstance(item, list) and len(item) == 3 else (item, None, None)
        if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
            raise DataError.at(path, number, f"expected an entity [first word, last word, type], found {item!r:.60}")
        if not 0 <= start <= end < words:
            raise DataError.at(
                path, number, f"entity {item!r:.60} lies outside the {words} words; its second number is the last word"
            )
        spans.append(Span(start, end + 1, label))
    return tuple(dict.fromkeys(spans))
