"""A row: one sentence as a file holds it, before tags and offsets become spans of words."""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ner_distill.data.formats.lines import Position
from ner_distill.data.formats.report import ReadReport
from ner_distill.data.formats.segment import Offsets, segment
from ner_distill.data.formats.spelling import is_usual, spelling_of
from ner_distill.data.formats.tagging import SCHEMES, Scheme, TagError, detect_scheme, spans_from_tags
from ner_distill.data.sentence import Sentence, Span, Unit, without_overlap
from ner_distill.errors import DataError

_SEVERAL = re.compile(r"(?:O|[BIMESLU]-[^|]+)\|(?:O(?:\||$)|[BIMESLU]-)")  # `B-PER|I-ORG`


class Entity(NamedTuple):
    """An entity in characters of the text, end exclusive; `surface` and `line` where the file gives them."""

    start: int
    end: int
    label: str
    surface: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class RowOptions:
    """What is read of a file.

    word_column, tag_columns: of CoNLL files, from 0, -1 the last; None and (): as the file looks.
    bare_words:               no labels, and nothing of how they count.
    blank_lines:              those of a text are rows as well.
    documents:                what a row of a text file is: line, paragraph or file.
    position:                 where reading begins, told how far it has come; of formats that `begins_anywhere` alone.
    text_key:                 of records: the key of their text, where it is another one (`a.b`: b in the object a).
    report:                   takes what is decided, dropped or repaired while lines become rows.
    """

    word_column: int | None = None
    tag_columns: tuple[int, ...] = ()
    bare_words: bool = False
    report: ReadReport = field(default_factory=ReadReport)
    blank_lines: bool = False
    documents: str = "line"
    text_key: str | None = None
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Either `words` (with `tags` or `spans`), or a `text` (with `entities`, and `offsets` where it is cut already).

    path, line:     where it stands; line 0 where a file is one row.
    lines_per_word: 1 where each word has a line of its own.
    inner_tags:     further levels of tags, each as long as `tags`.
    lines:          that of each word, where they do not follow each other.
    keep, weight, inside_words, negative: as of a `Sentence`.
    flat:           the format knows no nested entities: of two that overlap the longer one stays.
    """

    path: str
    line: int
    id: str | None = None
    words: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    spans: tuple[Span, ...] | None = None
    text: str | None = None
    entities: tuple[Entity, ...] | None = None
    offsets: Offsets | None = None
    lang: str | None = None
    lines_per_word: int = 0
    keep: tuple[bool, ...] | None = None
    weight: float = 1.0
    inside_words: tuple[Span, ...] = ()
    negative: tuple[bool, ...] | None = None
    flat: bool = False
    inner_tags: tuple[tuple[str, ...], ...] = ()
    lines: tuple[int, ...] = ()

    @property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """All levels of its tags; () where it has none."""
        return () if self.tags is None else (self.tags, *self.inner_tags)

    def line_of(self, word: int) -> int:
        if self.lines:
            return self.lines[word]
        return self.line + word * self.lines_per_word


def sentence_of(row: Row, id: str, unit: Unit, scheme: Scheme, report: ReadReport) -> Sentence:
    """The sentence of a row. Raises DataError for tags that are not of the scheme; findings go to the report."""
    id = without_surrogates(id, row, report)
    if row.text is None:
        words = _words_without_surrogates(row.words or (), row, report)
        spans = _tagged(row, scheme, report) if row.tags is not None else row.spans
        spans = None if spans is None else tuple(sorted(spans))
        inside = row.inside_words
        sentence = Sentence(id, words, spans, lang=row.lang, keep=row.keep, weight=row.weight, inside_words=inside)
        return _with_negatives(sentence, row)
    text = without_surrogates(row.text, row, report)
    if row.offsets is None:
        cut, offsets = segment(text, unit)
    else:
        offsets = row.offsets
        cut = tuple([text[start:end] for start, end in offsets])
    spans, inside = (None, ()) if row.entities is None else _spans(row, text, offsets, report)
    inside = (*inside, *row.inside_words)
    return _with_negatives(Sentence(id, cut, spans, text, offsets, row.lang, row.keep, row.weight, inside), row)


def _with_negatives(sentence: Sentence, row: Row) -> Sentence:
    """The sentence with `negative` of the row. Raises DataError where a word of an entity is said to be of none."""
    if row.negative is None:
        return sentence
    for span in sentence.spans or ():
        if any(row.negative[span.start : span.end]):
            surface = " ".join(sentence.words[span.start : span.end])
            raise DataError.at(
                row.path,
                row.line_of(span.start),
                f"'negative' says of a word of {span.label} {surface!r} that it is surely of no entity; correct one",
            )
    return replace(sentence, negative=row.negative)


def scheme_error(row: Row, error: TagError) -> DataError:
    """A TagError with the place in the file."""
    return DataError.at(row.path, row.line_of(error.position), str(error))


def scheme_of(rows: Iterable[Row], asked: str = "auto") -> Scheme | None:
    """The scheme of the tags of a file: the one that is asked for, else the one they are of; None without tags.

    Raises DataError for tags of no scheme.
    """
    tagged = [(row, tags) for row in rows for tags in row.levels]
    if not tagged:
        return None
    for known in SCHEMES:
        if known == asked:
            return known
    try:
        return detect_scheme(tags for _, tags in tagged)
    except TagError as error:
        raise scheme_error(tagged[error.sentence][0], error) from None


def usual_tags(rows: list[Row], report: ReadReport) -> tuple[list[Row], Scheme | None]:
    """The rows of a file with their tags as the schemes spell them, and the scheme where their spelling settles it.

    What spells them otherwise is said in the report. Tags of no spelling stay as they are, for `tagging` to refuse.
    """
    tags = set().union(*(level for row in rows for level in row.levels))
    if any(map(_SEVERAL.match, tags)):
        raise _several_tags(rows)
    if is_usual(tags):
        return rows, None
    spelling = spelling_of(Counter(tag for row in rows for level in row.levels for tag in level))
    if spelling is None:
        return rows, None
    report.remark(rows[0].path, spelling.remark)
    read = [[tuple(map(spelling.meanings.__getitem__, level)) for level in row.levels] for row in rows]
    changed = [
        replace(row, tags=levels[0], inner_tags=tuple(levels[1:])) if levels else row
        for row, levels in zip(rows, read, strict=True)
    ]
    return changed, spelling.scheme


def _several_tags(rows: Iterable[Row]) -> DataError:
    """The error for the first word that has several tags in one."""
    row, word, tag = next(
        (row, word, tag)
        for row in rows
        for level in row.levels
        for word, tag in enumerate(level)
        if _SEVERAL.match(tag)
    )
    return DataError.at(
        row.path,
        row.line_of(word),
        f"{tag!r} are several tags; expected one a column: levels of nested entities stand in columns of their own "
        "(give `tag_column` for each)",
    )


def _tagged(row: Row, scheme: Scheme, report: ReadReport) -> tuple[Span, ...]:
    spans: tuple[Span, ...] = ()
    for tags in row.levels:
        try:
            found, repairs = spans_from_tags(tags, scheme)
        except TagError as error:
            raise scheme_error(row, error) from None
        for repair in repairs:
            report.note(repair.finding, row.path, row.line_of(repair.position), repair.message)
        spans += found
    return tuple(dict.fromkeys(spans)) if row.inner_tags else spans


def _spans(row: Row, text: str, offsets: Offsets, report: ReadReport) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """The words of each entity, and of those again that begin or end inside a word: see `Sentence.inside_words`."""
    starts = [start for start, _ in offsets]
    ends = [end for _, end in offsets]
    spans: list[Span] = []
    exact: set[Span] = set()
    inside: list[Span] = []
    for given in row.entities or ():
        entity = _by_its_text(given, text, row, report)
        start, end, label, _, line = entity
        line = line or row.line
        if not 0 <= start < end <= len(text):
            found = f"{label} with start={start}, end={end} (exclusive)"
            report.note("out_of_range", row.path, line, f"{found}; expected 0 <= start < end <= {len(text)}")
            continue
        first, last = bisect_right(ends, start), bisect_right(starts, end - 1)
        if first >= last:
            report.note("blank_entities", row.path, line, f"{_named(entity, text)} holds no word")
            continue
        # White space between words belongs to no word; inside a word a border is one that was moved.
        span = Span(first, last, label)
        if starts[first] >= start and end >= ends[last - 1]:
            exact.add(span)
        else:
            inside.append(span)
            detail = f"{_named(entity, text)} has a border inside {text[starts[first] : ends[last - 1]]!r}"
            report.note("inside_word", row.path, line, detail)
        if span in spans:
            report.note("repeated_entities", row.path, line, f"{_named(entity, text)} again")
        else:
            spans.append(span)
    inside = [span for span in inside if span not in exact]
    if not row.flat:
        return tuple(sorted(spans)), tuple(inside)
    kept = without_overlap(spans)
    for span in sorted(set(spans) - set(kept)):
        surface = text[starts[span.start] : ends[span.end - 1]]
        report.note("overlaps", row.path, row.line, f"{span.label} {surface!r} overlaps a longer entity")
    return kept, tuple(span for span in inside if span in kept)


def _named(entity: Entity, text: str) -> str:
    return f"{entity.label} {text[entity.start : entity.end]!r} ({entity.start}, {entity.end})"


def without_surrogates(text: str, row: Row, report: ReadReport) -> str:
    """JSON can say half of a surrogate pair; no UTF-8 file, tokenizer or table can hold it."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError as error:
        report.note("surrogates", row.path, row.line, f"{text[error.start]!a} is half of a surrogate pair")
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def _words_without_surrogates(words: tuple[str, ...], row: Row, report: ReadReport) -> tuple[str, ...]:
    """As `without_surrogates`, of each word; all are looked at together first, as hardly any sentence has one."""
    if "".join(words).isascii():
        return words
    return tuple(without_surrogates(word, row, report) for word in words)


