"""The writers by the name of their format, which of them a name of a file asks for, and writing with one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ner_distill.data.formats.writers import write_parts
from ner_distill.data.formats.writing.base import AnyWriter, Labelled, Losses, TextWriter
from ner_distill.data.formats.writing.brat import Brat, not_written
from ner_distill.data.formats.writing.docbin import DocBinFile
from ner_distill.data.formats.writing.plain import Columns, Inline, JsonLines
from ner_distill.data.formats.writing.tables import Csv, Uie
from ner_distill.data.formats.writing.tools import Argilla, Doccano, Gliner, LabelStudio, Prodigy
from ner_distill.errors import ConfigError, RunError
from ner_distill.files import refuse_existing, replacing, temporary_path, write_error

_EVERY: tuple[type[AnyWriter], ...] = (
    JsonLines, Columns, Csv, LabelStudio, Doccano, Prodigy, Argilla, DocBinFile, Brat, Gliner, Uie, Inline,
)  # fmt: skip
WRITERS: dict[str, type[AnyWriter]] = {writer.name: writer for writer in _EVERY}
"""By name. `views/written.py` adds what is a page for a browser."""


def format_of_name(path: Path | str, writers: Mapping[str, type[AnyWriter]]) -> str:
    """The format that a name of a file asks for, by its end. Raises ConfigError where none is written so."""
    name = "/" if str(path).endswith("/") or Path(path).is_dir() else Path(path).suffix.lower()
    found = next((format for format, writer in writers.items() if name in writer.suffixes), None)
    if found is None:
        known = ", ".join(f"{end} ({one.name})" for one in writers.values() for end in one.suffixes)
        raise ConfigError(
            f"{path}: its name does not say which format; give `format`, one of {', '.join(writers)}, "
            f"or a name that ends with one of {known}"
        )
    return found


def write(
    writer: AnyWriter, records: Iterable[Labelled], path: Path, losses: Losses, *, overwrite: bool = False
) -> None:
    """Write a file or a folder, which appears when it is whole.

    Raises RunError where it exists (and not `overwrite`), holds something else than what is replaced, or cannot be
    written; DataError where a library is missing. Then nothing is changed.
    """
    if isinstance(writer, TextWriter):
        write_parts(path, writer.parts(records, losses), overwrite=overwrite)
        return
    writer.installed()
    refuse_existing(path, overwrite=overwrite)
    try:
        with (_folder if writer.is_folder else replacing)(path) as temporary:
            writer.save(records, temporary, losses)
    except OSError as error:
        raise write_error(path, error) from error


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path`, which takes its place at the end of the block; after an error it is gone.

    Raises RunError where what would be replaced holds something that was not written so.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: is a file; expected the name of a folder, or one that is not there")
    if path.is_dir() and (other := not_written(path)):
        raise RunError(f"{path}: holds {other}; choose another name")
    temporary = temporary_path(path)
    try:
        temporary.mkdir()
        yield temporary
        _take_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_place(temporary: Path, path: Path) -> None:
    """Rename a folder to a name that another one may have; a kill on the way leaves both, under some name."""
    if not path.exists():
        temporary.rename(path)
        return
    before = temporary_path(path).with_suffix(".before")  # what a user made: never taken for what a kill left over
    path.rename(before)
    try:
        temporary.rename(path)
    except OSError:
        before.rename(path)
        raise
    shutil.rmtree(before)
