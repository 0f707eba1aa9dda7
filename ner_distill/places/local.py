"""A directory of this machine as the place of a store."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path

from ner_distill.errors import RunError
from ner_distill.files import atomic_write_bytes, require_plain_files, temporary_files, temporary_for
from ner_distill.holding import Held, hold


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

    def hold(self, noun: str) -> Held:
        return hold(self.path, noun)

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
