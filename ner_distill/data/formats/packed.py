"""Files packed by gzip, bzip2, xz or zstd, opened as what is inside: told by their first bytes, whatever their name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ner_distill.errors import DataError
from ner_distill.places.objects import RemoteFile
from ner_distill.places.urls import is_url

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zstd")
"""What packing appends to a name."""
_BLOCK = 1 << 16
_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)  # pyarrow's are OSError


@dataclass(frozen=True)
class Packing:
    """A way of packing.

    begins: the first bytes of such a file. command: in a shell, writes what is inside. open: gives it to read, of a
            path or an open file.
    """

    name: str
    begins: re.Pattern[bytes]
    command: str
    open: Callable[[Any], Any]


def _open_zstd(file: Any) -> Any:
    import pyarrow  # Python has zstd of its own from 3.14 on

    source = pyarrow.OSFile(file) if isinstance(file, str) else pyarrow.PythonFile(file, mode="r")
    return pyarrow.CompressedInputStream(source, "zstd")


_PACKINGS = (
    Packing("gzip", re.compile(rb"\x1f\x8b"), "gzip -dc", gzip.open),
    Packing("bzip2", re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P)"), "bzip2 -dc", bz2.open),
    Packing("xz", re.compile(rb"\xfd7zXZ\0"), "xz -dc", lzma.open),
    Packing("zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), "zstd -dc", _open_zstd),
)


def packing_of(start: bytes) -> Packing | None:
    """How a file is packed that begins with these bytes, 10 of them or more; None of one that is not."""
    return next((packing for packing in _PACKINGS if packing.begins.match(start)), None)


def as_it_is(path: Path | str, block: int = _BLOCK) -> io.BufferedReader:
    """A file of this machine or behind a URL, to read from any place in it, packed or not.

    Raises OSError where there is none; for a URL as `RemoteFile` does, and DataError at the end of the file where it
    was written to while it was read.
    """
    raw: Any = RemoteFile(str(path), steady=True) if is_url(path) else io.FileIO(path)  # the caller closes it
    return io.BufferedReader(raw, block)


def opened(path: Path | str, block: int = _BLOCK) -> io.BufferedReader:
    """A file as `as_it_is` gives it, unpacked as it is read where it is packed; so many bytes of it at once.

    Raises OSError where there is none; while a packed one is read, DataError where it is damaged or cut off.
    """
    file = as_it_is(path, block)
    packing = packing_of(file.peek(_BLOCK))
    if packing is None:
        return file
    if is_url(path):
        return io.BufferedReader(_Unpacked(str(path), packing, file), block)
    file.close()
    return io.BufferedReader(_Unpacked(str(path), packing), block)


def without_packing(path: Path | str) -> Path:
    """The name of a file without what packing appended: `train.conll` of `train.conll.gz`."""
    path = Path(path)
    return path.with_suffix("") if path.suffix.lower() in SUFFIXES else path


def shell_line(path: Path | str, command: str, suffix: str) -> str:
    """For advice: the shell line that puts a file, unpacked, through a command, into one with a suffix more."""
    if is_url(path):
        return f"copy it to this machine, then {command} < FILE > FILE{suffix}"
    name = quote(str(path))
    with Path(path).open("rb") as file:
        packing = packing_of(file.peek(_BLOCK))
    if packing is None:
        return f"{command} < {name} > {name}{suffix}"
    return f"{packing.command} < {name} | {command} > {quote(str(without_packing(path)))}{suffix}"


class _Unpacked(io.RawIOBase):
    """What is inside of a packed file. `readinto` raises DataError where it cannot be unpacked to its end."""

    def __init__(self, path: str, packing: Packing, file: io.BufferedReader | None = None) -> None:
        """file: the same, open at its beginning, where it is no file of this machine."""
        self._path, self._packing, self._read = path, packing, 0
        self._packed, self._file = file, packing.open(file or path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            read = int(self._file.readinto(buffer))
        except _ERRORS as error:
            raise DataError(
                f"{self._path}: is packed by {self._packing.name} and damaged or cut off: after {self._read:,} bytes "
                f"of what is inside: {error}; fetch it or pack it once more "
                f"(`{self._packing.command} {quote(self._path)} > /dev/null` checks it)"
            ) from error
        self._read += read
        return read

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            if self._packed is not None:
                self._packed.close()
        super().close()
