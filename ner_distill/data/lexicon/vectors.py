"""Word vectors of a word2vec text file: parsed once, then read from a cache that is memory-mapped.

The file: a line per word, the word, a space or a tab, the numbers; a first line `words width` may precede them.
Packed by gzip, bzip2, xz or zstd as well. `vector_text.py` parses it.

The cache: one safetensors file per source with the tensors `matrix` and `forms` (UTF-8, a line end after each form)
and, as metadata, what the source was when it was read.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import stat
import tempfile
import time
import zlib
from collections.abc import Collection, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ner_distill.data.lexicon.vector_text import Block, VectorText, check_dim
from ner_distill.errors import DataError
from ner_distill.files import replacing, sha256_of, temporary_files

_LONGEST_WRITE = 3600  # seconds: a temporary file that nobody touched for so long is of a conversion that was killed
_ROWS = 1 << 11  # of the cache that are mapped at once: what was looked at stays resident as long as it is mapped


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The vectors of those needed words that a file knows.

    forms:  the words that have one, each once, in the order of the file.
    matrix: (forms, dim) float32, finite.
    needed: how many words were asked for.
    counts: vectors (in the file), missing (the header announced so many more), duplicates (further vectors of a form:
            the first counts), nameless (vectors of the empty word, left out), blank (empty lines).
    """

    forms: tuple[str, ...]
    matrix: NDArray[np.float32]
    needed: int
    counts: dict[str, int]

    @property
    def coverage(self) -> float:
        """The share of the needed words that has a vector, 0 to 1; 0 where none was needed."""
        return len(self.forms) / self.needed if self.needed else 0.0


def read_vectors(
    path: str | Path, needed: Collection[str], *, dim: int | None = None, cache: Path | None = None
) -> WordVectors:
    """The vectors of the `needed` words.

    dim:   the width that the caller expects; another one is refused.
    cache: directory of the cache; by default `ner-distill/vectors` under $XDG_CACHE_HOME or ~/.cache. Where it cannot
           be written, the file is parsed every time.
    The cached file is made again where the source's size or SHA-256 is another one, and where it is damaged; the
    SHA-256 is computed where the source's times have changed. Raises DataError that names the line for what is no
    vector of the width of the others, for a file that is no word2vec text, and where no needed word has a vector.
    """
    path = Path(path)
    status = _status(path)
    wanted = needed if isinstance(needed, Set) else frozenset(needed)
    source = _cached(path, status, _cache_file(path, cache), dim) or VectorText(path, dim)
    forms: dict[str, None] = {}
    matrix = np.empty((0, 0), np.float32)
    duplicates = 0
    examples: list[str] = []
    for block_forms, vectors in source.blocks():
        if not examples:
            width = vectors.shape[1]
            check_dim(path, width, dim)
            matrix = np.empty((len(wanted), width), np.float32)  # what is never written takes no memory
            examples = block_forms[:3]
        rows = []
        for row, form in enumerate(block_forms):
            if form in wanted:
                if form in forms:
                    duplicates += 1
                else:
                    forms[form] = None
                    rows.append(row)
        matrix[len(forms) - len(rows) : len(forms)] = vectors[rows]
    if wanted and not forms:
        raise DataError(
            f"{path}: holds a vector for none of the {len(wanted):,} words that are needed: needed are "
            f"{', '.join(map(repr, itertools.islice(wanted, 3)))}, the file has {', '.join(map(repr, examples))}; "
            "take vectors of the language, script and case of your words"
        )
    return WordVectors(tuple(forms), matrix[: len(forms)], len(wanted), {**source.counts, "duplicates": duplicates})


def _status(path: Path) -> os.stat_result:
    """Raises DataError where `path` is no file that can be read again."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; check the name of the vectors") from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: is no regular file; expected a file of word vectors as word2vec writes them as text")
    return status


class _Cache:
    """A cached file, opened. Raises OSError, ValueError, KeyError, TypeError or SafetensorError where it is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with safe_open(path, "numpy") as file:  # checks the sizes
            source = json.loads(file.metadata()["source"])
            forms = file.get_tensor("forms").tobytes()
        if zlib.crc32(forms) != source["crc"]:
            raise ValueError("the words are not those that were written")
        self._forms = forms.decode("utf-8")
        self.times: list[int] = source["times"]
        self.sha256: str = source["sha256"]
        self.counts: dict[str, int] = source["counts"]
        # `safe_open` copies what it reads: the matrix is mapped by its place in the file.
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
            matrix = json.loads(file.read(header))["matrix"]
        self._start, self._dim = 8 + header + matrix["data_offsets"][0], matrix["shape"][1]

    def is_of(self, source: Path, status: os.stat_result) -> bool:
        times = _times(status)
        return self.times == times or (self.times[0] == times[0] and self.sha256 == sha256_of(source))

    def blocks(self) -> Iterator[Block]:
        """As `VectorText.blocks`; the rows must be copied before the next block."""
        forms = self._forms.split("\n")[:-1]
        for row in range(0, len(forms), _ROWS):
            shape = len(forms[row : row + _ROWS]), self._dim
            start = self._start + 4 * self._dim * row
            yield forms[row : row + _ROWS], np.memmap(self._path, np.float32, "r", start, shape)


def _cached(path: Path, status: os.stat_result, target: Path | None, dim: int | None) -> _Cache | None:
    """The cache of a source, made where there is none or not the right one; None where none can be kept."""
    if target is None:
        return None
    with suppress(OSError, ValueError, KeyError, TypeError, SafetensorError):
        cache = _Cache(target)
        if cache.is_of(path, status):
            return cache
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _convert(path, status, target, dim)
        return _Cache(target)
    except (OSError, SafetensorError):  # no room, no right to write: what cannot be read raises DataError
        return None


def _convert(path: Path, status: os.stat_result, target: Path, dim: int | None) -> None:
    """Write the cache of a source. Several processes may do this at once; what a killed one left goes."""
    for leftover in temporary_files(target.parent):
        with suppress(OSError):  # another process may remove it, too
            if leftover.stat().st_mtime < time.time() - _LONGEST_WRITE:
                leftover.unlink()
    text, sha256 = VectorText(path, dim), sha256_of(path)
    forms = bytearray()
    with tempfile.TemporaryFile(dir=target.parent) as rows:
        for words, vectors in text.blocks():
            rows.write(vectors.data)
            forms += "".join(f"{word}\n" for word in words).encode("utf-8")
        rows.flush()
        matrix = np.memmap(rows, np.float32, "r", shape=(text.counts["vectors"], text.dim))
        tensors: dict[str, NDArray[Any]] = {"matrix": matrix, "forms": np.frombuffer(forms, np.uint8)}
        source = {"times": _times(status), "sha256": sha256, "counts": text.counts, "crc": zlib.crc32(forms)}
        with replacing(target) as temporary:
            save_file(tensors, temporary, {"source": json.dumps(source)})


def _times(status: os.stat_result) -> list[int]:
    # The time of the change as well: unlike that of the content nobody can set it back.
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _cache_file(path: Path, directory: Path | None) -> Path | None:
    """The file name of a source's cache: its stem and a hash of its path; None where there is no home directory."""
    if directory is None:
        base = os.environ.get("XDG_CACHE_HOME", "")
        try:
            directory = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "ner-distill" / "vectors"
        except RuntimeError:
            return None
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    return directory / f"{path.stem[:40]}-{digest}.safetensors"