def same_text(found: str, said: str) -> bool:
    """Are two texts the same but for case, white space and the form of characters?"""
    return found == said or _plain(found) == _plain(said)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _by_its_text(entity: Entity, text: str, row: Row, report: ReadReport) -> Entity:
    """The entity where its own text stands; as it is where it gives none, or one that is not in the text."""
    start, end, label, surface, line = entity
    found = text[start:end] if 0 <= start < end else ""
    if not surface or same_text(found, surface):
        return entity
    name = f"{label} {found!r} ({start}, {end}) is said to be {surface!r}"
    places = [match.start() for match in re.finditer(re.escape(surface), text)]
    if not places:
        report.note("surface_unknown", row.path, line or row.line, f"{name}, which is nowhere in the text")
        return entity
    nearest = min(places, key=lambda place: abs(place - start))
    place = nearest, nearest + len(surface)
    report.note("surface_differs", row.path, line or row.line, f"{name}, which stands at {place}")
    return entity._replace(start=place[0], end=place[1])


def row_of_record(record: Mapping[str, Any], path: str, line: int, *, bare_words: bool = False) -> Row:
    """The row of a JSON object or a table's row.

    Keys: `words` (or `tokens`) with `tags` (or `ner_tags`), or with `entities` in words (`start_word`, `end_word`,
    `label`); or `text` with `entities` in characters (`start`, `end`, `label`, perhaps their `text`) and perhaps the
    `offsets` of its words; `id` and `lang` where there are any; `keep`, for each word whether its label counts, and
    `negative`, for each word whether it is surely of no entity (a text needs `offsets` for them), `inside_words` as of
    a `Sentence`, and `weight` of the sentence. Other keys are ignored, None counts as absent.
    bare_words: take no labels, and nothing of how they count. Raises DataError that names what is wrong.
    """
    try:
        return Row(path, line, **_fields_of(record, bare_words=bare_words))
    except ValueError as error:
        raise DataError.at(path, line, str(error)) from None


