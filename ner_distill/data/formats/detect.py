"""Which format is this file in? By content first, then by name."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from ner_distill.data.formats.chinese import SEPARATOR, is_ccf2020
from ner_distill.data.formats.conll import DOCSTART, columns_of, is_blank, looks_like_tag
from ner_distill.data.formats.lines import STDIN, lines_of, start_of_stdin
from ner_distill.data.formats.tables import HF

Format = Literal["conll", "jsonl", "cluener", "cmeee", "ccf2020", "text", "parquet", "hf"]
FORMATS: tuple[Format, ...] = get_args(Format)

_LOOKED_AT = 200
_CONLL_NAMES = (".conll", ".bio", ".iob", ".iob2", ".bmes", ".bioes", ".conllu")
_JSON_KEYS = re.compile(r'"(words|tokens|text)"\s*:')


def detect_format(path: str | Path, *, tag_column: int = -1) -> Format:
    """The format of a source: a file, a directory, "-" or `hf:...`.

    Looks at the first 200 lines, of standard input at those that are there. What is nothing else is text.
    Raises DataError where these are not UTF-8.
    """
    if str(path) == STDIN:
        return _of_lines(start_of_stdin(), "", tag_column)
    if str(path).startswith(HF):
        return "hf"
    path = Path(path)
    if path.is_dir() and is_ccf2020(path):
        return "ccf2020"
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return "parquet"
    lines = [line for _, line in islice(lines_of(path), _LOOKED_AT)]
    return _of_lines(lines, suffix, tag_column)


def _of_lines(lines: list[str], suffix: str, tag_column: int) -> Format:
    # at CR too: columns whose lines end with it are then told of by their reader, where text would be taken as it is
    lines = [part for line in lines for part in line.split("\r") if not is_blank(part)]
    if not lines:
        return "text"
    if suffix in (".json", ".jsonl", ".ndjson") or (lines[0].lstrip().startswith("{") and _JSON_KEYS.search(lines[0])):
        return "cluener" if any(_is_cluener(line) for line in lines) else "jsonl"
    if suffix in _CONLL_NAMES or _is_conll(lines, tag_column):
        return "conll"
    if any(re.search(r"\|\|\|\s*\d+\s+\d+\s+\S+\s*\|\|\|", line) for line in lines):
        return "cmeee"
    return "cmeee" if all(line.rstrip().endswith(SEPARATOR) for line in lines) else "text"


def _is_cluener(line: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and isinstance(record.get("text"), str) and isinstance(record.get("label"), dict)


def _is_conll(lines: list[str], tag_column: int) -> bool:
    """Has more than half of the lines the same number of columns (two at least) and a tag where it should be?

    No more than half: a line of a wrong length is then told of, where text would be taken as it is.
    """
    if lines[0].startswith(DOCSTART):
        return True
    rows = [columns_of(line) for line in lines]
    width, _ = Counter(len(row) for row in rows).most_common(1)[0]
    if width < 2 or not -width <= tag_column < width:
        return False
    if len(rows) == 1:  # may be a text that ends with "T-shirt"
        return re.fullmatch(r"[BIMES]-[A-Z]+", rows[0][tag_column]) is not None
    tagged = sum(len(row) == width and looks_like_tag(row[tag_column]) for row in rows)
    return 2 * tagged > len(rows)
