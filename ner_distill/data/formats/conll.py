"""CoNLL columns: a word a line, its columns separated by white space, a blank line after each sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from ner_distill.data.formats.columns import (
    DOCSTART,
    RANGE,
    Columns,
    columns_in,
    columns_of,
    looks_labelled,
    looks_like_words,
)
from ner_distill.data.formats.lines import Beginning, lines_of
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.formats.standins import type_of_column
from ner_distill.errors import DataError

_NAMES = (".conll", ".bio", ".iob", ".iob2", ".bmes", ".bioes", ".bilou", ".biluo", ".conllu", ".conllup")
_TAG = re.compile(r"O|[A-Z]-\S+")  # what could be meant as a tag, right or wrong
_ID = re.compile(r"#\s*(?:sent_)?id\s*[=:\s]\s*(\S+)")


def is_conll(beginning: Beginning) -> bool:
    """Has more than half of the lines the same number of columns (two at least) and a tag where it should be?

    More than half is enough: a file with some lines of a wrong length is still read as CoNLL and gets an error,
    instead of being taken for plain text. Tags elsewhere or of another spelling are looked for in nearly all lines.
    """
    lines = beginning.lines
    if not lines:
        return False
    if beginning.suffix in _NAMES or lines[0].startswith(DOCSTART):
        return True
    tag_column = next(iter(beginning.tag_columns), -1)
    rows = [columns_of(line) for line in lines]
    width, _ = Counter(len(row) for row in rows).most_common(1)[0]
    inside = width > 1 and -width <= tag_column < width
    if len(rows) == 1:  # may be a text that ends with "T-shirt"
        return inside and re.fullmatch(r"[BIMES]-[A-Z]+", rows[0][tag_column]) is not None
    tagged = sum(len(row) == width and _TAG.fullmatch(row[tag_column]) is not None for row in rows) if inside else 0
    return 2 * tagged > len(rows) or looks_labelled(lines) or looks_like_words(beginning.first_lines)


def conll_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each sentence: the words of one column, the tags of one or of several (see `Columns`).

    All lines have as many columns as the first. `-DOCSTART-` lines are skipped and end a sentence. Before a sentence
    a line that begins with # is a comment, if it has other columns or no tag; `# id = X` names the sentence.
    Without tags (`bare_words`) one column is enough. Lines of CoNLL-U that are no words (1-2, 1.1) are left out and
    counted. Raises DataError for a line with another number of columns, and where there is no such column.
    """
    report, bare_words = options.report, options.bare_words
    columns = _columns(path, options)
    cells: list[list[str]] = []
    lines: list[int] = []
    skipped: Counter[str] = Counter()
    expected, first, id = 0, 0, None
    header = columns.header if options.position is None or not options.position.inside else ""
    for number, line in chain(lines_of(path, bare_cr=False, report=report, position=options.position), [(0, "")]):
        if not line.strip(" \t") or line.startswith(DOCSTART):
            if cells:
                yield _row(path, id, cells, lines, columns, bare_words=bare_words)
                cells, lines, id = [], [], None
            continue
        if line.startswith("#") and _is_comment(line, columns, first=not cells, bare_words=bare_words):
            id = match[1] if (match := _ID.match(line)) else id
            continue
        if not expected and header and line == header:
            continue
        row = columns.cells(line)
        if not expected:
            expected, first = len(row), number
            _check_columns(columns, options, row, path, number)
        if len(row) != expected:
            if row[0] != " " or len(row) != expected + 1:
                found = f"found {len(row)}: {line!r}"
                wanted = counted(expected, "column")
                raise DataError.at(path, number, f"expected {wanted} (as on line {first}), {found}")
            del row[0]  # the line is indented
        if columns.index is not None and columns.index < expected and RANGE.fullmatch(row[columns.index]):
            skipped["multiword token (1-2)" if "-" in row[columns.index] else "empty node (1.1)"] += 1
            continue
        cells.append(row)
        lines.append(number)
    for what, count in skipped.items():
        report.remark(
            path, f"{counted(count, f'line of a {what}', f'lines of {what}')} left out: no words of their own"
        )


def _columns(path: str, options: RowOptions) -> Columns:
    """What the columns of the file hold; what was to be decided is said in the report."""
    lines = Beginning(path).first_lines
    columns = columns_in(lines, options.word_column, options.tag_columns, bare_words=options.bare_words)
    options.report.columns[path] = str(columns)
    if columns.remark:
        options.report.remark(path, columns.remark)
    return columns


def _row(
    path: str, id: str | None, cells: list[list[str]], lines: list[int], columns: Columns, *, bare_words: bool
) -> Row:
    """The row of a sentence; lines: where its words stand."""
    words = tuple([row[columns.word] for row in cells])
    places = () if lines[-1] - lines[0] + 1 == len(lines) else tuple(lines)
    if bare_words:
        return Row(path, lines[0], id, words, lines_per_word=1, lines=places)
    levels = [tuple(type_of_column(columns.tag(row[tag])) for row in cells) for tag in columns.tags]
    return Row(path, lines[0], id, words, levels[0], lines_per_word=1, inner_tags=tuple(levels[1:]), lines=places)


def _is_comment(line: str, columns: Columns, *, first: bool, bare_words: bool) -> bool:
    """first: it stands before a sentence. Between its words it can be one in a file with tabs, where it has none."""
    if first:
        return columns.is_comment(line, bare_words=bare_words)
    return columns.tabbed and "\t" not in line and line.startswith("# ")


def _check_columns(columns: Columns, options: RowOptions, row: list[str], path: str, number: int) -> None:
    """Raises DataError where the file has not the columns that it is read by."""
    if len(row) < 2 and not options.bare_words:
        raise DataError.at(
            path,
            number,
            f"expected a word and its tag in columns, found 1 column: {row[0]!r}; "
            "raw text and words without tags are for `text`",
        )
    asked = [("`word_column`", columns.word), *(("`tag_column`", tag) for tag in columns.tags)]
    for name, column in asked:
        if not 0 <= column < len(row):
            known = f"0 to {len(row) - 1} (or -1 for the last)"
            raise DataError.at(
                path, number, f"{name} {column}: expected {known}, found {len(row)} columns: {' '.join(row)!r}"
            )
    if columns.word in columns.tags:
        raise DataError.at(
            path,
            number,
            f"`tag_column` {columns.word}: expected another column than that of the words, {columns.word}; "
            f"`word_column` says which that is; found {' '.join(row)!r}",
        )