def _fields_of(record: Mapping[str, Any], *, bare_words: bool) -> dict[str, Any]:
    """What a record says of its row. Raises ValueError, as all checks of values below do."""
    present = {key: value for key, value in record.items() if value is not None}
    id, lang = present.get("id"), present.get("lang")
    if id is not None and plain_id(id) is None and not bare_words:
        raise ValueError(f"'id' must be text or an integer, found {_short(id)}")
    named: dict[str, Any] = {"id": plain_id(id), "lang": None if lang is None else str(lang)}
    words = present.get("words", present.get("tokens"))
    if words is not None and not _labelled_in_text(present):
        words = _strings("words", words)
        if bare_words:
            return named | {"words": words}
        inside = _inside_words(present, len(words))
        labels = _word_labels(present, len(words))
        return named | {"words": words, **labels, **_weights(present, len(words)), "inside_words": inside}
    text = present.get("text")
    if not isinstance(text, str):
        null = next((key for key in ("text", "words", "tokens") if key in record), None)
        if text is not None:
            found = f", found 'text' {_short(text)}"
        elif null is not None:
            found = f"; '{null}' is null"
        else:
            found = f", found the keys {', '.join(sorted(map(str, record)))}"
        raise ValueError(f"expected 'words' (a list) or 'text' (a string){found}")
    offsets = _offsets(present["offsets"], text) if "offsets" in present else None
    named |= {"text": text, "offsets": offsets}
    if bare_words:
        return named
    weights = _weights(present, None if offsets is None else len(offsets))
    inside = () if offsets is None else _inside_words(present, len(offsets))
    entities = tuple(_entities(present["entities"], ("start", "end"))) if "entities" in present else None
    return named | {**weights, "inside_words": inside, "entities": entities}


