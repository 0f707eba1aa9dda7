"""CoNLL columns: a word a line, its columns separated by white space, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ner_distill.data.formats.lines import lines_of
from ner_distill.data.formats.rows import Row
from ner_distill.errors import DataError

DOCSTART = "-DOCSTART-"
_TAG = re.compile(r"O|[A-Z]-\S+")
_ID = re.compile(r"#\s*(?:sent_)?id\s*[=:\s]\s*(\S+)")
_BLANKS = re.compile(r"[ \t]+")


def columns_of(line: str) -> list[str]:
    """The columns of a line: at tabs where it has any, else at runs of blanks.

    Only tab and blank separate: a word may be a no-break or an ideographic space. It may be a blank as well: before
    a tab, or at the beginning of a line.
    """
    if "\t" in line:
        return line.rstrip(" \t").split("\t")
    columns = _BLANKS.split(line.rstrip(" "))
    return [" ", *columns[1:]] if line.startswith(" ") else columns


def looks_like_tag(text: str) -> bool:
    """Could this be meant as a tag, right or wrong?"""
    return _TAG.fullmatch(text) is not None


def is_blank(line: str) -> bool:
    """Does the line end a sentence?"""
    return not line.strip(" \t")


def conll_rows(path: Path | str, name: str, *, tag_column: int = -1, bare_words: bool = False) -> Iterator[Row]:
    """A row for each sentence; the word is the first column, the tag is column `tag_column` (from 0; -1 is the last).

    All lines have as many columns as the first. `-DOCSTART-` lines are skipped and end a sentence. A line that
    begins with # before a sentence and has no tag is a comment; `# id = X` names the sentence.
    bare_words: read no tags, so that one column is enough.
    Raises DataError for a line with another number of columns, and where there is no such tag column.
    """
    words: list[str] = []
    tags: list[str] = []
    start, expected, first, id = 0, 0, 0, None
    for number, line in lines_of(path, bare_cr=False):
        if is_blank(line) or line.startswith(DOCSTART):
            if words:
                yield Row(name, start, id, tuple(words), None if bare_words else tuple(tags), lines_per_word=1)
                words, tags, id = [], [], None
            continue
        columns = columns_of(line)
        if not words and line.startswith("#") and not _tagged(columns, tag_column):
            id = match[1] if (match := _ID.match(line)) else id
            continue
        if not expected:
            expected, first = len(columns), number
            if not bare_words:
                _check_column(tag_column, columns, name, number)
        if len(columns) != expected:
            if columns[0] != " " or len(columns) != expected + 1:
                found = f"found {len(columns)}: {line!r}"
                raise DataError.at(name, number, f"expected {expected} columns (as on line {first}), {found}")
            del columns[0]  # the line is indented
        if not words:
            start = number
        words.append(columns[0])
        if not bare_words:
            tags.append(columns[tag_column])
    if words:
        yield Row(name, start, id, tuple(words), None if bare_words else tuple(tags), lines_per_word=1)


def _tagged(columns: list[str], tag_column: int) -> bool:
    inside = -len(columns) <= tag_column < len(columns)
    return len(columns) > 1 and inside and looks_like_tag(columns[tag_column])


def _check_column(tag_column: int, columns: list[str], name: str, number: int) -> None:
    if len(columns) < 2:
        raise DataError.at(
            name,
            number,
            f"expected a word and its tag in columns, found 1 column: {columns[0]!r}; "
            "raw text and words without tags are for `text`",
        )
    if not -len(columns) <= tag_column < len(columns) or tag_column in (0, -len(columns)):
        raise DataError.at(
            name,
            number,
            f"`tag_column` {tag_column}: expected 1 to {len(columns) - 1} (or -1 for the last), "
            f"found {len(columns)} columns, of which column 0 is the word: {' '.join(columns)!r}",
        )
