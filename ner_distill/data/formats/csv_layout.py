"""What the columns of a table with a header hold: a word a row and its tag, or a text a row and its labels."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ner_distill.data.formats.exports import ENTITY_KEYS, FOREIGN_KEYS, TAG_KEYS

_DELIMITERS = "\t;,"
_LONGEST = 1 << 24  # characters of a cell, which may be a document
_SAMPLE = 200  # lines by which a table is told
_ENOUGH = 0.9  # of their rows
_TAG = re.compile(r"O|[BIMESLU]-\S+")
_LIST = re.compile(r"\{|\[\s*(?:[\[\]({\"']|$)")
_APART = re.compile(r"[^0-9a-z#]+")
# What columns are called, in small letters with one _ between their parts; of several that are there the first here.
WORDS = ("word", "words", "token", "tokens", "form")
TAGS = (
    *("ner_tag", "ner_tags", "ner", "ner_label", "ne_tag", "ne", "nertag", "iob_tag", "iob", "bio_tag", "bio", "iob2"),
    *("entity", "entity_tag", "entity_label", "entity_type", "tag", "tags", "label", "labels"),
)
_SENTENCES = (
    *("sentence_#", "sentence_id", "sentence_idx", "sentence_no", "sentence_nr", "sentence_number", "sentence_index"),
    *("sentenceid", "sent_id", "sent_idx", "sent_#", "sent_no", "sentid", "sent", "sentence"),
)
_DOCUMENTS = (
    *("document_#", "document_id", "document_idx", "document_no", "document_nr", "document_number", "document_index"),
    *("document_name", "documentid", "doc_#", "doc_id", "doc_idx", "doc_no", "doc_nr", "doc_name", "docid", "docno"),
    *("document", "doc", "file_id", "file_name", "fileid", "filename", "file", "article_id", "articleid", "text_id"),
)
_TEXTS = ("text", "sentence", "content", "document", "body")
_IDS = ("id", "doc_id", "text_id", "sentence_id", "sent_id")
_LABELS = frozenset({"entities", "word_labels", *ENTITY_KEYS, *TAG_KEYS, *FOREIGN_KEYS})


@dataclass(frozen=True)
class Layout:
    """What the columns of a table hold.

    header:   their names. quoted: cells may stand in double quotes.
    first:    the line of the first row: 1 where there is no header.
    word:     the column of the words, in a table with a word a row; None: it has a text a row.
    tags:     the columns of the tags of words, several are levels.
    sentence: the column that numbers the sentences; None: blank lines part them.
    document: the column that says which document a word is of: sentences end there too, and may be numbered in each.
    text:     the column of texts, or of lists of words. labels: (key, column) of what their labels may be.
    """

    delimiter: str
    header: tuple[str, ...]
    quoted: bool = True
    first: int = 2
    word: int | None = None
    tags: tuple[int, ...] = ()
    sentence: int | None = None
    document: int | None = None
    text: int | None = None
    id: int | None = None
    labels: tuple[tuple[str, int], ...] = ()

    @property
    def width(self) -> int:
        return len(self.header)

    @property
    def labelled(self) -> bool:
        return bool(self.tags or self.labels)

    def __str__(self) -> str:
        named = [("word", self.word), *(("tag", tag) for tag in self.tags)]
        named += [("document", self.document), ("sentence", self.sentence)]
        named += [("id", self.id), ("text", self.text), *(("labels", column) for _, column in self.labels)]
        return ", ".join(f"{what} {self.header[column]!r}" for what, column in named if column is not None)

    def rows(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
        """(line where it begins, cells) of each row, the header too; [] of a blank one. Raises csv.Error.

        lines: numbered, with their ends.
        """
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        reader = csv.reader((line for _, line in lines), delimiter=self.delimiter, quoting=quoting, strict=self.quoted)
        start = 1
        for cells in reader:
            yield start, cells if any(map(str.strip, cells)) else []
            start = reader.line_num + 1


def key_of(name: str) -> str:
    """The name of a column in small letters, with one _ between its parts."""
    return _APART.sub("_", name.strip().lower()).strip("_")


def joined_tags(cell: str) -> list[str]:
    """The tags in a cell that holds nothing but these, between commas or blanks; [] of any other."""
    tags = cell.replace(",", " ").split()
    return tags if all(map(_TAG.fullmatch, tags)) else []


def names_of(line: str) -> list[str]:
    """The columns that a first line names, at whatever separates most of them."""
    return max((_cells(line, delimiter) for delimiter in _DELIMITERS), key=len)


def layout_of(lines: Sequence[str], word_column: int | None = None, tag_columns: Sequence[int] = ()) -> Layout | None:
    """The layout of a table that begins with these lines (without their ends); None of what is no such table.

    word_column, tag_columns: as asked for, from 0, negative from the end; without them the names of the columns decide.
    """
    if not lines or not lines[0].strip():
        return None
    lines = lines[:_SAMPLE]
    if word_column is not None or tag_columns:
        return _asked(lines, word_column, tag_columns)
    tables = (_table(lines, delimiter) for delimiter in _DELIMITERS)
    return next((found for table in tables if (found := _by_names(table, _sample(table, lines)[0]))), None)


def table_with(lines: Sequence[str], column: str) -> Layout | None:
    """A table whose first line names this column, whatever else it holds; None where it does not."""
    tables = (_table(lines[:_SAMPLE], delimiter) for delimiter in _DELIMITERS if lines)
    return next((table for table in tables if column in table.header), None)


def fits(layout: Layout, lines: Sequence[str]) -> bool:
    """Are the first lines rows of this layout, without blank ones between them?"""
    rows, _ = _sample(layout, lines[:_SAMPLE])
    while rows and not rows[-1]:
        rows.pop()
    return [] not in rows and _are_rows(rows, layout)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _table(lines: Sequence[str], delimiter: str) -> Layout:
    """A table, of whose columns nothing is said but their names.

    Between tabs a double quote is a word as any other, unless cells are quoted and all rows can be read so.
    """
    table = Layout(delimiter, tuple(_cells(lines[0], delimiter)))
    if delimiter != "\t":
        return table
    plain = replace(table, quoted=False)
    rows, clean = _sample(table, lines)
    others, _ = _sample(plain, lines)
    quotes = any(len(cell) > 1 and cell.startswith('"') and cell.endswith('"') for row in others for cell in row)
    return table if clean and _are_rows(rows, table) and (quotes or not _are_rows(others, table)) else plain


def _are_rows(rows: Sequence[Sequence[str]], table: Layout) -> bool:
    """Are nearly all of these that are not blank as wide as the table?"""
    return sum(len(row) == table.width for row in rows) >= _ENOUGH * sum(map(bool, rows))


def _sample(table: Layout, lines: Sequence[str]) -> tuple[list[list[str]], bool]:
    """The rows of the first lines behind the header, and whether all of these could be read, as far as they go."""
    rows: list[list[str]] = []
    try:
        for _, cells in table.rows(enumerate([line + "\n" for line in lines], start=1)):
            rows.append(cells)
    except csv.Error as error:
        return rows[1:], "unexpected end" in str(error)
    return rows[1:], True


def _by_names(table: Layout, rows: Sequence[Sequence[str]]) -> Layout | None:
    if any(_TAG.fullmatch(name.strip()) for name in table.header):
        return None  # a word and its tag: no header
    keys = [key_of(name) for name in table.header]
    word, text, tag = _first(WORDS, keys), _first(_TEXTS, keys), _first(TAGS, keys)
    lists = {column for column in range(table.width) if _holds_lists(_column(rows, column))}
    if word is not None and word in lists:
        word, text = None, word
    elif word is None and "text" in keys and tag is not None and tag not in lists:
        cells = _column(rows, keys.index("text"))
        word = None if any(" " in cell.strip() for cell in cells) else keys.index("text")  # as of columns with a header
    if word is not None:
        sentence = _first(_SENTENCES, keys)
        tags = () if tag is None or tag == word else (tag,)
        if not tags and sentence is None:
            return None
        return replace(table, word=word, tags=tags, sentence=sentence, document=_first(_DOCUMENTS, keys))
    if text is None:
        return None
    labels = tuple((key, column) for column, key in enumerate(keys) if key in _LABELS and column != text)
    id = _first(_IDS, keys)
    return replace(table, text=text, id=None if id == text else id, labels=labels)


def _asked(lines: Sequence[str], word_column: int | None, tag_columns: Sequence[int]) -> Layout | None:
    """The layout of a table with a word a row whose columns the user names; those that it lacks stay as they are."""
    table = max((_table(lines, delimiter) for delimiter in _DELIMITERS), key=lambda table: table.width)
    keys = [key_of(name) for name in table.header]
    tag = _first(TAGS, keys)
    word = _first(WORDS, keys) if word_column is None else word_column
    asked = tuple(tag_columns) or (() if tag is None else (tag,))
    if word is None:
        return None
    word, *tags = (column + table.width if column < 0 else column for column in (word, *asked))
    known = [column for column in tags if 0 <= column < table.width]
    headless = any(_TAG.fullmatch(table.header[column].strip()) for column in known)
    table = replace(table, word=word, tags=tuple(tags))
    if headless:
        return replace(table, header=tuple(map(str, range(table.width))), first=1)
    others = ["" if column in (word, *tags) else key for column, key in enumerate(keys)]
    return replace(table, sentence=_first(_SENTENCES, keys), document=_first(_DOCUMENTS, others))


def _column(rows: Sequence[Sequence[str]], column: int) -> list[str]:
    return [row[column] for row in rows if len(row) > column]


def _first(names: Sequence[str], keys: Sequence[str]) -> int | None:
    """The column that is called by the first of these names that there is."""
    return next((keys.index(name) for name in names if name in keys), None)


def _holds_lists(cells: Sequence[str]) -> bool:
    """Are most cells that are not empty lists, objects or several tags?"""
    full = [cell.strip() for cell in cells if cell.strip()]
    return 2 * sum(_LIST.match(cell) is not None or len(joined_tags(cell)) > 1 for cell in full) > len(full)
