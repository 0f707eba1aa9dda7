"""What is in a folder: the files that may hold sentences, and those that lie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ner_distill.errors import DataError

_ABOUT = re.compile(
    r"(authors|changelog|changes|citation|copying|dockerfile|licen[cs]e|makefile|md5sums|notice|readme|sha256sums)(\..*)?",
    re.IGNORECASE,
)
"""How files are called that tell of a data set."""
_OTHERS = re.compile(
    r".*(~|\.(bak|bib|cfg|conf|crc|gif|html|ini|ipynb|jpe?g|log|md|md5|pdf|png|py|rst|sh|sha256|svg|tex|toml|ya?ml))",
    re.IGNORECASE,
)
"""How files end that lie beside sentences and hold none; `.conf` is brat's own."""
_CACHE = re.compile(r"cache-.*\.arrow|.*\.lock")
"""What `datasets` keeps for itself in a folder of `save_to_disk`."""

UNLABELLED = ".ner-distill-unlabelled"
"""A hidden file in a folder of brat with the names of the texts that were written without annotations."""


def is_beside(name: str) -> bool:
    """Does a file of this name hold no sentences?"""
    return any(names.fullmatch(name) for names in (_ABOUT, _OTHERS, _CACHE))


def holds_none(path: Path) -> bool:
    """Is a file empty, or one that by its name holds no sentences?"""
    return is_beside(path.name) or (path.is_file() and path.stat().st_size == 0)


def shown_in(folder: Path) -> list[Path]:
    """The files and folders in a folder that are not hidden, sorted. Raises DataError where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error


def files_in(folder: Path, seen: set[Path] | None = None) -> Iterator[Path]:
    """The files of a folder and of the folders in it that are not hidden.

    seen: folders that are passed over, as links may lead back; those of this one are added.
    """
    seen = set() if seen is None else seen
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    for path in shown_in(folder):
        if path.is_dir():
            yield from files_in(path, seen)
        else:
            yield path
