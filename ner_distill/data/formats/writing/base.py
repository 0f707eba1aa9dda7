"""What every writer is: it is given labelled sentences, and counts what its format cannot hold of them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from ner_distill.data.formats.report import counted
from ner_distill.data.formats.segment import segment
from ner_distill.data.formats.standins import BLANK, EXPLAINED
from ner_distill.data.sentence import Sentence, Span, Unit, separator, unit_of

Scored = tuple[Span, float | None]
"""An entity and how sure a model is of it, 0..1; None where it is nobody's guess but a label."""

MADE_ID = re.compile(r"(.+):(\d+)((?:#\d+)?)", re.DOTALL)
"""An id that reading makes of the name of a file and a line: losing it loses nothing that the file says."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence to write.

    entities: those to write, which may nest; None where nobody labelled the sentence.
    """

    sentence: Sentence
    entities: Sequence[Scored] | None

    @classmethod
    def of(cls, sentence: Sentence) -> Labelled:
        """A sentence with its own labels."""
        return cls(sentence, None if sentence.spans is None else [(span, None) for span in sentence.spans])


@dataclass(frozen=True)
class About:
    """What a writer knows of all sentences together.

    model: whose predictions the entities are, as it is named in what is written; "" where they are labels.
    unit:  how words without a text are joined; None: as each sentence looks.
    """

    model: str = ""
    unit: Unit | None = None


class Loss(NamedTuple):
    """A kind of loss: what is counted, one and several, and what is done about it.

    names:  not the number is said, but which they are (in place of `{names}`).
    entity: an entity is not written.
    """

    one: str
    many: str
    done: str
    names: bool = False
    entity: bool = False


def _left_out(which: str) -> Loss:
    return Loss("entity", "entities", f"{which}: left out", entity=True)


LOSSES = {
    "column_words": Loss("word", "words", f"that columns cannot hold: written with {EXPLAINED}"),
    "column_types": Loss(
        "", "", "types that columns cannot hold are written as {names}; our readers turn that back", True
    ),
    "token_types": Loss("", "", "types with white space, which brat cannot hold, are written as {names}", True),
    "overlapping": _left_out("inside or across a longer one"),
    "crossing": _left_out("across a longer one"),
    "grouped": Loss(
        "entity", "entities", "inside or across a longer one: in the span group `sc`, beside all others of the document"
    ),
    "relations": _left_out("of a type that reads as a relation to an entity of the text"),
    "same_text": Loss("sentence", "sentences", "with a text that another one has: read back as one"),
    "empty": Loss("word", "words", f"of no character: written as {BLANK}"),
    "empty_entities": Loss("entity", "entities", "of no character: not marked"),
    "blank_entities": _left_out("of nothing but white space"),
    "uncounted": _left_out("of which a word does not count (`keep`)"),
    "blank": Loss("word", "words", "of nothing but white space: read as none"),
    "unlabelled": Loss("sentence", "sentences", "that nobody labelled: left out"),
    "keep": Loss("word", "words", "whose label does not count (`keep`): written as any other"),
    "negative": Loss("word", "words", "marked as surely of no entity (`negative`): written as any other"),
    "inside_words": Loss("entity", "entities", "with a border inside a word: written as whole words"),
    "weight": Loss("sentence", "sentences", "with a weight: written without it"),
    "lang": Loss("sentence", "sentences", "with a language: written without it"),
    "text": Loss("sentence", "sentences", "with a text: written are the words, not what stands between them"),
    "words": Loss("sentence", "sentences", "with words that reading cuts otherwise: written is the text alone"),
    "ids": Loss("sentence", "sentences", "with an id: written without it"),
    "file_ids": Loss("sentence", "sentences", "with an id that is no name of a file: written with a name made of it"),
}
"""Every kind of loss, in the order in which they are said."""