def plain_id(id: Any) -> str | None:
    """An id as text; None of what is no text and no integer."""
    return str(id) if isinstance(id, str | int) and not isinstance(id, bool) else None


def _labelled_in_text(present: Mapping[str, Any]) -> bool:
    """Are there words, but the labels are offsets in a text that is there as well?"""
    entities = present.get("entities")
    in_characters = isinstance(entities, list) and any(
        isinstance(item, Mapping) and "start" in item for item in entities
    )
    return in_characters and "text" in present and "tags" not in present and "ner_tags" not in present


def _word_labels(present: Mapping[str, Any], words: int) -> dict[str, Any]:
    """`tags` or `spans` of a row with so many words, {} where it is not labelled."""
    tags = present.get("tags", present.get("ner_tags"))
    items = present.get("entities") or ()
    if "entities" in present and (tags is None or all("start_word" in item for item in items if item)):
        # Beside tags these are the same entities and more: spans may nest.
        spans = _word_spans(items, words)
        if spans or tags is None:
            return {"spans": tuple(set(spans))}
    if tags is None:
        return {}
    tags = _strings("tags", tags)
    if len(tags) != words:
        raise ValueError(f"expected a tag for each word, found {words} words and {len(tags)} tags")
    return {"tags": tags}


def _inside_words(present: Mapping[str, Any], words: int) -> tuple[Span, ...]:
    return _word_spans(present["inside_words"], words) if "inside_words" in present else ()


def _word_spans(items: Any, words: int) -> tuple[Span, ...]:
    """The spans of entities in words, of a row with so many."""
    entities = _entities(items, ("start_word", "end_word"))
    for start, end, label, *_ in entities:
        if not 0 <= start < end <= words:
            outside = f"{label} with start_word={start}, end_word={end}"
            raise ValueError(f"{outside}; expected 0 <= start < end <= {words}")
    return tuple(Span(start, end, label) for start, end, label, *_ in entities)


def _strings(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"'{key}' must be a list of strings, found {_short(value)}")
    return tuple(value)


def _offsets(value: Any, text: str) -> Offsets:
    end = 0
    for pair in value if isinstance(value, list) else [value]:
        well_formed = isinstance(pair, list) and len(pair) == 2 and all(type(item) is int for item in pair)
        if not well_formed or not end <= pair[0] < pair[1] <= len(text):
            raise ValueError(f"'offsets' must be ascending [start, end] pairs in the text, found {_short(pair)}")
        end = pair[1]
    return tuple((start, end) for start, end in value)


def _weights(present: Mapping[str, Any], words: int | None) -> dict[str, Any]:
    """`keep`, `negative`, `weight`; words: how many the record has, None where it has a text that is not cut."""
    weight = present.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
        raise ValueError(f"'weight' must be a number of 0 or more, found {_short(weight)}")
    of_words = {key: _of_words(key, present[key], words) for key in ("keep", "negative") if key in present}
    return {"weight": float(weight), **of_words}


def _of_words(key: str, value: Any, words: int | None) -> tuple[bool, ...]:
    """What a key says of each word."""
    if words is None:
        raise ValueError(f"'{key}' is for each word, and a text is cut into words as it is read: give 'offsets'")
    if not isinstance(value, list | tuple) or not all(isinstance(item, bool) for item in value):
        raise ValueError(f"'{key}' must be a list of true and false, found {_short(value)}")
    if len(value) != words:
        raise ValueError(f"expected '{key}' for each word, found {words} words and {len(value)} values")
    return tuple(value)


def _entities(value: Any, keys: tuple[str, str]) -> list[Entity]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"'entities' must be a list, found {_short(value)}")
    entities = []
    for item in value:
        start, end, label = (item.get(key) if isinstance(item, Mapping) else None for key in (*keys, "label"))
        if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
            form = f'{{"{keys[0]}": 0, "{keys[1]}": 3, "label": "X"}}'
            raise ValueError(f"an entity must be {form}, found {_short(item)}")
        surface = next((item[key] for key in ("text", "surface") if isinstance(item.get(key), str)), None)
        entities.append(Entity(start, end, label, surface))
    return entities


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
