"""Where a store lies: a folder of files, each of which is whole or not there.

A store reads and writes through a `Place` alone, so that it does not matter whether this is a directory or a part of an
object store. Object stores cannot rename: what such a place promises is that `write` shows all of a file or none of it,
and nothing of a file that is not written to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedIOBase
from typing import Protocol

from ner_distill.holding import Held


class Place(Protocol):
    """A folder of files. Implementations can be pickled, and hold no open files or connections when they are.

    Each method raises RunError or TrainingError as well where an object store refuses, or gives no answer however often
    it is asked: then nothing is known of the file, which is no reason to take it for missing or damaged.
    """

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

    def hold(self, noun: str) -> Held:
        """Keep other processes from writing here, where that can be done; see `holding.hold`."""
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
