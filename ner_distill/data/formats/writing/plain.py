"""Our own formats as writers: JSON Lines, CoNLL columns, brackets in the text itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ner_distill.data.formats.standins import column_type, column_word
from ner_distill.data.formats.writers import columns_of_entities, record_of
from ner_distill.data.formats.writing.base import Losses, Scored, TextWriter, characters, in_order, placed, rounded
from ner_distill.data.sentence import Sentence, Span, disjoint
from ner_distill.data.tagset import TagSet


class JsonLines(TextWriter):
    """JSON Lines: labels as `write_jsonl` has them, which are read back as they were; or predictions with scores.

    Predictions are entities in a sentence that has no labels of its own, by a model that is named: see
    `prediction_record`.
    """

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")
    holds = frozenset(
        {"text", "words", "ids", "lang", "unlabelled", "keep", "negative", "weight", "inside_words", "nested"}
    )
    scores = True

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        predicted = self.about.model and sentence.spans is None and entities is not None
        if predicted:
            record = prediction_record(sentence, entities or ())
        else:
            spans = None if entities is None else tuple(sorted(span for span, _ in entities))
            record = record_of(sentence if spans == sentence.spans else replace(sentence, spans=spans))
        return json.dumps(record, ensure_ascii=False) + "\n"


class Columns(TextWriter):
    """CoNLL: `word TAG` lines (IOB2), a blank line after each sentence. Of entities that overlap the longest stay.

    What columns cannot hold has stand-ins, see `column_word`. Of a sentence without words the blank line alone.
    """

    name = "conll"
    suffixes = (".conll", ".iob", ".bio", ".iob2")
    holds = frozenset({"words"})

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        entities = entities or ()
        losses.add("column_words", sentence.id, sum(column_word(word) != word for word in sentence.words))
        for span, _ in entities:
            if (written := column_type(span.label)) != span.label:
                losses.add("column_types", sentence.id, name=written)
        flat = without_overlaps(entities)
        losses.add("overlapping", sentence.id, len(entities) - len(flat))
        return columns_of_entities(sentence.words, flat) + "\n"


class Inline(TextWriter):
    """The text as it is, with entities in brackets: `[PER Ana López] visited [LOC Madrid].`

    A backslash stands before each `[`, `]` and backslash of the text. Brackets nest; of two entities that cross the
    longer one stays.
    """

    name = "inline"
    holds = frozenset({"text", "nested"})

    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        text, offsets = placed(sentence, self.about.unit)
        nested = _nested(entities or ())
        losses.add("crossing", sentence.id, len(entities or ()) - len(nested))
        places = [characters(offsets, span) for span in nested]
        names = [f"[{_escape(span.label, blanks=True)} " for span in nested]
        # At one place: first what closes, then what opens, the outer before the inner.
        closing = [(end, 0, 0, "]") for _, end in places]
        opening = [(start, 1, order, name) for order, ((start, _), name) in enumerate(zip(places, names, strict=True))]
        parts, position = [], 0
        for place, _, _, bracket in sorted(closing + opening):
            parts += [_escape(text[position:place]), bracket]
            position = place
        return "".join([*parts, _escape(text[position:]), "\n"])


def prediction_record(sentence: Sentence, entities: Sequence[Scored]) -> dict[str, Any]:
    """A sentence with a model's entities as an object.

    With a text: `{"id", "text", "entities": [{"start", "end", "label", "text", "score"}]}`, offsets in characters (code
    points) of the original text, end exclusive. Without: `{"id", "words", "tags", "entities": [{"start_word",
    "end_word", "label", "words", "score"}]}`, in words, end exclusive; tags are flat and keep the longest.
    """
    found = []
    for span, score in in_order(entities):
        if sentence.text is None or sentence.offsets is None:
            words = list(sentence.words[span.start : span.end])
            where: dict[str, Any] = {"start_word": span.start, "end_word": span.end, "label": span.label}
            where["words"] = words
        else:
            start, end = characters(sentence.offsets, span)
            where = {"start": start, "end": end, "label": span.label, "text": sentence.text[start:end]}
        found.append(where if score is None else {**where, "score": rounded(score)})
    row: dict[str, Any] = {"id": sentence.id}
    if sentence.text is None:
        row |= {"words": list(sentence.words), "tags": _tags(without_overlaps(entities), len(sentence.words))}
    else:
        row["text"] = sentence.text
    row["entities"] = found
    return row if sentence.lang is None else {**row, "lang": sentence.lang}


def without_overlaps(entities: Iterable[Scored]) -> list[Span]:
    """Spans of which no two share a word, sorted by start.

    The longest come first, as nested data is flattened to its outermost entities; among equally long ones the more
    confident, then the earlier.
    """
    return list(disjoint(_by_precedence(entities)))


def _by_precedence(entities: Iterable[Scored]) -> list[Span]:
    """The longest first, then the more confident, then the earlier."""
    ordered = sorted(entities, key=lambda item: (item[0].start - item[0].end, -(item[1] or 0.0), item[0]))
    return [span for span, _ in ordered]


def _tags(spans: Sequence[Span], words: int) -> list[str]:
    tagset = TagSet(tuple(sorted({span.label for span in spans})))
    return [tagset.tags[tag] for tag in tagset.encode(spans, words)]


def _nested(entities: Iterable[Scored]) -> list[Span]:
    """Spans of which no two cross; the outer one stands before the inner one, also where their boundaries are equal."""
    nested: list[Span] = []
    holding: dict[int, list[Span]] = {}  # by word; of two spans that cross, one holds an outermost word of the other
    for span in _by_precedence(entities):
        near = holding.get(span.start, []) + holding.get(span.end - 1, [])
        if not any(_cross(span, other) for other in near):
            nested.append(span)
            for word in range(span.start, span.end):
                holding.setdefault(word, []).append(span)
    return nested


def _cross(span: Span, other: Span) -> bool:
    """Do they overlap with neither inside the other?"""
    return span.start < other.start < span.end < other.end or other.start < span.start < other.end < span.end


def _escape(text: str, *, blanks: bool = False) -> str:
    special = "\\[] " if blanks else "\\[]"
    return "".join(f"\\{char}" if char in special else char for char in text)
