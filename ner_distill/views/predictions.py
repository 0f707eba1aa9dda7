"""Predictions as lines: JSON Lines, CoNLL, or brackets in the text itself, with the lattice below; or as a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ner_distill.console import Reporter
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.standins import EXPLAINED, column_type, column_word
from ner_distill.data.formats.writers import columns_of_entities
from ner_distill.data.sentence import ScoredSpan, Sentence, Span, disjoint, separator, unit_of
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError
from ner_distill.options.models import PredictOptions
from ner_distill.pipelines.predict import Prediction
from ner_distill.views.prediction_page import FOOT, block_of, head_of

_EXACT = "`format` jsonl holds everything as it is"


def render(
    predictions: Iterable[Prediction], options: PredictOptions, *, width: int, reporter: Reporter | None = None
) -> Iterator[str]:
    """What to print for each prediction, without the last line end; at the end warns of what `format` cannot hold.

    Of a page its head comes before the first, and its foot after the last.
    width: columns of the lattices that are drawn below inline sentences. Raises ConfigError for a lattice below others,
    before the first prediction is asked for.
    """
    lost = _Lost(options.format)
    if options.lattice and options.format != "inline":
        raise ConfigError(f"`lattice` draws below inline sentences; expected `format` inline, found {options.format!r}")
    begun = False
    for prediction in predictions:
        if options.format == "html" and not begun:  # not before: what is wrong with options is said at the first one
            yield head_of(options.named)
            begun = True
        lines = format_prediction(prediction.sentence, prediction.spans, options.format)
        lost.count(prediction.sentence, prediction.spans)
        if prediction.matches is not None:
            from ner_distill.views.lattice import picture  # it needs rich, which other predictions do not wait for

            lines += f"\n{picture(prediction.sentence.words, prediction.matches, width=width)}\n"
        yield lines
    if options.format == "html":
        if not begun:
            yield head_of(options.named)
        yield FOOT
    for warning in lost.warnings():
        (reporter or Reporter()).warn(warning)


class _Lost:
    """Counts what a style cannot write as it is."""

    def __init__(self, style: str) -> None:
        self.style = style
        self.words = self.spans = 0
        self.types: set[str] = set()

    def count(self, sentence: Sentence, spans: Sequence[ScoredSpan]) -> None:
        if self.style == "conll":
            self.words += sum(column_word(word) != word for word in sentence.words)
            self.types |= {span.label for span, _ in spans if column_type(span.label) != span.label}
        if self.style in ("conll", "inline") and len(spans) > 1:
            self.spans += len(spans) - len(without_overlaps(spans) if self.style == "conll" else _nested(spans))

    def warnings(self) -> Iterator[str]:
        if self.words:
            yield f"{counted(self.words, 'word')} that columns cannot hold: written with {EXPLAINED}; {_EXACT}"
        if self.types:
            names = ", ".join(map(column_type, sorted(self.types)))
            yield f"types that columns cannot hold are written as {names}; our readers turn that back; {_EXACT}"
        if self.spans:
            how = "inside or across" if self.style == "conll" else "across"
            yield f"{counted(self.spans, 'entity', 'entities')} {how} a longer one: left out; {_EXACT}"


def format_prediction(sentence: Sentence, spans: Sequence[ScoredSpan], style: str) -> str:
    """One sentence with its predicted spans; the caller ends it with a newline.

    jsonl:  one line. With a text: `{"id", "text", "entities": [{"start", "end", "label", "text", "score"}]}`, offsets
            in characters (code points) of the original text, end exclusive. Without: `{"id", "words", "tags",
            "entities": [{"start_word", "end_word", "label", "words", "score"}]}`, in words, end exclusive.
            Entities are sorted by start, the longer one first.
    conll:  `word TAG` lines (IOB2) that end with a newline, so that a blank line follows the sentence; of a sentence
            without words the blank line alone. What columns cannot hold has stand-ins, see `column_word`.
    inline: `[PER Ana López] visited [LOC Madrid].`; outside the brackets the original text as it is, but for a
            backslash before each `[`, `]` and backslash of its own.
    html:   the block of a sentence in the page, see `entities_html`.

    Spans may nest; `entities` and html have them all. Tags are flat: of spans that overlap they keep the longest (see
    `without_overlaps`). Brackets nest, but of two spans that cross they keep the longer one.
    Raises ValueError for a span beyond the sentence.
    """
    for span, _ in spans:
        if span.end > len(sentence.words):
            raise ValueError(f"sentence {sentence.id}: {span} ends beyond its {len(sentence.words)} words")
    if style == "jsonl":
        return json.dumps(_as_json(sentence, spans), ensure_ascii=False)
    if style == "html":
        return _as_block(sentence, spans)
    if style == "conll":
        return columns_of_entities(sentence.words, without_overlaps(spans))
    return _as_inline(sentence, spans)


def without_overlaps(spans: Iterable[ScoredSpan]) -> list[Span]:
    """Spans of which no two share a word, sorted by start.

    The longest come first, as nested data is flattened to its outermost entities; among equally long ones the more
    confident, then the earlier.
    """
    return list(disjoint(_by_precedence(spans)))


def _by_precedence(spans: Iterable[ScoredSpan]) -> list[Span]:
    """The longest first, then the more confident, then the earlier."""
    return [span for span, _ in sorted(spans, key=lambda item: (item[0].start - item[0].end, -item[1], item[0]))]


def _as_json(sentence: Sentence, spans: Sequence[ScoredSpan]) -> dict[str, Any]:
    entities = []
    for span, score in sorted(spans, key=lambda item: (item[0].start, -item[0].end, item[0].label)):
        if sentence.text is None or sentence.offsets is None:
            words = list(sentence.words[span.start : span.end])
            where = {"start_word": span.start, "end_word": span.end, "label": span.label, "words": words}
        else:
            start, end = _characters(sentence.offsets, span)
            where = {"start": start, "end": end, "label": span.label, "text": sentence.text[start:end]}
        entities.append({**where, "score": round(float(score), 4)})
    row: dict[str, Any] = {"id": sentence.id}
    if sentence.text is None:
        row |= {"words": list(sentence.words), "tags": _tags(without_overlaps(spans), len(sentence.words))}
    else:
        row["text"] = sentence.text
    row["entities"] = entities
    return row if sentence.lang is None else {**row, "lang": sentence.lang}


def _characters(offsets: Sequence[tuple[int, int]], span: Span) -> tuple[int, int]:
    return offsets[span.start][0], offsets[span.end - 1][1]


def _tags(spans: Sequence[Span], words: int) -> list[str]:
    tagset = TagSet(tuple(sorted({span.label for span in spans})))
    return [tagset.tags[tag] for tag in tagset.encode(spans, words)]


def _as_block(sentence: Sentence, spans: Sequence[ScoredSpan]) -> str:
    text, offsets = _text_of(sentence)
    return block_of(text, [(*_characters(offsets, span), span.label, score) for span, score in spans], sentence.id)


def _as_inline(sentence: Sentence, spans: Sequence[ScoredSpan]) -> str:
    text, offsets = _text_of(sentence)
    nested = _nested(spans)
    places = [_characters(offsets, span) for span in nested]
    names = [f"[{_escape(span.label, blanks=True)} " for span in nested]
    # At one place: first what closes, then what opens, the outer before the inner.
    closing = [(end, 0, 0, "]") for _, end in places]
    opening = [(start, 1, order, name) for order, ((start, _), name) in enumerate(zip(places, names, strict=True))]
    parts, position = [], 0
    for place, _, _, bracket in sorted(closing + opening):
        parts += [_escape(text[position:place]), bracket]
        position = place
    return "".join([*parts, _escape(text[position:])])


def _nested(spans: Iterable[ScoredSpan]) -> list[Span]:
    """Spans of which no two cross; the outer one stands before the inner one, also where their boundaries are equal."""
    nested: list[Span] = []
    holding: dict[int, list[Span]] = {}  # by word; of two spans that cross, one holds an outermost word of the other
    for span in _by_precedence(spans):
        near = holding.get(span.start, []) + holding.get(span.end - 1, [])
        if not any(_cross(span, other) for other in near):
            nested.append(span)
            for word in range(span.start, span.end):
                holding.setdefault(word, []).append(span)
    return nested


def _text_of(sentence: Sentence) -> tuple[str, Sequence[tuple[int, int]]]:
    """The text and the offsets; of a sentence without a text, its words joined (Chinese characters without blanks)."""
    if sentence.text is not None and sentence.offsets is not None:
        return sentence.text, sentence.offsets
    between = separator(unit_of([sentence]))
    offsets, end = [], -len(between)
    for word in sentence.words:
        start = end + len(between)
        end = start + len(word)
        offsets.append((start, end))
    return between.join(sentence.words), offsets


def _cross(span: Span, other: Span) -> bool:
    """Do they overlap with neither inside the other?"""
    return span.start < other.start < span.end < other.end or other.start < span.start < other.end < span.end


def _escape(text: str, *, blanks: bool = False) -> str:
    special = "\\[] " if blanks else "\\[]"
    return "".join(f"\\{char}" if char in special else char for char in text)
