"""Formats of Chinese data sets: CMeEE and CCF 2020. (CLUENER is JSON Lines: `jsonl.py`.)"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from ner_distill.data.formats.lines import Beginning, lines_of, read_text
from ner_distill.data.formats.rows import Entity, Row, RowOptions
from ner_distill.errors import DataError

SEPARATOR = "|||"
_CMEEE_LINE = re.compile(r"\|\|\|\s*\d+\s+\d+\s+\S+\s*\|\|\|")
_CMEEE_ENTITY = re.compile(r"\s*(\d+)\s+(\d+)\s+(\S+)\s*")
_CCF_COLUMNS = ("Category", "Pos_b", "Pos_e", "Privacy")


def is_cmeee(beginning: Beginning) -> bool:
    """Has a line an entity between `|||`, or do all lines end with it?"""
    lines = beginning.lines
    return any(map(_CMEEE_LINE.search, lines)) or (
        bool(lines) and all(line.rstrip().endswith(SEPARATOR) for line in lines)
    )


def cmeee_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """`text|||start    end    type|||...` a line, ends inclusive; entities may nest.

    A line without `|||` is a sentence without entities. Raises DataError where an entity is not of this form.
    """
    for number, line in lines_of(path, bare_cr=False, keep_marks=True, report=options.report):
        if not line.strip():
            continue
        text, *parts = line.split(SEPARATOR)
        if options.bare_words:
            yield Row(path, number, text=text)
            continue
        entities = []
        for part in filter(str.strip, parts):
            match = _CMEEE_ENTITY.fullmatch(part)
            if match is None:
                raise DataError.at(path, number, f"expected `start    end    type` between |||, found {part!r}")
            entities.append(Entity(int(match[1]), int(match[2]) + 1, match[3]))
        yield Row(path, number, text=text, entities=tuple(entities))


def is_ccf2020(path: Path | str) -> bool:
    return (Path(path) / "data").is_dir() and (Path(path) / "label").is_dir()


def ccf2020_files(directory: Path | str) -> list[tuple[Path, Path]]:
    """The text and the label file of each document (the second may be missing), in the order of their numbers.

    Raises DataError where there is no text, or a label file without one.
    """
    directory = Path(directory)
    texts = sorted((directory / "data").glob("*.txt"), key=lambda path: (len(path.stem), path.stem))
    if not texts:
        raise DataError(f"{directory / 'data'}: expected documents named 0.txt, 1.txt, ..., found none")
    labels = {path.stem: path for path in (directory / "label").glob("*.csv")}
    if orphans := sorted(labels.keys() - {path.stem for path in texts}):
        raise DataError(f"{labels[orphans[0]]}: has no text; expected {directory / 'data' / orphans[0]}.txt")
    return [(path, directory / "label" / f"{path.stem}.csv") for path in texts]


def ccf2020_rows(directory: str, options: RowOptions) -> Iterator[Row]:
    """A row for each `data/N.txt` (a whole document) with `label/N.csv`.

    The table's columns are `ID,Category,Pos_b,Pos_e,Privacy`: type, first and last character (inclusive) in the
    document, and the entity itself. A document without a table is unlabelled. Raises DataError for a malformed table.
    """
    for text_path, label_path in ccf2020_files(directory):
        text = read_text(text_path)
        if options.bare_words or not label_path.is_file():
            yield Row(str(text_path), 1, text_path.stem, text=text)
        else:
            yield Row(str(label_path), 1, text_path.stem, text=text, entities=tuple(_ccf2020_entities(label_path)))


def _ccf2020_entities(path: Path) -> Iterator[Entity]:
    table = csv.DictReader(io.StringIO(read_text(path), newline=""))
    missing = [column for column in _CCF_COLUMNS if column not in (table.fieldnames or ())]
    if missing:
        raise DataError.at(
            path, 1, f"expected the columns ID,Category,Pos_b,Pos_e,Privacy, found {','.join(table.fieldnames or ())!r}"
        )
    for record in table:
        kind, start, end, surface = (record[column] for column in _CCF_COLUMNS)
        try:
            yield Entity(int(start), int(end) + 1, kind, surface, table.line_num)
        except (TypeError, ValueError):
            found = ",".join(str(value) for value in record.values())
            raise DataError.at(path, table.line_num, f"expected numbers in Pos_b and Pos_e, found {found!r}") from None
