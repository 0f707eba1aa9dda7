"""Where a store lies: a folder of files, each of which is whole or not there.

A store reads and writes through a `Place` alone, so that it does not matter whether this is a directory or a part of an
object store. Object stores cannot rename: what such a place promises is that `write` shows all of a file or none of it,
and nothing of a file that is not written to its end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import Protocol

from ner_distill.errors import RunError
from ner_distill.files import atomic_write_bytes, require_plain_files, temporary_files, temporary_for


class Place(Protocol):
    """A folder of files. Implementations can be pickled, and hold no open files or connections when they are."""

    @property
    def shown(self) -> str:
        """How messages name it: without passwords or keys."""
        ...

    def names(self) -> dict[str, int]:
        """The files directly in it → their bytes; {} where there is none, or no such place.

        Folders, and what interrupted writers of ours left, do not count. Raises RunError where it cannot be read.
        """
        ...

    def read(self, name: str) -> bytes:
        """All bytes of a file. Raises FileNotFoundError or another OSError."""
        ...

    def open(self, name: str) -> BufferedIOBase:
        """A file to read, from any place in it. Raises FileNotFoundError or another OSError."""
        ...

    def write(self, name: str, data: bytes | memoryview, *, advice: str = "") -> None:
        """Write a file, or replace it, whole; see `atomic_write_bytes` for the errors and for `advice`."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there. Raises OSError."""
        ...

    def make(self) -> None:
        """Make the folder, where folders have to be made. Raises OSError."""
        ...

    def check(self, noun: str, expected: str) -> None:
        """Raise RunError where there is no such place, or reading its files might never end.

        noun: what such a place is called; expected: said in full, with who wrote it.
        """
        ...

    def remove_unfinished(self, own: Callable[[str], bool]) -> None:
        """Remove what interrupted writers left of files with such names. Raises OSError."""
        ...

    def occupied(self, own: Callable[[str], bool]) -> bool:
        """Is something here, of whatever kind, beside what interrupted writers left of files with such names?"""
        ...


class LocalPlace:
    """A directory of this machine, or of a file system that behaves as one."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def shown(self) -> str:
        return str(self.path)

    def names(self) -> dict[str, int]:
        if not self.path.is_dir():
            return {}
        found = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if temporary_for(entry.name) is None:
                    try:
                        about = entry.stat()
                    except FileNotFoundError:
                        continue  # removed meanwhile
                    except OSError as error:
                        raise RunError(f"{entry.path}: cannot be read: {error.strerror or error}") from error
                    if stat.S_ISREG(about.st_mode):
                        found[entry.name] = about.st_size
        return found

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def open(self, name: str) -> BufferedIOBase:
        return (self.path / name).open("rb")

    def write(self, name: str, data: bytes | memoryview, *, advice: str = "") -> None:
        atomic_write_bytes(self.path / name, data, advice=advice)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def check(self, noun: str, expected: str) -> None:
        if not self.path.is_dir():
            what = "is a file; expected the directory of" if self.path.exists() else "no such directory; expected"
            raise RunError(f"{self.path}: {what} {expected}")
        require_plain_files(self.path, noun)

    def remove_unfinished(self, own: Callable[[str], bool]) -> None:
        for left in self._unfinished(own):
            left.unlink(missing_ok=True)

    def occupied(self, own: Callable[[str], bool]) -> bool:
        if not self.path.is_dir():
            return self.path.exists()
        with os.scandir(self.path) as entries:
            return any((meant := temporary_for(entry.name)) is None or not own(meant) for entry in entries)

    def _unfinished(self, own: Callable[[str], bool]) -> set[Path]:
        return {path for path, name in temporary_files(self.path).items() if own(name)}


Location = Place | Path | str
"""How callers name a place."""


def place_of(location: Location) -> Place:
    """The place that a path names; a place is itself."""
    return LocalPlace(location) if isinstance(location, str | Path) else location
