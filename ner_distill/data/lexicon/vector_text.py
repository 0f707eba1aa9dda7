"""Word vectors as word2vec writes them as text: read in blocks, each line checked."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_distill.data.formats.packed import opened
from ner_distill.errors import DataError

Block = tuple[list[str], NDArray[np.float32]]
_BLOCK = 1 << 18  # bytes of text at once: enough that calls cost nothing, little enough for the processor's cache
_BOM = b"\xef\xbb\xbf"
_OTHER = {b"PK\x03\x04": "a zip archive", b"7z\xbc\xaf": "packed by 7z"}
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def check_dim(path: Path, dim: int, expected: int | None) -> None:
    """Raises DataError where vectors of another width were expected."""
    if expected is not None and dim != expected:
        advice = f"set the width to {dim} or take another file"
        raise DataError.at(path, 1, f"expected vectors of {expected} numbers, found {dim}; {advice}")


class VectorText:
    """A word2vec text file: its vectors in blocks, each line checked. expected: their width, where it is known."""

    def __init__(self, path: Path, expected: int | None = None) -> None:
        self.path, self._expected = path, expected
        self.dim = self._announced = 0
        self.counts: Counter[str] = Counter(vectors=0, missing=0, nameless=0, blank=0)

    def blocks(self) -> Iterator[Block]:
        """(words, (words, dim) vectors) of a few hundred lines each; `counts` is complete after the last."""
        line = 1
        try:
            with _text_of(self.path) as file:
                lines = [file.readline(_BLOCK).removeprefix(_BOM), *file.readlines(_BLOCK)]
                if self._read_header(lines[0]):
                    line, lines = 2, lines[1:]
                while lines:
                    forms, values, numbers = self._split(lines, line)
                    if forms:
                        yield forms, self._matrix(values, numbers)
                    line += len(lines)
                    lines = file.readlines(_BLOCK)
        except OSError as error:
            raise DataError.at(self.path, line, f"cannot be read: {error.strerror or error}") from error
        if not self.counts["vectors"]:
            raise DataError.at(self.path, line, "holds no vectors; expected a word and its numbers on every line")
        self.counts["missing"] = max(0, self._announced - self.counts["vectors"])

    def _read_header(self, first: bytes) -> bool:
        """Is the first line a header, two whole numbers? Takes the width from it, header or not."""
        fields = first.split()
        header = len(fields) == 2 and all(re.fullmatch(rb"[0-9]{1,18}", field) for field in fields)
        self._announced, self.dim = map(int, fields) if header else (0, len(fields) - 1)
        if self.dim < 1 or not (header or _NUMBER.fullmatch(fields[-1])):
            shown = _shown(first)
            raise DataError.at(self.path, 1, f"expected `word number number ...` or `words width`, found {shown}")
        check_dim(self.path, self.dim, self._expected)
        return header

    def _split(self, lines: list[bytes], first: int) -> tuple[list[str], list[bytes], list[int]]:
        """Of each vector its word, its numbers with one space between them, and its line."""
        forms, values, numbers = [], [], []
        for number, raw in enumerate(lines, start=first):
            line = raw.rstrip(b" \t\r\n").replace(b"\t", b" ")
            word, _, rest = line.partition(b" ")
            if rest.count(b" ") != self.dim - 1 or not rest:
                if not line:
                    self.counts["blank"] += 1
                    continue
                word, rest = self._unusual(line, number)
            if not word:
                self.counts["nameless"] += 1
                continue
            try:
                forms.append(word.decode("utf-8"))
            except UnicodeDecodeError:
                advice = f"convert it, or drop such bytes: iconv -c -f UTF-8 -t UTF-8 {self.path}"
                raise DataError.at(self.path, number, f"expected UTF-8, found the word {word!r}; {advice}") from None
            values.append(rest)
            numbers.append(number)
        self.counts["vectors"] += len(forms)
        return forms, values, numbers

    def _unusual(self, line: bytes, number: int) -> tuple[bytes, bytes]:
        """A word with spaces in it, or none at all, or several spaces between the numbers; anything else is refused."""
        parts = line.rsplit(None, self.dim)
        if len(parts) == self.dim and line[:1] == b" ":
            return b"", b" ".join(parts)
        # `windows 10` is a word; `word 0.25` is a vector that is too long.
        before, _, last = parts[0].rpartition(b" ") if parts else (b"", b"", b"")
        fraction = before and _NUMBER.fullmatch(last) and not last.isdigit()
        if len(parts) <= self.dim or fraction:
            found = len(line.split()) - 1
            message = f"expected a word and {self.dim} numbers (as line 1 has it), found {found} after the word"
            raise DataError.at(self.path, number, f"{message}: {_shown(line)}; correct or delete the line")
        return parts[0], b" ".join(parts[1:])

    def _matrix(self, values: list[bytes], numbers: list[int]) -> NDArray[np.float32]:
        """(lines, dim) of the numbers of some lines; Arrow reads them as a table of one column, a number a line."""
        import pyarrow as pa  # a tenth of a second, and needed the first time only
        from pyarrow import csv

        try:
            column = csv.read_csv(
                pa.BufferReader(b"\n".join(values).replace(b" ", b"\n")),
                csv.ReadOptions(use_threads=False, column_names=["x"], block_size=4 * _BLOCK),
                csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
                csv.ConvertOptions(column_types={"x": pa.float32()}, null_values=[]),
                pa.system_memory_pool(),  # Arrow's own keeps 15 MB
            ).column(0)
            # Not `to_numpy`: that imports pandas, 50 MB.
            parts = [np.frombuffer(part.buffers()[1], np.float32, len(part), 4 * part.offset) for part in column.chunks]
            matrix = np.concatenate(parts)
            if len(matrix) == len(values) * self.dim and np.isfinite(matrix).all():
                return matrix.reshape(-1, self.dim)
        except pa.ArrowInvalid:
            pass
        return np.stack([self._row(line, number) for line, number in zip(values, numbers, strict=True)])

    def _row(self, line: bytes, number: int) -> NDArray[np.float32]:
        """(dim,) the numbers of one line, slowly: what Arrow does not read (`+1.0`) and what is none."""
        row = np.empty(self.dim, np.float32)
        for place, field in enumerate(line.split(b" ")):
            with np.errstate(over="ignore"):
                row[place] = np.float32(field) if _NUMBER.fullmatch(field) else np.nan
            if not np.isfinite(row[place]):
                message = f"expected {self.dim} finite numbers, the {place + 1}. is {_shown(field)}"
                raise DataError.at(self.path, number, f"{message}; correct or delete the line")
        return row


def _text_of(path: Path) -> io.BufferedReader:
    """The text of a file, packed or not. Raises DataError for what begins like anything else, OSError."""
    with path.open("rb") as file:
        start = file.read(4)
    for magic, what in _OTHER.items():
        if start.startswith(magic):
            raise DataError(f"{path}: is {what}; expected text, plain or packed by gzip, bzip2, xz or zstd: unpack it")
    text = opened(path, block=_BLOCK)
    if b"\0" in text.peek(_BLOCK):
        text.close()
        way = "KeyedVectors.load_word2vec_format(file, binary=True).save_word2vec_format(...) of gensim writes text"
        raise DataError(f"{path}: is binary; expected the text format of word2vec: {way}")
    return text


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rstrip()
    return repr(text if len(text) <= 60 else text[:60] + "…")
