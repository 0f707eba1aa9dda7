"""The lines of a text file, in constant memory, and its first ones, by which formats recognise their own."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cached_property
from itertools import islice
from pathlib import Path

from ner_distill.errors import DataError

STDIN = "-"
_BOM = b"\xef\xbb\xbf"
_SAMPLE = 1 << 16
_FIRST_LINES = 200
_MAGIC = {
    b"\x1f\x8b": "is compressed (gzip): expected plain text; unpack it with gunzip",
    b"PK\x03\x04": "is a zip archive: expected plain text; unpack it with unzip",
    b"\xff\xfe": "is UTF-16: expected UTF-8; convert it: iconv -f UTF-16 -t UTF-8 {path} > {path}.utf8",
    b"\xfe\xff": "is UTF-16: expected UTF-8; convert it: iconv -f UTF-16 -t UTF-8 {path} > {path}.utf8",
}


def check_file(path: Path) -> None:
    """Raises DataError where `path` is no file, is empty, or begins like something that is not UTF-8 text.

    Pipes are refused unopened: what is read here to look at them would be missing from their text.
    """
    if path.is_dir():
        raise DataError(
            f"{path}: is a directory; expected a file (or a directory with data/N.txt and label/N.csv, as CCF 2020 has)"
        )
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "pipe"
            raise DataError(f"{path}: is a {kind}, which can be read only once; pass `-` and pipe it in")
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the name and the directory ({Path.cwd()})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if start in (b"", _BOM):
        raise DataError(f"{path}: is empty; expected at least one sentence")
    for magic, problem in _MAGIC.items():
        if start.startswith(magic):
            raise DataError(f"{path}: {problem.format(path=path)}")


def lines_of(path: Path | str, *, bare_cr: bool = True) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of a UTF-8 file, or of standard input for "-".

    Lines end with LF or CRLF and nothing else: U+2028, NEL and lone CR are characters of the text. A byte order mark
    is dropped.
    bare_cr: False where a CR inside a line can only mean that CR is meant to end lines, and raises DataError.
    Raises DataError that names line, byte and offset where the file is not UTF-8.
    """
    start = 0
    with nullcontext(sys.stdin.buffer) if str(path) == STDIN else Path(path).open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, start, raw, error) from None
            start += len(raw)
            if number == 1:
                line = line.removeprefix("\ufeff")
            line = line.removesuffix("\n").removesuffix("\r")
            if not bare_cr and "\r" in line.rstrip("\r"):
                raise DataError.at(path, number, f"line ends are CR; convert: tr '\\r' '\\n' < {path} > {path}.lf")
            yield number, line


class Beginning:
    """The beginning of a source: of a file, a directory, standard input ("-") or `hf:...`; read when it is asked for.

    tag_column: the column of the tags in CoNLL files.
    """

    def __init__(self, source: str | Path, tag_column: int = -1) -> None:
        self.source, self.tag_column = str(source), tag_column
        self.is_stdin = self.source == STDIN
        self.suffix = "" if self.is_stdin else Path(source).suffix.lower()

    @cached_property
    def bytes(self) -> bytes:
        """The first four of a file; none of standard input."""
        if self.is_stdin:
            return b""
        with Path(self.source).open("rb") as file:
            return file.read(4)

    @cached_property
    def lines(self) -> list[str]:
        """Those of the first 200 lines that are not blank. Raises DataError where these are not UTF-8.

        Of standard input the lines that are there already; it waits for the first of them, and still gives them all
        afterwards. None where standard input is something that cannot look ahead.
        """
        if not self.is_stdin:
            lines = [line for _, line in islice(lines_of(self.source), _FIRST_LINES)]
        elif peek := getattr(sys.stdin.buffer, "peek", None):
            lines = peek(_SAMPLE).decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
            lines = lines[:-1] or lines  # after the last LF: nothing, or a line that goes on
        else:
            lines = []
        # At CR too: columns whose lines end with it are then told of by their reader; text would be taken as it is.
        return [part for line in lines for part in line.split("\r") if part.strip(" \t")]


def read_text(path: Path) -> str:
    """The whole text of a small UTF-8 file, its line ends as they are, without a byte order mark.

    Raises DataError where it cannot be read or is not UTF-8.
    """
    try:
        data = path.read_bytes()
        return data.decode("utf-8").removeprefix("\ufeff")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _not_utf8(path, data.count(b"\n", 0, error.start) + 1, 0, data, error) from None


def _not_utf8(path: Path | str, line: int, start: int, raw: bytes, error: UnicodeDecodeError) -> DataError:
    found = f"byte 0x{raw[error.start]:02X} at offset {start + error.start:,} is not UTF-8"
    if str(path) == STDIN:
        return DataError.at("stdin", line, f"expected UTF-8; {found}; if it is {_guess(raw)}, pipe it through iconv")
    with Path(path).open("rb") as file:
        guess = _guess(file.read(_SAMPLE))
    advice = f"if it is {guess}, convert it: iconv -f {guess} -t UTF-8 {path} > {path}.utf8"
    return DataError.at(path, line, f"expected UTF-8; {found}; {advice}")


def _guess(sample: bytes) -> str:
    """The most likely encoding of what is not UTF-8.

    In Chinese text the bytes above 127 come in pairs, in Latin text one by one.
    """
    runs = re.findall(rb"[\x80-\xFF]+", sample)
    pairs = sum(len(run) % 2 == 0 for run in runs)
    return "GB18030" if pairs > 0.8 * len(runs) else "LATIN1"
