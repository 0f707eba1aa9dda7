"""Answers about sentences, as a language model, a rule system or a person gave them: entities with scores or without.

Any labelled file is such a file. Of JSON objects an entity may have a `score`, and may have no place: then it stands
wherever its text occurs. Such a record may have an `id` in place of the text of the sentence.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from ner_distill.data.formats.exports import is_rejected, own_record
from ner_distill.data.formats.json_records import json_records
from ner_distill.data.formats.offsets import in_characters
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.registry import detect_format
from ner_distill.data.formats.report import ReadReport
from ner_distill.data.formats.rows import Row, row_of_record, scheme_of, sentence_of, usual_tags
from ner_distill.data.sentence import Sentence, Span, count_unspaced
from ner_distill.errors import DataError

_MARK = "\t"  # stands between a type and a score while a record is read as any other
_SURFACES = ("text", "surface", "name", "word", "mention", "value")
_LABELS = ("label", "type", "entity_group", "tag", "category", "entity_type")
_PLACES = ("start", "start_word", "start_offset", "start_char", "begin", "token_start")


class Said(NamedTuple):
    """An entity: characters of the text without its white space, half-open. score: None where there is none."""

    start: int
    end: int
    label: str
    score: float | None


class Named(NamedTuple):
    """An entity by its text alone."""

    surface: str
    label: str
    score: float | None


@dataclass(frozen=True)
class Answer:
    """What a record says of a sentence.

    id:   of the sentence, where the record names one.
    text: all its characters but white space; None where the record gives none.
    """

    id: str | None
    text: str | None
    said: tuple[Said, ...] = ()
    named: tuple[Named, ...] = ()


def characters(words: Iterable[str]) -> str:
    """All characters of a sentence but white space: by them a sentence is known, however it is cut."""
    return "".join("".join(word.split()) for word in words)


def read_answers(path: str | Path) -> tuple[list[Answer], ReadReport]:
    """The answers of a file, and what was decided and repaired while reading it.

    Sentences nobody labelled are no answers. Raises DataError where the file is none that is read, with its line.
    """
    if Path(path).is_file() and detect_format(path) == "jsonl":
        report = ReadReport()
        return list(_of_json(str(path), report)), report
    corpus = read_corpus([path])
    labelled = (one for one in corpus.sentences if one.spans is not None)
    return [_of_sentence(one, one.id) for one in labelled], corpus.report


def places_of(named: Named, text: str) -> list[tuple[int, int]]:
    """Where an entity stands in a text: at all occurrences as words of their own, however white space is set."""
    letters = ["\\s*".join(map(re.escape, part)) for part in ["".join(named.surface.split())] if part]
    if not letters:
        return []
    first, last = named.surface.strip()[0], named.surface.strip()[-1]
    before = r"(?<!\w)" if _in_a_word(first) else ""
    behind = r"(?!\w)" if _in_a_word(last) else ""
    return [match.span() for match in re.finditer(before + letters[0] + behind, text)]


def spans_in(answer: Answer, sentence: Sentence) -> tuple[list[tuple[Span, float | None]], int, int]:
    """The entities in the words of a sentence, how many of them end inside a word, and how many texts are not in it.

    An entity that begins or ends inside a word has the whole word. Of a text that stands inside a longer one that was
    named only the places outside count.
    """
    text = sentence.text if sentence.text is not None else " ".join(sentence.words)
    said, lost = list(answer.said), 0
    taken: list[tuple[int, int]] = []
    for named in sorted(answer.named, key=lambda one: -len(one.surface)):
        places = places_of(named, text)
        lost += not places
        for start, end in places:
            if not any(start < other_end and other_start < end for other_start, other_end in taken):
                taken.append((start, end))
                first = len(characters([text[:start]]))
                said.append(Said(first, first + len(characters([text[start:end]])), named.label, named.score))
    ends = list(accumulate(len(characters([word])) for word in sentence.words))
    starts = {0, *ends}
    spans = []
    inside = 0
    for start, stop, label, score in said:
        if start < stop <= (ends[-1] if ends else 0):
            inside += start not in starts or stop not in starts
            spans.append((Span(bisect_right(ends, start), bisect_left(ends, stop) + 1, label), score))
    return spans, inside, lost


def _in_a_word(char: str) -> bool:
    return re.fullmatch(r"\w", char) is not None and not count_unspaced(char)


def _of_json(path: str, report: ReadReport) -> Iterator[Answer]:
    rows: list[Row] = []
    named: list[tuple[Named, ...]] = []
    without: list[Answer] = []
    for line, record in json_records(path):
        if is_rejected(record):
            continue
        try:
            rest, own = _split(record)
            if all(record.get(key) is None for key in ("text", "words", "tokens")):
                without.append(_by_id(record, own, rest))
                continue
            rows.append(row_of_record(_marked(own_record(rest, bare_words=False)), path, line))
        except ValueError as error:
            raise DataError.at(path, line, str(error)) from None
        named.append(own)
    rows, scheme = usual_tags(in_characters(rows, report), report)
    scheme = scheme or scheme_of(rows) or "iob2"
    for row, own in zip(rows, named, strict=True):
        sentence = sentence_of(row, row.id or "", "character", scheme, report)
        if sentence.spans is not None:
            yield _of_sentence(sentence, row.id, own)
    yield from without


def _split(record: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Named, ...]]:
    """The record with the entities that have a place, and those that have a text alone. Raises ValueError."""
    items = record.get("entities")
    if isinstance(items, Mapping) and items and all(map(_are_texts, items.values())):  # {"LOC": ["Madrid"]}
        named = [Named(text, str(label), None) for label, texts in items.items() for text in texts]
        return {**record, "entities": []}, tuple(named)
    if not isinstance(items, list):
        return dict(record), ()
    placed, named = [], []
    for item in items:
        if not isinstance(item, Mapping) or any(item.get(key) is not None for key in _PLACES):
            placed.append(item)
            continue
        surface = next((item[key] for key in _SURFACES if isinstance(item.get(key), str)), None)
        label = next((item[key] for key in _LABELS if isinstance(item.get(key), str)), None)
        if surface is None or not label:
            raise ValueError(
                f'an entity must be {{"text": "Madrid", "label": "LOC"}} or have a place, found {str(item)[:60]}'
            )
        named.append(Named(surface, label, _score(item)))
    return {**record, "entities": placed}, tuple(named)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _by_id(record: Mapping[str, Any], named: tuple[Named, ...], rest: Mapping[str, Any]) -> Answer:
    id = record.get("id")
    if not isinstance(id, str | int) or not isinstance(record.get("entities"), list | Mapping):
        found = ", ".join(map(str, record)) or "none"
        raise ValueError(
            f"expected 'text' or 'words', or 'id' with 'entities' that have a text; found the keys {found}"
        )
    if rest.get("entities"):
        raise ValueError("entities with a place need the 'text' that they stand in; give it, or their own text alone")
    return Answer(str(id), None, named=named)


def _marked(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record with the score of each entity behind its type, where reading keeps it."""
    items = record.get("entities")
    if not isinstance(items, list):
        return record
    marked = [
        {**item, "label": f"{item['label']}{_MARK}{score!r}"}
        if isinstance(item, Mapping) and isinstance(item.get("label"), str) and (score := _score(item)) is not None
        else item
        for item in items
    ]
    return {**record, "entities": marked}


def _score(item: Mapping[str, Any]) -> float | None:
    score = next((item[key] for key in ("score", "confidence", "probability") if item.get(key) is not None), None)
    if score is None:
        return None
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise ValueError(f"'score' of an entity must be a number from 0 to 1, found {str(score)[:60]}")
    return float(score)


def _of_sentence(sentence: Sentence, id: str | None, named: Sequence[Named] = ()) -> Answer:
    ends = [0, *accumulate(len(characters([word])) for word in sentence.words)]
    said = []
    for span in sentence.spans or ():
        label, mark, score = span.label.rpartition(_MARK)
        own = Said(ends[span.start], ends[span.end], label, float(score)) if mark else None
        said.append(own or Said(ends[span.start], ends[span.end], span.label, None))
    return Answer(id, characters(sentence.words), tuple(said), tuple(named))
