"""The file formats: how each is recognised and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_distill.data.formats.chinese import ccf2020_files, ccf2020_rows, cmeee_rows, is_ccf2020, is_cmeee
from ner_distill.data.formats.conll import conll_rows, is_conll
from ner_distill.data.formats.csv_tables import csv_length, csv_rows, is_csv
from ner_distill.data.formats.jsonl import (
    cluener_rows,
    count_records,
    has_record_a_line,
    is_cluener,
    is_jsonl,
    jsonl_rows,
)
from ner_distill.data.formats.lines import Beginning, count_lines
from ner_distill.data.formats.rows import Row, RowOptions
from ner_distill.data.formats.tables import (
    hf_rows,
    is_hf,
    is_parquet,
    is_saved,
    parquet_length,
    parquet_rows,
    saved_files,
    saved_length,
    saved_rows,
)
from ner_distill.data.formats.texts import text_rows
from ner_distill.data.formats.tools.argilla import argilla_rows, is_argilla
from ner_distill.data.formats.tools.brat import brat_files, brat_pairs, brat_rows, is_brat
from ner_distill.data.formats.tools.cblue import cmeee_json_rows, is_cmeee_json
from ner_distill.data.formats.tools.docbin import docbin_rows, is_docbin
from ner_distill.data.formats.tools.doccano import doccano_rows, is_doccano
from ner_distill.data.formats.tools.gliner import gliner_rows, is_gliner
from ner_distill.data.formats.tools.label_studio import is_label_studio, label_studio_rows
from ner_distill.data.formats.tools.prodigy import is_prodigy, prodigy_rows
from ner_distill.data.formats.tools.spacy_training import is_piped, is_spacy_json, piped_rows, spacy_json_rows
from ner_distill.data.formats.tools.uie import is_uie, uie_rows


@dataclass(frozen=True)
class FileFormat:
    """A file format.

    recognises: is a file that begins like this of the format?
    rows:       the rows of a source; a row is a sentence as the file holds it.
    count:      about how many rows a source has, quickly; None where that cannot be said.
    chinese:    a format of Chinese data: texts are cut into characters.
    begins_anywhere: can the rows of a source be read from any one on (`RowOptions.position`)?
    files:      the files of a source that is a directory, or a file with others beside it; None: it is one file.
    """

    recognises: Callable[[Beginning], bool]
    rows: Callable[[str, RowOptions], Iterator[Row]]
    count: Callable[[str], int | None] = count_lines
    chinese: bool = False
    files: Callable[[str], list[Path]] | None = None
    begins_anywhere: Callable[[str], bool] = lambda source: False


def _always(source: str) -> bool:
    return True


def _unknown(source: str) -> None:
    """The count of a format whose rows are not lines."""


FORMATS: dict[str, FileFormat] = {
    "hf": FileFormat(is_hf, hf_rows, lambda source: None),
    "datasets": FileFormat(is_saved, saved_rows, saved_length, files=saved_files, begins_anywhere=_always),
    "ccf2020": FileFormat(
        lambda beginning: not beginning.is_stdin and is_ccf2020(beginning.source),
        ccf2020_rows,
        lambda source: len(ccf2020_files(source)),
        chinese=True,
        files=lambda source: [file for pair in ccf2020_files(source) for file in pair if file.is_file()],
    ),
    "brat": FileFormat(is_brat, brat_rows, lambda source: len(brat_pairs(source)), files=brat_files),
    "parquet": FileFormat(is_parquet, parquet_rows, parquet_length, begins_anywhere=_always),
    "docbin": FileFormat(is_docbin, docbin_rows, _unknown),
    "cluener": FileFormat(is_cluener, cluener_rows, count_records, chinese=True),
    "cblue": FileFormat(is_cmeee_json, cmeee_json_rows, _unknown, chinese=True),
    "label-studio": FileFormat(is_label_studio, label_studio_rows, count_records),
    "argilla": FileFormat(is_argilla, argilla_rows, count_records),
    "prodigy": FileFormat(is_prodigy, prodigy_rows, count_records),
    "doccano": FileFormat(is_doccano, doccano_rows, count_records),
    "gliner": FileFormat(is_gliner, gliner_rows, count_records),
    "uie": FileFormat(is_uie, uie_rows, _unknown),
    "spacy-json": FileFormat(is_spacy_json, spacy_json_rows, _unknown),
    "jsonl": FileFormat(is_jsonl, jsonl_rows, count_records, begins_anywhere=has_record_a_line),
    "spacy-iob": FileFormat(is_piped, piped_rows),
    "csv": FileFormat(is_csv, csv_rows, csv_length),
    "conll": FileFormat(is_conll, conll_rows, lambda source: count_lines(source, blank=True), begins_anywhere=_always),
    "cmeee": FileFormat(is_cmeee, cmeee_rows, chinese=True),
    "text": FileFormat(lambda beginning: False, text_rows, begins_anywhere=_always),  # none of the others
}
"""By name, in the order in which they are tried on a file: it is of the first that recognises it."""


def format_of_several(source: str | Path, format: str = "auto") -> str | None:
    """The format of a source of several files (a directory, or a file that has another one beside it); else None.

    format: the only one that it may be, or "auto".
    """
    beginning = Beginning(source)
    for name, known in FORMATS.items():
        if known.files is not None and format in ("auto", name) and known.recognises(beginning):
            return name
    return None


def detect_format(source: str | Path, *, tag_columns: Sequence[int] = ()) -> str:
    """The format of a source: a file, a directory, "-" or `hf:...`.

    By content first, then by name; of standard input by the lines that are there. What is nothing else is text.
    Raises DataError where the first lines are not UTF-8.
    """
    beginning = Beginning(source, tag_columns)
    return next((name for name, format in FORMATS.items() if format.recognises(beginning)), "text")
