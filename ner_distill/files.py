"""Files that are either whole or not there, who may read them, and checksums."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ner_distill.errors import NerDistillError, RunError, TrainingError

_PRIVATE = 0o600
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.\d+\.tmp")
_STREAM = re.compile(r"/dev/(?P<name>stdout|stderr)|(/dev|/proc/self)/fd/(?P<number>\d+)")
DISK_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`: the file that is written there replaces `path`, whole, at the end of the block.

    It gets the mode of new files, whatever its writer gave it. After an error `path` is as it was, and the temporary
    file is gone. Raises OSError.
    """
    temporary = temporary_path(path)
    try:
        yield temporary
        share(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def share(*files: Path) -> None:
    """Give files of one directory the mode that the umask gives to new files there; some libraries write 0600.

    Only files that nobody but their owner may read: nothing is taken from anyone. Raises OSError.
    """
    modes = {file: stat.S_IMODE(file.stat().st_mode) for file in files}
    if not any(mode == _PRIVATE for mode in modes.values()):
        return
    # A file of our own tells the umask (and what the directory hands down); reading it otherwise means setting it.
    probe = temporary_path(files[0].with_name("mode"))
    try:
        probe.touch()
        usual = stat.S_IMODE(probe.stat().st_mode)
    finally:
        probe.unlink(missing_ok=True)
    for file, mode in modes.items():
        if mode == _PRIVATE:
            file.chmod(usual)


def atomic_write_bytes(path: Path, data: bytes | memoryview, *, advice: str = "") -> None:
    """Write a file so that a kill at any moment leaves the old file or the new one, never half of one.

    advice: the last sentence of the message where the disk is full: what was kept and how to go on.
    Raises TrainingError where the disk is full, RunError where the place cannot be written; no
    temporary file stays behind.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise write_error(path, error, advice=advice) from error


def atomic_write_text(path: Path, text: str, *, advice: str = "") -> None:
    """`atomic_write_bytes` of UTF-8 text, line ends as they are."""
    atomic_write_bytes(path, text.encode("utf-8"), advice=advice)


def write_json(path: Path, data: Any, *, advice: str = "") -> None:
    """`atomic_write_bytes` of `json_text`."""
    atomic_write_bytes(path, json_text(data), advice=advice)


def json_text(data: Any) -> bytes:
    """A JSON value as UTF-8, indented by one space; half surrogates (names of files may have them) as `\\uD800`."""
    return (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "backslashreplace")


def read_json(path: Path, missing: str) -> Any:
    """Returns what a JSON file of a run holds. Raises RunError naming it; `missing` says what its absence means."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path}: not found; {missing}") from None
    except (ValueError, OSError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read as JSON ({error}); the run is damaged") from None


def require_plain_files(directory: Path, noun: str) -> None:
    """Raise RunError where something below a directory is neither a file nor a directory: reading it might never end.

    Links count as what they lead to. noun: what such a directory is called.
    """
    with os.scandir(directory) as entries:  # of hundreds of thousands of files, paths would take seconds
        for entry in entries:
            path = Path(entry.path)
            with suppress(OSError):  # of a link to itself nobody can say what it is
                if entry.is_file():
                    continue
                if entry.is_dir():
                    if not entry.is_symlink():
                        require_plain_files(path, noun)
                    continue
            if not path.exists() and not path.is_symlink():
                continue  # a temporary file of another process, gone meanwhile
            what = "is no plain file" if path.exists() else "is a link that leads nowhere"
            raise RunError(f"{path}: {what}; a {noun} holds files only; remove it, or do not use this {noun}")


def require_no_way_out(directory: Path, noun: str) -> None:
    """Raise RunError where a link below a directory leads out of it: what is written there would land elsewhere."""
    home = directory.resolve()
    for path in directory.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(home):
            raise RunError(
                f"{path}: is a link that leads out of the {noun}, to {path.resolve()}; a {noun} is written inside its "
                f"directory only. Put there what it leads to, or keep the whole {noun} where there is room"
            )


def write_error(path: Path | str, error: OSError, *, advice: str = "") -> NerDistillError:
    """The error to raise where writing `path` failed with `error`."""
    if error.errno in DISK_FULL:
        where = f"{path}: cannot be written, {DISK_FULL[error.errno]}"
        return TrainingError(f"{where}. {advice or 'Free some space and start again.'}")
    return RunError(f"{path}: cannot be written: {error.strerror or error}")


def refuse_existing(path: Path, *, overwrite: bool, read: Sequence[Path | str] = ()) -> None:
    """Raise RunError where a file exists already, unless `overwrite` says to replace it.

    read: the files that are read for it, which are never replaced.
    """
    if not path.exists():
        return
    if not overwrite:
        raise RunError(f"{path}: exists already; choose another name, or pass `overwrite` to replace it")
    if not path.is_file() and not path.is_dir():  # some formats are folders
        raise RunError(f"{path}: is no plain file, which alone `overwrite` replaces; expected the name of a file")
    if any(Path(file).exists() and path.samefile(file) for file in read):
        raise RunError(f"{path}: is read for what is to be written; choose another name")


def write_output(path: Path, text: str) -> None:
    """Write a file of a name that the user gave: as `atomic_write_text`, and through a link.

    A pipe, a terminal or /dev/null is not replaced but written to. Not for names inside a directory from somebody
    else, whose links could lead anywhere.
    """
    data, stream = text.encode("utf-8"), _STREAM.fullmatch(str(path))
    if stream is None and not is_special(path):
        atomic_write_bytes(path.resolve(), data)
        return
    try:
        if stream is None:
            with path.open("ab") as file:
                file.write(data)
            return
        number = {"stdout": 1, "stderr": 2}.get(stream["name"]) or int(stream["number"])
        sys.stdout.flush()
        with os.fdopen(os.dup(number), "wb") as file:  # a file of its own would be written over by what is printed
            file.write(data)
    except OSError as error:
        raise write_error(path, error) from error


def is_special(path: Path) -> bool:
    """Is this a stream of the process, a pipe or a device, which is written to and not replaced?"""
    if _STREAM.fullmatch(str(path)):
        return True
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # not there yet


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits; the file is read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def temporary_path(path: Path) -> Path:
    """A name beside `path` that no other process has, on whatever machine: a process id is one machine's alone."""
    return path.with_name(f".{path.name}.{secrets.randbits(63)}.tmp")


def temporary_files(directory: Path) -> dict[Path, str]:
    """What interrupted writers left in a directory: temporary file → the name that it was to get."""
    found = {name: temporary_for(name) for name in sorted(os.listdir(directory))}
    return {directory / name: meant for name, meant in found.items() if meant is not None}


def temporary_for(name: str) -> str | None:
    """The name that a temporary file of ours was to get; None for any other file."""
    match = _TEMPORARY.fullmatch(name) if name.startswith(".") else None
    return match["name"] if match else None


def remove_temporary_files(directory: Path) -> None:
    """Remove the files that interrupted writers left in a directory. Not folders: one may be written just now."""
    for left in temporary_files(directory):
        if left.is_symlink() or not left.is_dir():
            left.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Make a rename last through a power cut, where the system lets a directory be synced."""
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