class Losses:
    """Counts what a format could not hold, with the id of the first sentence of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.names: dict[str, set[str]] = {}

    def add(self, kind: str, id: str, count: int = 1, name: str = "") -> None:
        """Count a loss in the sentence `id`. kind: a key of LOSSES; name: of kinds that say which they are."""
        if count:
            self.counts[kind] += count
            self.first.setdefault(kind, id)
            self.names.setdefault(kind, set()).add(name)

    def left_out(self) -> int:
        """How many entities were not written."""
        return sum(count for kind, count in self.counts.items() if LOSSES[kind].entity)

    def warnings(self) -> Iterator[str]:
        """A line for each kind."""
        for kind, loss in LOSSES.items():
            if not self.counts[kind]:
                continue
            if loss.names:
                what = loss.done.format(names=", ".join(sorted(self.names[kind])))
            else:
                what = f"{counted(self.counts[kind], loss.one, loss.many)} {loss.done}"
            yield f"{what}; the first in {self.first[kind]}; `format` jsonl holds everything"


class Writer(ABC):
    """Writes labelled sentences in one format.

    name:     of the format, as `--format` calls it.
    suffixes: of names of files that are of this format; "/" is a folder.
    holds:    what of a sentence can be read back: text, words, ids, lang, unlabelled (that nobody labelled it), keep,
              negative, weight, inside_words (as of a `Sentence`), nested entities. What is not held is counted.
    scores:   are those of a model written? (No reader takes them for anything: they are nobody's labels.)
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    holds: ClassVar[frozenset[str]] = frozenset()
    scores: ClassVar[bool] = False

    def __init__(self, about: About | None = None) -> None:
        self.about = about or About()

    def kept(self, records: Iterable[Labelled], losses: Losses) -> Iterator[tuple[Sentence, Sequence[Scored] | None]]:
        """The records that the format can hold, and counts what it cannot hold of them."""
        for record in records:
            if record.entities is None and "unlabelled" not in self.holds:
                losses.add("unlabelled", record.sentence.id)
                continue
            self._count(record.sentence, losses)
            yield record.sentence, record.entities

    def _count(self, sentence: Sentence, losses: Losses) -> None:
        found = {
            "keep": 0 if sentence.keep is None else sentence.keep.count(False),
            "negative": 0 if sentence.negative is None else sum(sentence.sure_negatives),
            "inside_words": len(sentence.widened),
            "weight": sentence.weight != 1,
        }
        if not self.about.model:  # of a prediction the input is still there
            found |= {"lang": sentence.lang is not None, "text": sentence.text is not None}
            found["ids"] = MADE_ID.fullmatch(sentence.id) is None
            found["words"] = "words" not in self.holds and self._cut_otherwise(sentence)
        for kind, count in found.items():
            if kind not in self.holds:
                losses.add(kind, sentence.id, int(count))

    def _cut_otherwise(self, sentence: Sentence) -> bool:
        """Would reading cut the text into other words?"""
        unit = self.about.unit or unit_of([sentence])
        return segment(placed(sentence, self.about.unit)[0], unit)[0] != sentence.words


class TextWriter(Writer):
    """A format that is text, written as sentences come. Each part ends with the end of a line."""

    def head(self) -> str:
        """What stands before the first sentence."""
        return ""

    @abstractmethod
    def block(self, sentence: Sentence, entities: Sequence[Scored] | None, losses: Losses) -> str:
        """One sentence. entities: None where nobody labelled it (only of formats that hold that)."""

    def foot(self) -> str:
        """What stands behind the last sentence."""
        return ""

    def parts(self, records: Iterable[Labelled], losses: Losses) -> Iterator[str]:
        """The text of a file, a sentence a part."""
        head = self.head()
        for sentence, entities in self.kept(records, losses):
            if head:  # not before: what is wrong with the records is said at the first one
                yield head
                head = ""
            yield self.block(sentence, entities, losses)
        if rest := head + self.foot():
            yield rest


class FileWriter(Writer):
    """A format that is no text, or more than one file.

    is_folder: what is written is a folder.
    """

    is_folder: ClassVar[bool] = False

    @abstractmethod
    def save(self, records: Iterable[Labelled], path: Path, losses: Losses) -> None:
        """Write a file, or fill a folder that is there and empty. Raises OSError."""

    def installed(self) -> None:
        """Raises DataError where a library is missing."""


AnyWriter = TextWriter | FileWriter
"""A writer is one or the other."""

Placed = tuple[str, Sequence[tuple[int, int]]]
"""A text, and for each word its (start, end) in it."""


def placed(sentence: Sentence, unit: Unit | None = None) -> Placed:
    """The text and where its words stand; without a text, the words joined (Chinese characters without blanks)."""
    if sentence.text is not None and sentence.offsets is not None:
        return sentence.text, sentence.offsets
    return _joined(sentence.words, unit or unit_of([sentence]))


def placed_for_tools(sentence: Sentence, unit: Unit | None, losses: Losses) -> Placed:
    """As `placed`; a word of no character, which no tool can mark, has a stand-in."""
    empty = sentence.words.count("")
    if sentence.text is not None or not empty:
        return placed(sentence, unit)
    losses.add("empty", sentence.id, empty)
    return _joined([word or BLANK for word in sentence.words], unit or unit_of([sentence]))


def _joined(words: Sequence[str], unit: Unit) -> Placed:
    between = separator(unit)
    offsets, end = [], -len(between)
    for word in words:
        start = end + len(between)
        end = start + len(word)
        offsets.append((start, end))
    return between.join(words), offsets


def characters(offsets: Sequence[tuple[int, int]], span: Span) -> tuple[int, int]:
    """Start and end of an entity in the text, end exclusive."""
    return offsets[span.start][0], offsets[span.end - 1][1]


def in_order(entities: Iterable[Scored]) -> list[Scored]:
    """Sorted by start, the longer one first."""
    return sorted(entities, key=lambda item: (item[0].start, -item[0].end, item[0].label))


def rounded(score: float) -> float:
    """A score as files have it."""
    return round(float(score), 4)
