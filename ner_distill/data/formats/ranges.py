"""Raw text in parts of so many sentences: where each begins, found by one pass over the files, and kept.

A part is read from where it begins, so that who reads it reads nothing else; it has the sentences, with the ids, that
the stream of all text has there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from ner_distill.data.formats.documents import document_of, pieces_of
from ner_distill.data.formats.lines import Position
from ner_distill.data.formats.packed import opened
from ner_distill.data.formats.readers import RawSources, Start
from ner_distill.data.formats.report import ReadReport
from ner_distill.data.formats.rows import Row, without_surrogates
from ner_distill.errors import NerDistillError
from ner_distill.files import atomic_write_text

FORMAT = "ner-distill/plan/1"
# What no white space is, which is enough of a word: ASCII; U+00C0 to U+07FF; U+4000 to U+DFFF.
_WORD = re.compile(rb"[!-~]|[\xc3-\xdf][\x80-\xbf]|[\xe4-\xed]")
_WORD_OF_TEXT = re.compile("[!-~\u00c0-\u07ff\u4000-\ud7ff]")


@dataclass(frozen=True)
class Ranges:
    """Raw text in parts of `size` sentences, of which the last may have fewer.

    sentences: how many there are in all. starts: where each part begins.
    """

    size: int
    sentences: int
    starts: Sequence[Start]

    def count(self, index: int) -> int:
        """How many sentences a part has."""
        return min(self.size, self.sentences - index * self.size)

    def save(self, path: Path, key: str) -> None:
        """Keep it in a file, unless something else is there. key: what it was made of."""
        if path.exists() and _read(path) is None:
            return
        about = {"format": FORMAT, "key": key, "size": self.size, "sentences": self.sentences}
        lines = chain([json.dumps(about)], map(json.dumps, self.starts))
        with suppress(OSError, NerDistillError):  # nothing is lost without it: it is made again
            atomic_write_text(path, "\n".join(lines) + "\n")

    @staticmethod
    def forget(path: Path) -> None:
        """Remove what was kept in a file; what is none of ours stays."""
        if _read(path) is not None:
            with suppress(OSError):
                path.unlink()

    @classmethod
    def saved(cls, path: Path, key: str) -> Ranges | None:
        """The one that was kept; None where there is none, or it was made of something else, or is damaged."""
        found = _read(path)
        return found[1] if found is not None and found[0] == key else None


def _read(path: Path) -> tuple[str, Ranges] | None:
    """The key of a file and its ranges; None where it is none of ours or damaged."""
    try:
        first, *lines = path.read_text("utf-8").splitlines()
        about = json.loads(first)
        starts = [Start(*map(int, json.loads(line))) for line in lines]
        ranges = Ranges(int(about["size"]), int(about["sentences"]), starts)
        whole = about["format"] == FORMAT and len(starts) == -(-ranges.sentences // ranges.size)
        return (str(about["key"]), ranges) if whole else None
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


def find_ranges(
    sources: RawSources,
    size: int,
    limit: int = 0,
    *,
    say: Callable[[str], None] | None = None,
    advance: Callable[[int], None] = lambda sentences: None,
) -> Ranges:
    """Where each part of `size` sentences begins, of sources that `begin_anywhere`.

    limit:   the most sentences; 0: all.
    say:     is told what reading takes where it has to decide.
    advance: told how many sentences were passed since it was last called.
    Raises DataError for a malformed record; a line of text is looked at by who reads it.
    """
    starts, seen, told = list[Start](), 0, 0
    for start, sentences in _rows(sources, ReadReport(say=say)):
        while len(starts) * size < seen + sentences and not (limit and len(starts) * size >= limit):
            starts.append(start._replace(skip=len(starts) * size - seen))
        seen += sentences
        if seen - told >= size:
            advance(seen - told)
            told = seen
        if limit and seen >= limit:
            return Ranges(size, limit, starts)
    return Ranges(size, seen, starts)


def _rows(sources: RawSources, report: ReadReport) -> Iterator[tuple[Start, int]]:
    """For each row where it begins, and how many sentences are in it."""
    plain = sources.cut.documents == "line" and sources.cut.splitter is None
    for number, source in enumerate(sources.sources):
        quick = plain and source.format == "text"
        yield from _lines(sources, number) if quick else _records(sources, number, report)


def _lines(sources: RawSources, number: int) -> Iterator[tuple[Start, int]]:
    """As `_rows`, of lines of text: quickly."""
    path, offset = sources.sources[number].path, 0
    with opened(path) as file:
        for line, raw in enumerate(file):
            if _WORD.search(raw) is not None or _doubtful(sources, path, raw):
                yield Start(number, offset, line, 0), 1
            offset += len(raw)


def _doubtful(sources: RawSources, path: str, raw: bytes) -> int:
    text = raw.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r\n")
    return _count(sources, Row(path, 1, text=text)) if text.strip() else 0


def _records(sources: RawSources, number: int, report: ReadReport) -> Iterator[tuple[Start, int]]:
    position = Position()
    start = Start(number, 0, 0, 0)
    for row, _ in sources.rows(number, report, position):
        yield start, _count(sources, row)
        start = Start(number, position.offset, position.line, 0)


def _count(sources: RawSources, row: Row) -> int:
    """How many sentences of a row are read."""
    splitter = sources.cut.splitter
    if row.text is None:
        return int(bool(row.words))
    if splitter is None:
        if row.offsets is not None:
            return int(bool(row.offsets))
        return 1 if _WORD_OF_TEXT.search(row.text) is not None else _count_by_words(sources, row)
    text = without_surrogates(row.text, row, ReadReport())
    sentences = 0
    for piece, _ in pieces_of(replace(row, text=text), splitter):
        if not piece.offsets and _WORD_OF_TEXT.search(piece.text or "") is None:
            return _count_by_words(sources, row)
        sentences += 1
    return sentences or _count_by_words(sources, row)


def _count_by_words(sources: RawSources, row: Row) -> int:
    """As `_count`, where no character is surely of a word: text is cut into words, which takes as long again."""
    document = document_of(row, "", sources.unit, ReadReport(), sources.cut.splitter)
    return len(document.parts) if document.whole.words else 0
