"""Folders and patterns (`data/*.conll`) in place of files: which sources are meant, in which order, and what is not.

A directory that is one source by itself (of CCF 2020, of brat, of `save_to_disk`) stays one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from ner_distill.data.formats.lines import STDIN
from ner_distill.data.formats.registry import FORMATS, format_of_several
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.tables import is_hub_name
from ner_distill.errors import DataError
from ner_distill.places.objects import about, files_below, files_matching, forget_beginnings
from ner_distill.places.urls import OBJECT_STORES, is_url, kept_apart, last_part, url_scheme

_PATTERN = re.compile(r"[*?\[]")
_ABOUT = re.compile(
    r"(authors|changelog|changes|citation|copying|dockerfile|licen[cs]e|makefile|md5sums|notice|readme|sha256sums)(\..*)?",
    re.IGNORECASE,
)
"""How files are called that tell of a data set."""
_OTHERS = re.compile(
    r".*(~|\.(bak|bib|cfg|crc|gif|html|ini|ipynb|jpe?g|log|md|md5|pdf|png|py|rst|sh|sha256|svg|tex|toml|ya?ml))",
    re.IGNORECASE,
)
"""How files end that lie beside sentences and hold none."""
_SHOWN = 5
_TRAINED = frozenset(["train", "training"])
_TESTED = frozenset(["dev", "devel", "eval", "test", "testa", "testb", "val", "valid", "validation"])


@dataclass(frozen=True)
class Expanded:
    """What a path that was given stands for.

    given:    the path. sources: itself, or the files that it means.
    left_out: files of a folder that hold no sentences, by their names or as they are empty.
    """

    given: str
    sources: tuple[str, ...]
    is_folder: bool = False
    left_out: tuple[str, ...] = ()

    def remark(self) -> str:
        """What to say of it; "" where it stands for itself."""
        if self.sources == (self.given,):
            return ""
        names = _listed([self._name(source) for source in self.sources])
        rest = f"; left out, as no sentences: {_listed(list(map(self._name, self.left_out)))}" if self.left_out else ""
        return f"{self.given}: reads {counted(len(self.sources), 'file')}: {names}{rest}"

    def require_alike(self, formats: Sequence[str]) -> None:
        """Raises DataError where labelled sentences are asked for and a folder holds other files as well.

        formats: of the sources. Files for training and for testing in one folder are not read as if they were one.
        """
        if not self.is_folder:
            return
        parts = {source: set(re.split(r"[^a-z]+", self._name(source).lower())) for source in self.sources}
        trained, tested = (
            [self._name(source) for source in self.sources if parts[source] & names] for names in (_TRAINED, _TESTED)
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

    def _name(self, source: str) -> str:
        if is_url(source):
            return source.removeprefix(self.given).lstrip("/") if self.is_folder else last_part(source)
        path = Path(source)
        return str(path.relative_to(self.given)) if self.is_folder else path.name


def expanded(path: str | Path, format: str = "auto") -> Expanded:
    """The sources that a path stands for.

    A path that exists is that file; of a folder all its files, and those of its folders, sorted by name: hidden ones,
    empty ones and what only tells of a data set (README.md, LICENSE) are left out. Else a path with *, ? or [ is a
    pattern (** are folders over folders); what it matches is sorted, and read whatever its name.
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
    sources: list[str] = []
    for one in sorted(glob(given, recursive=True)):
        sources += _of_folder(one, format).sources if Path(one).is_dir() else [one]
    if not sources:
        raise DataError(f"{given}: no file matches; check the pattern and the directory ({Path.cwd()})")
    return Expanded(given, tuple(dict.fromkeys(sources)))


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
    left_out = tuple(file for file in files if below[file] == 0 or _is_beside(shown[file][-1]))
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
    is_one = format_of_several(folder, format) is not None
    if is_one or (format in FORMATS and FORMATS[format].files is not None):
        return Expanded(folder, (folder,))  # where it is not of this format, whoever reads it says so
    sources: list[str] = []
    left_out: list[str] = []
    _walk(Path(folder), format, sources, left_out, set())
    if not sources:
        found = f"found {_listed([Path(file).name for file in left_out])}" if left_out else "found none"
        raise DataError(
            f"{folder}: is a directory; expected files with sentences in it, {found}; a pattern in quotes "
            f"('{folder.rstrip('/')}/*.md') takes files whatever their names"
        )
    return Expanded(folder, tuple(sources), True, tuple(left_out))


def _walk(folder: Path, format: str, sources: list[str], left_out: list[str], seen: set[Path]) -> None:
    """Adds the sources of a folder, and what is left out. seen: folders that were walked: links may lead back."""
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error
    for path in inside:
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            (left_out if _holds_none(path) else sources).append(str(path))
        elif format_of_several(path, format) is not None:
            sources.append(str(path))
        else:
            _walk(path, format, sources, left_out, seen)


def _holds_none(path: Path) -> bool:
    """Is a file empty, or one that by its name holds no sentences?"""
    return _is_beside(path.name) or (path.is_file() and path.stat().st_size == 0)


def _is_beside(name: str) -> bool:
    return bool(_ABOUT.fullmatch(name) or _OTHERS.fullmatch(name))


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
