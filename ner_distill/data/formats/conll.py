"""CoNLL columns: a word a line, its columns separated by white space, a blank line after each sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from ner_distill.data.formats.lines import Beginning, lines_of
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.formats.standins import type_of_column
from ner_distill.errors import DataError

DOCSTART = "-DOCSTART-"
_NAMES = (".conll", ".bio", ".iob", ".iob2", ".bmes", ".bioes", ".conllu")
_TAG = re.compile(r"O|[A-Z]-\S+")  # what could be meant as a tag, right or wrong
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


def is_conll(beginning: Beginning) -> bool:
    """Has more than half of the lines the same number of columns (two at least) and a tag where it should be?

    More than half is enough: a file with some lines of a wrong length is still read as CoNLL and gets an error,
    instead of being taken for plain text.
    """
    lines, tag_column = beginning.lines, beginning.tag_column
    if not lines:
        return False
    if beginning.suffix in _NAMES or lines[0].startswith(DOCSTART):
        return True
    rows = [columns_of(line) for line in lines]
    width, _ = Counter(len(row) for row in rows).most_common(1)[0]
    if width < 2 or not -width <= tag_column < width:
        return False
    if len(rows) == 1:  # may be a text that ends with "T-shirt"
        return re.fullmatch(r"[BIMES]-[A-Z]+", rows[0][tag_column]) is not None
    tagged = sum(len(row) == width and _TAG.fullmatch(row[tag_column]) is not None for row in rows)
    return 2 * tagged > len(rows)


def conll_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each sentence; the word is the first column, the tag is column `tag_column` (from 0; -1 is the last).

    All lines have as many columns as the first. `-DOCSTART-` lines are skipped and end a sentence. A line that
    begins with # before a sentence and has no tag is a comment; `# id = X` names the sentence.
    Without tags (`bare_words`) one column is enough.
    Raises DataError for a line with another number of columns, and where there is no such tag column.
    """
    tag_column, bare_words = options.tag_column, options.bare_words
    words: list[str] = []
    tags: list[str] = []
    start, expected, first, id = 0, 0, 0, None
    for number, line in chain(lines_of(path, bare_cr=False), [(0, "")]):
        if not line.strip(" \t") or line.startswith(DOCSTART):
            if words:
                yield Row(path, start, id, tuple(words), None if bare_words else tuple(tags), lines_per_word=1)
                words, tags, id = [], [], None
            continue
        columns = columns_of(line)
        if not words and line.startswith("#") and not _tagged(columns, tag_column):
            id = match[1] if (match := _ID.match(line)) else id
            continue
        if not expected:
            expected, first = len(columns), number
            if not bare_words:
                _check_column(tag_column, columns, path, number)
        if len(columns) != expected:
            if columns[0] != " " or len(columns) != expected + 1:
                found = f"found {len(columns)}: {line!r}"
                raise DataError.at(path, number, f"expected {expected} columns (as on line {first}), {found}")
            del columns[0]  # the line is indented
        if not words:
            start = number
        words.append(columns[0])
        if not bare_words:
            tags.append(type_of_column(columns[tag_column]))


def _tagged(columns: list[str], tag_column: int) -> bool:
    inside = -len(columns) <= tag_column < len(columns)
    return len(columns) > 1 and inside and _TAG.fullmatch(columns[tag_column]) is not None


def _check_column(tag_column: int, columns: list[str], path: str, number: int) -> None:
    if len(columns) < 2:
        raise DataError.at(
            path,
            number,
            f"expected a word and its tag in columns, found 1 column: {columns[0]!r}; "
            "raw text and words without tags are for `text`",
        )
    if not -len(columns) <= tag_column < len(columns) or tag_column in (0, -len(columns)):
        raise DataError.at(
            path,
            number,
            f"`tag_column` {tag_column}: expected 1 to {len(columns) - 1} (or -1 for the last), "
            f"found {len(columns)} columns, of which column 0 is the word: {' '.join(columns)!r}",
        )
