"""CSV and TSV with a header: see `csv_layout.py` for what their columns hold."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ner_distill.data.formats.csv_layout import (
    TAGS,
    WORDS,
    Layout,
    fits,
    joined_tags,
    key_of,
    layout_of,
    names_of,
    table_with,
)
from ner_distill.data.formats.jsonl import row_of_foreign
from ner_distill.data.formats.lines import Beginning, count_lines, lines_of
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.formats.texts import keyed_row, no_such_key
from ner_distill.errors import DataError

_NAMES = (".csv",)
_EXPECTED = (
    "expected a header with a column of words (word, token) and one of their tags (tag, ner_tags), or with a text "
    "(text, sentence) and its entities as JSON (entities, labels)"
)


def is_csv(beginning: Beginning) -> bool:
    """Does the first line name columns that are read here, and are the next ones their rows? Or is it called .csv?

    A table between tabs with a word a row is a CoNLL file with a header, unless a column says where sentences begin.
    """
    if beginning.suffix in _NAMES:
        return bool(beginning.lines)
    lines = beginning.first_lines
    layout = layout_of(lines)
    if layout is None or layout.width < 2 or len(lines) < 2 or not fits(layout, lines):
        return False
    return layout.delimiter != "\t" or layout.word is None or layout.sentence is not None


def has_column(beginning: Beginning, name: str) -> bool:
    """Does the first line name such a column, and is it not the only one, unless the file is called .csv?"""
    table = table_with(beginning.first_lines, name)
    return table is not None and (table.width > 1 or beginning.suffix in _NAMES)


def csv_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each sentence of words, or for each text.

    The columns are those that the header calls so, or that `word_column` and `tag_columns` of the options say. Words of
    one sentence have its number in each of their rows or in the first alone; without such a column blank lines part
    sentences. Labels of a text are JSON, or lists and dictionaries as Python prints them; an empty cell: unlabelled.
    With `text_key` the column of that name is the text: see `keyed_row`.
    Raises DataError that names the columns where there are no such ones, and for rows of another width.
    """
    if options.text_key is not None:
        layout, rows = _keyed_layout(path, options.text_key), _keyed
    else:
        layout = _layout(path, options)
        rows = _texts if layout.word is None else _sentences
    options.report.columns[path] = str(layout)
    several = [name for name in layout.header if key_of(name) in TAGS]
    if layout.tags and len(several) > 1 and not options.tag_columns and not options.bare_words:
        taken = f"reads column {layout.header[layout.tags[0]]!r} as tags, of {', '.join(map(repr, several))}"
        options.report.remark(path, f"{taken}; `tag_column` says otherwise")
    try:
        yield from rows(path, layout, options)
    except csv.Error as error:
        raise DataError(
            f"{path}: is no table with {layout.delimiter!r} between its cells: {error}; a cell with a double quote in "
            'it stands in double quotes, and its own are written twice ("")'
        ) from None


def csv_length(path: str) -> int | None:
    """About how many texts a table has; None of one with a word a row."""
    layout = layout_of(Beginning(path).first_lines)
    return None if layout is None or layout.text is None else count_lines(path) - 1


def _layout(path: str, options: RowOptions) -> Layout:
    """Raises DataError where the columns are none that are read."""
    lines = Beginning(path).first_lines
    layout = layout_of(lines, options.word_column, options.tag_columns)
    names = names_of(lines[0] if lines else "")
    found = f"found {', '.join(map(repr, names))}"
    if layout is None or not (options.bare_words or layout.labelled):
        otherwise = "`word_column` and `tag_column` say which (from 0); as format text the lines are read as they are"
        raise DataError.at(path, 1, f"{_EXPECTED}, {found}; {otherwise}")
    for option, column in [("`word_column`", layout.word), *(("`tag_column`", tag) for tag in layout.tags)]:
        if column is not None and not 0 <= column < layout.width:
            known = f"0 to {layout.width - 1} (or -1 for the last)"
            raise DataError.at(path, 1, f"{option} {column}: expected {known}, {found}")
    if layout.word in layout.tags:
        raise DataError.at(
            path, 1, f"`tag_column` {layout.word}: expected another column than that of the words, {found}"
        )
    return layout


def _keyed_layout(path: str, key: str) -> Layout:
    """Raises DataError where no column is called so."""
    lines = Beginning(path).first_lines
    table = table_with(lines, key)
    if table is None:
        raise DataError.at(path, 1, no_such_key(key, dict.fromkeys(names_of(lines[0] if lines else ""))))
    return replace(table, text=table.header.index(key))


