"""The lines of a text file, in constant memory, and its first ones, by which formats recognise their own."""

from __future__ import annotations

import io
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import BinaryIO, TextIO

from ner_distill.data.formats.packed import as_it_is, opened, packing_of, shell_line, without_packing
from ner_distill.data.formats.report import ReadReport
from ner_distill.errors import DataError
from ner_distill.places.urls import is_url

STDIN = "-"
_BOM = b"\xef\xbb\xbf"
_SAMPLE = 1 << 16
_LONGEST = 1 << 20  # bytes of standard input that are looked at for the end of its first line
_FEW_LINES, _FIRST_LINES = 200, 5000
_START = 512  # bytes of a file by which it is told what it is; a tar archive has its name behind 257
_OTHER = {
    b"PK\x03\x04": "is a zip archive: expected text; unpack it with unzip",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive: expected text; unpack it with 7z x",
    b"%PDF-": "is a PDF: expected plain text; take the text out of it first",
    b"ARROW1": "is an Arrow file: expected plain text or Parquet; `datasets` and pyarrow write Parquet of it",
    b"\xff\xff\xff\xff": "is an Arrow stream: expected text, or the directory that `save_to_disk` of `datasets` wrote",
}
_WIDE = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_TAR = slice(257, 262)
_TR = "tr '\\r' '\\n'"
_CONVERTED = (".utf8", ".lf")  # what our advice appends to a name


@dataclass
class Position:
    """Where the reading of a source begins, and then how far it has come: moved as it is read.

    offset: in bytes, of a file of lines. line: how many lines are before it, in tables rows.
    """

    offset: int = 0
    line: int = 0

    @property
    def inside(self) -> bool:
        """Is it behind the beginning of the source?"""
        return self.line > 0


