"""The file formats: how each is recognised and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_distill.data.formats.chinese import ccf2020_files, ccf2020_rows, cmeee_rows, is_ccf2020, is_cmeee
from ner_distill.data.formats.conll import conll_rows, is_conll
from ner_distill.data.formats.jsonl import cluener_rows, count_records, is_cluener, is_jsonl, jsonl_rows
from ner_distill.data.formats.lines import Beginning, count_lines, lines_of
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.formats.tables import hf_rows, is_hf, is_parquet, parquet_length, parquet_rows


def text_rows(path: str, options: RowOptions) -> Iterator[Row]:
    return (Row(path, number, text=line) for number, line in lines_of(path, report=options.report) if line.strip())


@dataclass(frozen=True)
class FileFormat:
    """A file format.

    recognises: is a file that begins like this of the format?
    rows:       the rows of a source; a row is a sentence as the file holds it.
    count:      about how many rows a source has, quickly; None where that cannot be said.
    chinese:    a format of Chinese data: texts are cut into characters.
    """

    recognises: Callable[[Beginning], bool]
    rows: Callable[[str, RowOptions], Iterator[Row]]
    count: Callable[[str], int | None] = count_lines
    chinese: bool = False


FORMATS: dict[str, FileFormat] = {
    "hf": FileFormat(is_hf, hf_rows, lambda source: None),
    "ccf2020": FileFormat(
        lambda beginning: not beginning.is_stdin and is_ccf2020(beginning.source),
        ccf2020_rows,
        lambda source: len(ccf2020_files(source)),
        chinese=True,
    ),
    "parquet": FileFormat(is_parquet, parquet_rows, parquet_length),
    "cluener": FileFormat(is_cluener, cluener_rows, count_records, chinese=True),
    "jsonl": FileFormat(is_jsonl, jsonl_rows, count_records),
    "conll": FileFormat(is_conll, conll_rows, lambda source: count_lines(source, blank=True)),
    "cmeee": FileFormat(is_cmeee, cmeee_rows, chinese=True),
    "text": FileFormat(lambda beginning: False, text_rows),  # what none of the others recognises
}
"""By name, in the order in which they are tried on a file: it is of the first that recognises it."""


def detect_format(source: str | Path, *, tag_columns: Sequence[int] = ()) -> str:
    """The format of a source: a file, a directory, "-" or `hf:...`.

    By content first, then by name; of standard input by the lines that are there. What is nothing else is text.
    Raises DataError where the first lines are not UTF-8.
    """
    beginning = Beginning(source, tag_columns)
    return next((name for name, format in FORMATS.items() if format.recognises(beginning)), "text")
