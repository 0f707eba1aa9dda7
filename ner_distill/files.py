"""Files that are either whole or not there: temporary name, fsync, rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ner_distill.errors import NerDistillError, RunError, TrainingError

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.\d+\.tmp")
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


def atomic_write_bytes(path: Path, data: bytes | memoryview, *, advice: str = "") -> None:
    """Write a file so that a kill at any moment leaves the old file or the new one, never half of one.

    advice: the last sentence of the message where the disk is full: what was kept and how to go on.
    Raises TrainingError where the disk is full, RunError where the place cannot be written; no
    temporary file stays behind.
    """
    # The process id in the name: two processes that write the same file replace it in turn.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise write_error(path, error, advice=advice) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def atomic_write_text(path: Path, text: str, *, advice: str = "") -> None:
    """`atomic_write_bytes` of UTF-8 text, line ends as they are."""
    atomic_write_bytes(path, text.encode("utf-8"), advice=advice)


def write_json(path: Path, data: object) -> None:
    """`atomic_write_text` of JSON for people to read."""
    atomic_write_text(path, json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path, missing: str) -> Any:
    """Returns what a JSON file of a run holds. Raises RunError naming it; `missing` says what its absence means."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path}: not found; {missing}") from None
    except (ValueError, OSError) as error:
        raise RunError(f"{path}: cannot be read as JSON ({error}); the run is damaged") from None


def write_error(path: Path, error: OSError, *, advice: str = "") -> NerDistillError:
    """The error to raise where writing `path` failed with `error`."""
    if error.errno in _FULL:
        where = f"{path}: cannot be written, {_FULL[error.errno]}"
        return TrainingError(f"{where}. {advice or 'Free some space and start again.'}")
    return RunError(f"{path}: cannot be written: {error.strerror or error}")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits; the file is read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def temporary_files(directory: Path) -> dict[Path, str]:
    """What interrupted writers left in a directory: temporary file → the name that it was to get."""
    found = {path: _TEMPORARY.fullmatch(path.name) for path in sorted(directory.iterdir())}
    return {path: match["name"] for path, match in found.items() if match}


def _sync_directory(directory: Path) -> None:
    """Make a rename last through a power cut, where the system lets a directory be synced."""
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
