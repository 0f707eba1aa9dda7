"""Folders and patterns (`data/*.conll`) in place of files: which sources are meant, in which order, and what is not.

A directory that is one source by itself (of CCF 2020, of brat, of `save_to_disk`) stays one; what its format does not
read in it is never left out without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from ner_distill.data.formats.lines import STDIN
from ner_distill.data.formats.listing import files_in, holds_none, is_beside, shown_in
from ner_distill.data.formats.registry import FORMATS, format_of_several
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.tables import is_hub_name
from ner_distill.errors import DataError
from ner_distill.places.objects import about, files_below, files_matching, forget_beginnings
from ner_distill.places.urls import OBJECT_STORES, is_url, kept_apart, last_part, url_scheme

_PATTERN = re.compile(r"[*?\[]")
_SHOWN = 5
_TRAINED = frozenset(["train", "training"])
_TESTED = frozenset(["dev", "devel", "eval", "test", "testa", "testb", "val", "valid", "validation"])


@dataclass(frozen=True)
class Expanded:
    """What a path that was given stands for.

    given:    the path. sources: itself, or the files that it means.
    left_out: files of a folder that hold no sentences, by their names or as they are empty.
    unread:   other files of a folder that is one source, which its format does not read.
    """

    given: str
    sources: tuple[str, ...]
    is_folder: bool = False
    left_out: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def remark(self) -> str:
        """What to say of it; "" where it stands for itself."""
        said = []
        if self.sources != (self.given,):
            said.append(f"reads {counted(len(self.sources), 'file')}: {self._names(self.sources)}")
        if self.left_out:
            said.append(f"left out, as no sentences: {self._names(self.left_out)}")
        if self.unread:
            said.append(f"left out, as of another format: {self._names(self.unread)}")
        return f"{self.given}: {'; '.join(said)}" if said else ""

    def require_all_read(self, formats: Sequence[str]) -> None:
        """Raises DataError where a folder that is one source holds files that its format would leave out.

        formats: of the sources.
        """
        for source, format in zip(self.sources, formats, strict=True):
            if unread := [file for file in self.unread if Path(source) in Path(file).parents]:
                raise DataError(
                    f"{source}: is read as {format}, without {self._names(unread)}; put files of another format into a "
                    f"folder beside it, or say `input_format` {format} to leave them out"
                )

    def require_alike(self, formats: Sequence[str]) -> None:
        """Raises DataError where labelled sentences are asked for and a folder holds other files as well.

        formats: of the sources. Files for training and for testing in one folder are not read as if they were one.
        """
        if not self.is_folder:
            return
        files = [
            self._name(str(file))
            for source, format in zip(self.sources, formats, strict=True)
            for file in _files_of(source, format)
        ]
        trained, tested = (
            list(dict.fromkeys(filter(None, (_named_so(file, names) for file in files))))
            for names in (_TRAINED, _TESTED)
        )
        if trained and tested:
            raise DataError(
                f"{self.given}: holds {_listed(trained)} and {_listed(tested)}; whoever reads both trains on what is "
                f"to be tested on; give the files, or a pattern in quotes ('{self.given.rstrip('/')}/*train*')"
            )
        raw = [source for source, format in zip(self.sources, formats, strict=True) if format == "text"]
        if raw and len(raw) < len(self.sources):
            raise DataError(
                f"{raw[0]}: holds no labels, as other files of the folder {self.given} do (raw text in {len(raw):,} of "
                f"{len(self.sources):,}); take it out, or give a pattern in quotes ('{self.given.rstrip('/')}/*.conll')"
            )

    def _names(self, files: Sequence[str]) -> str:
        return _listed(list(map(self._name, files)))

    def _name(self, file: str) -> str:
        if is_url(file):
            return file.removeprefix(self.given).lstrip("/") if self.is_folder else last_part(file)
        path = Path(file)
        return str(path.relative_to(self.given)) if self.is_folder else path.name


def _files_of(source: str, format: str) -> Sequence[Path | str]:
    """The files of a source that is a directory, or the source itself."""
    listed = FORMATS[format].files
    return [source] if listed is None else listed(source)


def _named_so(file: str, names: frozenset[str]) -> str:
    """The file, or the outermost folder that it is in, that has one of these words in its name; "" where none has."""
    parts = file.split("/")
    for end, part in enumerate(parts, start=1):
        if not names.isdisjoint(re.split(r"[^a-z]+", part.lower())):
            return "/".join(parts[:end])
    return ""


def expanded(path: str | Path, format: str = "auto") -> Expanded:
    """The sources that a path stands for.

    A path that exists is that file; of a folder all its files, and those of its folders, sorted by name: hidden ones,
    empty ones and what only tells of a data set (README.md, LICENSE) are left out. A folder that by its format is one
    source stays one. Else a path with *, ? or [ is a pattern (** are folders over folders); what it matches is sorted,
    and read whatever its name.
    Raises DataError for a pattern that matches nothing and a folder without such files.
    """
    given = str(path)
    if given == STDIN or is_hub_name(given):
        return Expanded(given, (given,))
    if is_url(given):
        forget_beginnings()
        return _of_url(kept_apart(given), format)
    if Path(given).is_dir():
        return _of_folder(given, format)
    if Path(given).exists() or not _PATTERN.search(given):
        return Expanded(given, (given,))
    matching = [
        _of_folder(one, format) if Path(one).is_dir() else Expanded(one, (one,))
        for one in sorted(glob(given, recursive=True))
    ]
    if not matching:
        raise DataError(f"{given}: no file matches; check the pattern and the directory ({Path.cwd()})")
    sources: dict[tuple[str, ...], str] = {}
    for source in [source for one in matching for source in one.sources]:
        sources.setdefault(_read_of(source, format), source)
    return Expanded(given, tuple(sources.values()), unread=tuple(file for one in matching for file in one.unread))


def _read_of(source: str, format: str) -> tuple[str, ...]:
    """What of a source is read: the same of both files of a pair, either of which means both."""
    several = None if Path(source).is_dir() else format_of_several(source, format)
    return (source,) if several is None else tuple(map(str, _files_of(source, several)))


def _of_url(url: str, format: str) -> Expanded:
    """As `expanded`: folders are prefixes of keys, which are told from files, as patterns are, by asking for them."""
    if url_scheme(url) not in OBJECT_STORES or (not url.endswith("/") and _is_file(url)):
        return Expanded(url, (url,))
    if _PATTERN.search(url):
        if not (matching := files_matching(url)):
            raise DataError(f"{url}: no file matches; check the pattern and the bucket")
        return Expanded(url, tuple(matching))
    below = files_below(url)
    shown = {file: file[len(url.rstrip("/")) + 1 :].split("/") for file in below}
    files = [file for file, parts in shown.items() if not any(part.startswith(".") for part in parts)]
    left_out = tuple(file for file in files if below[file] == 0 or is_beside(shown[file][-1]))
    sources = tuple(file for file in files if file not in left_out)
    if not below:
        raise DataError(f"{url}: no such file, and nothing below it; check the name and the bucket")
    if not sources:
        raise DataError(
            f"{url}: is a folder; expected files with sentences in it, found {_listed(list(map(last_part, files)))}"
        )
    return Expanded(url, sources, True, left_out)


def _is_file(url: str) -> bool:
    try:
        about(url)
    except (FileNotFoundError, IsADirectoryError):
        return False
    return True


def _of_folder(folder: str, format: str) -> Expanded:
    found = _Found()
    found.walk(folder, format)
    if not found.sources and _is_of_several(format):
        return Expanded(folder, (folder,))  # it is not of this format: whoever reads it says so
    if not found.sources:
        names = f"found {_listed([Path(file).name for file in found.left_out])}" if found.left_out else "found none"
        raise DataError(
            f"{folder}: is a directory; expected files with sentences in it, {names}; a pattern in quotes "
            f"('{folder.rstrip('/')}/*.md') takes files whatever their names"
        )
    return Expanded(folder, tuple(found.sources), True, tuple(found.left_out), tuple(found.unread))


@dataclass
class _Found:
    """What folders hold (see `Expanded`), and which ones were walked: links may lead back."""

    sources: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    walked: set[Path] = field(default_factory=set)

    def walk(self, folder: str, format: str) -> None:
        """Add what a folder holds: itself where it is one source, else its files and what its folders hold.

        format: the only one that sources may be of, or "auto".
        """
        resolved = Path(folder).resolve()
        if resolved in self.walked:
            return
        self.walked.add(resolved)
        if (several := format_of_several(folder, format)) is not None:
            self.sources.append(folder)
            read = set(_files_of(folder, several))
            self._leave_out(file for file in files_in(Path(folder)) if file not in read)
            return
        for path in shown_in(Path(folder)):
            if path.is_dir():
                self.walk(str(path), format)
            elif holds_none(path) or _is_of_several(format):
                self._leave_out([path])
            else:
                self.sources.append(str(path))

    def _leave_out(self, files: Iterable[Path]) -> None:
        for file in files:
            (self.left_out if holds_none(file) else self.unread).append(str(file))


def _is_of_several(format: str) -> bool:
    """Is a source of this format several files?"""
    return format in FORMATS and FORMATS[format].files is not None


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