def check_file(path: Path | str) -> None:
    """Raises DataError where `path` is no file, is empty, or begins like something that is not UTF-8 text.

    Pipes are refused unopened: what is read here to look at them would be missing from their text.
    """
    if not is_url(path):
        _check_kind(Path(path))
    try:
        with as_it_is(path) as file:
            packed = packing_of(file.read(_START)) is not None
        with opened(path) as file:
            start = file.read(_START)
    except FileNotFoundError:
        where = "bucket" if is_url(path) else f"directory ({Path.cwd()})"
        raise DataError(f"{path}: no such file; check the name and the {where}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if start in (b"", _BOM):
        raise DataError(f"{path}: is empty; expected at least one sentence")
    if problem := _problem(path, start, packed=packed):
        raise DataError(f"{path}: {'what is packed in it ' * packed}{problem}")


def _check_kind(path: Path) -> None:
    """Raises DataError for what is there and no file."""
    if path.is_dir():
        raise DataError(
            f"{path}: is a directory; expected a file (or, by its format, a directory with data/N.txt and label/N.csv, "
            "as CCF 2020 has, with .txt and .ann files, as brat has, or one that `save_to_disk` wrote)"
        )
    with suppress(OSError):  # whoever opens it says so
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "pipe"
            raise DataError(f"{path}: is a {kind}, which can be read only once; pass `-` and pipe it in")


def _problem(path: Path | str, start: bytes, *, packed: bool) -> str:
    """Why what begins like this cannot be read, and what to do; "" where it may be text.

    packed: it is so in the file.
    """
    for magic, problem in _OTHER.items():
        if start.startswith(magic):
            return problem
    for magic, encoding in _WIDE.items():
        if start.startswith(magic):
            return f"is {encoding}: expected UTF-8; convert it: {_iconv(path, encoding)}"
    if start[_TAR] == b"ustar":
        return f"is a tar archive: expected text; unpack it: tar xf {quote(str(path))}"
    if packed and (again := packing_of(start)) is not None:
        return f"is packed again ({again.name}): expected text; unpack it once"
    if packed and start.startswith(b"PAR1"):
        return "is Parquet: expected Parquet that is not packed, as it is so inside; unpack it"
    return ""


def _iconv(path: Path | str, encoding: str) -> str:
    return _through(path, f"iconv -f {encoding} -t UTF-8", ".utf8")


def _through(path: Path | str, command: str, suffix: str) -> str:
    """What to do in a shell so that a source is read as a command mends it."""
    return f"pipe it through {command}" if str(path) == STDIN else shell_line(path, command, suffix)


def standard_input() -> TextIO:
    """Raises DataError where there is none: `<&-` in a shell, some services."""
    if sys.stdin is None:
        raise DataError("stdin: is closed; give sentences, files, or standard input that can be read")
    return sys.stdin


def lines_of(
    path: Path | str,
    *,
    bare_cr: bool = True,
    keep_marks: bool = False,
    ends: bool = False,
    report: ReadReport | None = None,
    position: Position | None = None,
) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of a UTF-8 file, or of standard input for "-".

    Lines end with LF or CRLF and nothing else: U+2028, NEL and lone CR are characters of the text. Byte order marks
    at the beginning of a line (of the first, or where files were joined) and further CRs at its end are dropped.
    bare_cr:    False where a CR inside a line can only mean that CR is meant to end lines, and raises DataError.
    keep_marks: byte order marks in later lines are characters of the text, as where offsets count them.
    ends:       lines keep theirs, LF or CRLF, as a cell of a table may go on in the next one.
    report:     is told of what was dropped, and of NUL characters.
    position:   where to begin, in a file that is not packed: where a line does. Is behind each line that was given.
    Raises DataError that names line, byte and offset where the file is not UTF-8.
    """
    position = position or Position()
    with _open_lines(path, position.offset) as file:
        for number, raw in enumerate(file, start=position.line + 1):
            if number == 1 and str(path) == STDIN and (packing := packing_of(raw)) is not None:
                raise DataError(f"stdin: is packed by {packing.name}; pipe it through {packing.command}")
            if b"\0" in raw:
                _check_nuls(path, number, raw, report)
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, position.offset, raw, error) from None
            position.offset += len(raw)
            position.line = number
            if line.startswith("\ufeff") and (number == 1 or not keep_marks):
                line = line.lstrip("\ufeff")
                if number > 1 and report is not None:
                    report.note("byte_order_marks", path, number, "U+FEFF begins the line: were files joined here?")
            whole, line = line, line.removesuffix("\n")
            if "\r" in line:
                line = line.removesuffix("\r")
                if not bare_cr and "\r" in line.rstrip("\r"):
                    raise DataError.at(path, number, f"line ends are CR; convert: {_through(path, _TR, '.lf')}")
                if line.endswith("\r"):
                    line = line.rstrip("\r")
                    if report is not None and not ends:
                        report.note("carriage_returns", path, number, f"{line[-20:]!r} is followed by several CR")
            yield number, whole if ends else line


@contextmanager
def _open_lines(path: Path | str, offset: int) -> Iterator[Iterable[bytes]]:
    """The lines of a file from an offset on, or of standard input, with their ends."""
    if str(path) == STDIN:
        yield _look_ahead()
        return
    with opened(path) as file:
        if offset:
            file.seek(offset)
        yield file


class _LookAhead:
    """The lines of a stream, each given as soon as it is there, whether its beginning was looked at before or not."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._ahead = stream, io.BytesIO()

    def beginning(self) -> bytes:
        """What is there of what was not given yet; waits for a whole line, a mebibyte, or the end.

        b"" of what is no stream of a file or a pipe, but something that a program put in its place.
        """
        if not isinstance(self._stream, io.BufferedReader):
            return b""
        seen = self._ahead.read()
        while b"\n" not in seen and len(seen) < _LONGEST and (more := self._stream.read1(_SAMPLE)):
            seen += more
        self._ahead = io.BytesIO(seen)
        return seen

    def __iter__(self) -> Iterator[bytes]:
        while line := self._ahead.readline():
            yield line if line.endswith(b"\n") else line + self._stream.readline()
        yield from self._stream


@lru_cache(1)
def _looking_ahead(stream: BinaryIO) -> _LookAhead:
    """The same one for the same stream: it has what was looked at."""
    return _LookAhead(stream)


def _look_ahead() -> _LookAhead:
    """Of standard input. Raises DataError where there is none."""
    return _looking_ahead(standard_input().buffer)


def _check_nuls(path: Path | str, number: int, raw: bytes, report: ReadReport | None) -> None:
    """Raises DataError for a line with NULs that is UTF-16 or UTF-32; tells the report of others."""
    if 5 * raw.count(0) >= len(raw) > 2:
        sample = raw
        if str(path) != STDIN:
            with opened(path) as file:
                sample = file.read(_SAMPLE)
        if encoding := _wide_encoding(sample):
            raise DataError.at(path, number, _wide(path, encoding))
    if report is not None:
        report.note("nul_characters", path, number, f"{raw.count(0):,} NUL in {raw[:40]!r}")


def _wide(path: Path | str, encoding: str) -> str:
    advice = f"convert it: {_iconv(path, encoding)}"
    return f"is {encoding} without a byte order mark: expected UTF-8; {advice}"


def _wide_encoding(sample: bytes) -> str | None:
    """The encoding of text with NUL bytes at the same places of most characters; None where they are elsewhere."""
    fourths = len(sample) // 4
    zeros = [sample[place : 4 * fourths : 4].count(0) / max(fourths, 1) for place in range(4)]
    if zeros[2] > 0.9 and zeros[3] > 0.9:
        return "UTF-32LE"
    if zeros[0] > 0.9 and zeros[1] > 0.9:
        return "UTF-32BE"
    odd, even = zeros[1] + zeros[3], zeros[0] + zeros[2]
    if max(odd, even) < 0.1 or min(odd, even) > 0.1 * max(odd, even):
        return None
    return "UTF-16LE" if odd > even else "UTF-16BE"


class Beginning:
    """The beginning of a source: of a file, a directory, standard input ("-") or `hf:...`; read when it is asked for.

    tag_columns: the columns of the tags in CoNLL files, where the user says them.
    suffix:      of the name, in small letters; before what packing and our own advice append (train.conll.utf8.gz).
    """

    def __init__(self, source: str | Path, tag_columns: Sequence[int] = ()) -> None:
        self.source, self.tag_columns = str(source), tag_columns
        self.is_stdin = self.source == STDIN
        name = without_packing(source)
        while name.suffix.lower() in _CONVERTED:
            name = name.with_suffix("")
        self.suffix = "" if self.is_stdin else name.suffix.lower()

    @cached_property
    def bytes(self) -> bytes:
        """The first four of a file; none of standard input."""
        if self.is_stdin:
            return b""
        with opened(self.source) as file:
            return file.read(4)

    @cached_property
    def first_lines(self) -> list[str]:
        """The first 5,000 lines, blank ones too, or those before one that is not UTF-8: its reader will tell of that.

        Of standard input the lines that are there already; it waits for the first of them, and still gives them all
        afterwards. One that is longer than a mebibyte is cut there: see `is_cut`. None where it cannot look ahead.
        """
        if not self.is_stdin:
            first: list[str] = []
            try:
                for _, line in islice(lines_of(self.source), _FIRST_LINES):
                    first.append(line)  # what came before an error stays
            except DataError:
                if len(first) < _FEW_LINES:
                    raise
            return first
        text = _look_ahead().beginning().decode("utf-8", "replace").removeprefix("\ufeff")
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        return lines[:-1] or lines  # after the last LF: nothing, or a line that goes on

    @cached_property
    def is_cut(self) -> bool:
        """Does the first line go on behind what is looked at, as it may on standard input?"""
        seen = _look_ahead().beginning() if self.is_stdin else b""
        return len(seen) >= _LONGEST and b"\n" not in seen

    @cached_property
    def lines(self) -> list[str]:
        """Those of the first 200 lines that are not blank: see `first_lines`."""
        few = self.first_lines if self.is_stdin else [line for _, line in islice(lines_of(self.source), _FEW_LINES)]
        # At CR too: columns whose lines end with it are then told of by their reader; text would be taken as it is.
        return [part for line in few for part in line.split("\r") if part.strip(" \t")]


def count_lines(path: str, *, blank: bool = False) -> int:
    """How many lines of a file are not blank, or are."""
    with opened(path) as file:
        return sum(1 for line in file if blank is not bool(line.strip()))


def read_text(path: Path) -> str:
    """The whole text of a small UTF-8 file, its line ends as they are, without a byte order mark.

    Raises DataError where it cannot be read or is not UTF-8.
    """
    try:
        with opened(path) as file:
            data = file.read()
        return data.decode("utf-8").removeprefix("\ufeff")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _not_utf8(path, data.count(b"\n", 0, error.start) + 1, 0, data, error) from None


def _not_utf8(path: Path | str, line: int, start: int, raw: bytes, error: UnicodeDecodeError) -> DataError:
    found = f"byte 0x{raw[error.start]:02X} at offset {start + error.start:,} is not UTF-8"
    if str(path) == STDIN:
        return DataError.at("stdin", line, f"expected UTF-8; {found}; if it is {_guess(raw)}, pipe it through iconv")
    with opened(path) as file:
        sample = file.read(_SAMPLE)
    if _is_mostly_utf8(raw, sample):
        drop = _through(path, "iconv -c -f UTF-8 -t UTF-8", ".utf8")
        advice = f"the rest is, so mend this line; {drop} drops such bytes"
    else:
        guess = _guess(sample)
        advice = f"if it is {guess}, convert it: {_iconv(path, guess)}"
    return DataError.at(path, line, f"expected UTF-8; {found}; {advice}")


def _is_mostly_utf8(raw: bytes, sample: bytes) -> bool:
    """Are there more characters beyond ASCII in these lines than bytes that cannot be UTF-8?"""
    text = sample.decode("utf-8", "replace")
    wrong = text.count("\ufffd") + raw.decode("utf-8", "replace").count("\ufffd")
    return sum(char > "\x7f" and char != "\ufffd" for char in text) > wrong


def _guess(sample: bytes) -> str:
    """The most likely encoding of what is not UTF-8.

    In Chinese text the bytes above 127 come in pairs, in Latin text one by one, and those of 128 to 159 are of Windows.
    Neither has NULs: UTF-16 has.
    """
    if 0 in sample:
        for encoding in ("UTF-16LE", "UTF-16BE"):
            text = sample[: len(sample) // 2 * 2].decode(encoding, "replace")
            if text.count("\0") + text.count("\ufffd") < 2:
                return encoding
    runs = re.findall(rb"[\x80-\xFF]+", sample)
    pairs = sum(len(run) % 2 == 0 for run in runs)
    if pairs > 0.8 * len(runs):
        return "GB18030"
    return "WINDOWS-1252" if re.search(rb"[\x80-\x9F]", sample) else "LATIN1"