def _rows(path: str, layout: Layout, options: RowOptions) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row behind the header; [] of a blank one. Raises DataError, csv.Error."""
    for number, cells in layout.rows(lines_of(path, ends=True, report=options.report)):
        if number < layout.first:
            continue
        if cells and len(cells) != layout.width:
            found = layout.delimiter.join(cells)
            wanted = f"expected {layout.width} columns (as on line 1)"
            raise DataError.at(path, number, f"{wanted}, found {len(cells)}: {found[:60]!r}")
        yield number, cells


# ---- a word a row


def _sentences(path: str, layout: Layout, options: RowOptions) -> Iterator[Row]:
    rows: list[list[str]] = []
    lines: list[int] = []
    document = sentence = ""
    for number, cells in _rows(path, layout, options):
        now = _named(cells, layout.document), _named(cells, layout.sentence)
        other_document = now[0] not in ("", document)
        if rows and (not cells or other_document or now[1] not in ("", sentence)):
            yield _sentence(path, _id(document, sentence), rows, lines, layout, options)
            rows, lines = [], []
        if not cells:
            continue
        document, sentence = now[0] or document, now[1] or (sentence if rows else "")
        rows.append(cells)
        lines.append(number)
    if rows:
        yield _sentence(path, _id(document, sentence), rows, lines, layout, options)


def _named(cells: list[str], column: int | None) -> str:
    """What stands in a column; "" where there is none, and in a blank row."""
    return cells[column].strip() if cells and column is not None else ""


def _id(document: str, sentence: str) -> str:
    """The id of a sentence by its own number and the document that it is in; "" where it has no number."""
    return f"{document}#{sentence}" if document and sentence else sentence


def _sentence(path: str, id: str, rows: list[list[str]], lines: list[int], layout: Layout, options: RowOptions) -> Row:
    """The row of a sentence; lines: where its words stand."""
    words = tuple(cells[layout.word or 0].strip() for cells in rows)
    for number, word in zip(lines, words, strict=True):
        if "\n" in word:
            raise DataError.at(
                path,
                number,
                f"expected a word, found one over several lines: {word[:60]!r}; a double quote that is a word is "
                'written as four of them ("""")',
            )
    places = () if lines[-1] - lines[0] + 1 == len(lines) else tuple(lines)
    levels = [] if options.bare_words else [tuple(cells[tag].strip() for cells in rows) for tag in layout.tags]
    tags = levels[0] if levels else None
    return Row(path, lines[0], id or None, words, tags, lines_per_word=1, inner_tags=tuple(levels[1:]), lines=places)


# ---- a text a row


def _texts(path: str, layout: Layout, options: RowOptions) -> Iterator[Row]:
    place = layout.text or 0
    of_words = key_of(layout.header[place]) in WORDS
    for number, cells in _rows(path, layout, options):
        if not cells:
            continue
        record: dict[str, Any] = {"id": (cells[layout.id].strip() or None) if layout.id is not None else None}
        record |= {"words": _literal(cells[place])} if of_words else {"text": cells[place]}
        for key, column in () if options.bare_words else layout.labels:
            tags = joined_tags(cells[column])
            if tags and not of_words and len(tags) == len(cells[place].split()):
                record = {"id": record["id"], "words": cells[place].split(), "tags": tags}
                break
            record[key] = _literal(cells[column]) if cells[column].strip() else None
        yield row_of_foreign(record, path, number, options)


def _keyed(path: str, layout: Layout, options: RowOptions) -> Iterator[Row]:
    for number, cells in _rows(path, layout, options):
        if cells:
            yield keyed_row(dict(zip(layout.header, cells, strict=True)), path, number, options)


def _literal(cell: str) -> Any:
    """What a cell says in JSON or, being a list or a dictionary, as Python prints it; the cell itself if in neither."""
    with suppress(ValueError, RecursionError):
        return json.loads(cell)
    if cell.strip().startswith(("[", "{", "(")):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return _as_json(ast.literal_eval(cell.strip()))  # of literals alone: nothing in it is executed
    return cell


def _as_json(value: Any) -> Any:
    """The value with lists in place of tuples."""
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return {key: _as_json(item) for key, item in value.items()} if isinstance(value, dict) else value
