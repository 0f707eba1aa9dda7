"""Word vectors of a word2vec text file, in a stream the first time and memory-mapped ever after.

The file: a line per word, the word, a space or a tab, the numbers; a first line `words width` may precede them.
Packed by gzip, bzip2 or xz as well. The cache is one safetensors file per source: `matrix`, `forms` and what the
source was when it was read. Parsing is in `VectorText`, the cache in `_Store`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import mmap
import os
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ner_distill.data.lexicon.vector_text import Block, VectorText, check_dim
from ner_distill.errors import DataError
from ner_distill.files import sha256_of, temporary_files

_FORMS = 1 << 14  # bytes of forms in the cache at once, a thousand or two: their rows are resident together
_HEADER = 4096  # bytes before the matrix in the cache, room for what is said of the source
_TICK = 100_000_000  # ns: two writes may get the same time where they are no farther apart than the clock of files
_ABANDONED = 3600  # seconds after which a temporary file in the cache belongs to no living conversion


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The vectors of those needed words that a file knows.

    forms:  the words found, each once, in the order of the file.
    matrix: (forms, dim) float32, finite. Where no words were named it is the cached file itself, mapped and read-only:
            copy it before it is changed or becomes a tensor.
    needed: how many words were asked for; where all were, how many there are.
    counts: vectors (in the file), missing (the header announced so many more), duplicates (further vectors of a form:
            the first counts), nameless (vectors of the empty word, left out), blank (empty lines).
    cache:  the file that the next reading will use; None where none could be written.
    """

    forms: tuple[str, ...]
    matrix: NDArray[np.float32]
    needed: int
    counts: dict[str, int]
    cache: Path | None = None

    @property
    def coverage(self) -> float:
        """Which share of the needed words has a vector, 0 to 1; 0 where none was needed."""
        return len(self.forms) / self.needed if self.needed else 0.0


def read_vectors(
    path: str | Path, needed: Collection[str] | None = None, *, dim: int | None = None, cache: Path | None = None
) -> WordVectors:
    """The vectors of `needed` words, or of all the file's words for None.

    dim:   the width that the caller expects; another one is refused.
    cache: directory of the cache; by default `ner-distill/vectors` under $XDG_CACHE_HOME or ~/.cache. One that cannot
           be written is done without: then the file is parsed every time.
    The cached file is made again where the source's size, times and SHA-256 say that it is another file, and where it
    is damaged. Raises DataError that names the line for what is no vector of the width of the others, for a file that
    is no word2vec text, and where not one needed word has a vector.
    """
    path = Path(path)
    status = _status(path)
    store = _store(path, status, _cache_file(path, cache), dim)
    wanted = needed if needed is None or isinstance(needed, Set) else frozenset(needed)
    if store is not None:
        check_dim(path, store.dim, dim)
        counts, blocks = store.counts, store.blocks()
        if wanted is None:
            forms = tuple(itertools.chain.from_iterable(block[0] for block in blocks))
            if len(set(forms)) == len(forms):
                return WordVectors(forms, store.matrix, len(forms), {**counts, "duplicates": 0}, store.path)
            blocks = store.blocks()
    else:
        text = VectorText(path, dim)
        counts, blocks = text.counts, text.blocks()
    chosen, matrix, duplicates, examples = _choose(blocks, wanted)
    if wanted and not chosen:
        _nothing(path, wanted, examples)
    total = len(chosen) if wanted is None else len(wanted)
    found = {**counts, "duplicates": duplicates}
    return WordVectors(tuple(chosen), matrix, total, found, store.path if store else None)


def _choose(
    blocks: Iterable[Block], wanted: Set[str] | None
) -> tuple[dict[str, None], NDArray[np.float32], int, list[str]]:
    """(the forms wanted, their rows, how many further rows these forms had, the first forms of the file)."""
    chosen: dict[str, None] = {}
    matrix = np.empty((0, 0), np.float32)
    duplicates = 0
    examples: list[str] = []
    for forms, vectors in blocks:
        if not examples:
            # Room for all at once, where it is known how many: what is never written takes no memory.
            matrix = np.empty((len(wanted or ()), vectors.shape[1]), np.float32)
            examples = forms[:3]
        rows = []
        for row, form in enumerate(forms):
            if wanted is None or form in wanted:
                if form in chosen:
                    duplicates += 1
                else:
                    chosen[form] = None
                    rows.append(row)
        if len(chosen) > len(matrix):
            matrix.resize((2 * len(chosen), vectors.shape[1]), refcheck=False)
        matrix[len(chosen) - len(rows) : len(chosen)] = vectors[rows]
    return chosen, matrix[: len(chosen)], duplicates, examples


def _nothing(path: Path, wanted: Set[str], examples: list[str]) -> NoReturn:
    needed = ", ".join(map(repr, itertools.islice(wanted, 3)))
    raise DataError(
        f"{path}: holds a vector for none of the {len(wanted):,} words that are needed: needed are {needed}, the file "
        f"has {', '.join(map(repr, examples))}; take vectors of the language, script and case of your words"
    )


def _status(path: Path) -> os.stat_result:
    """Raises DataError where `path` is no file that can be read again."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; check the name of the vectors") from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: is no regular file; expected a file of word vectors as word2vec writes them as text")
    return status


@dataclass(frozen=True)
class _Store:
    """A cached file: mapped, of a known shape; `open` raises OSError or ValueError where there is none or half of one.

    The bytes: 8 for the length of the header, the JSON header filled up with spaces, the matrix, the forms as UTF-8
    with a line end after each.
    """

    path: Path
    mapped: mmap.mmap
    rows: int
    dim: int
    about: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> _Store:
        """Maps the file and checks its sizes and the forms' checksum; the matrix is not read."""
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        about = json.loads(json.loads(mapped[8:_HEADER])["__metadata__"]["vectors"])
        store = cls(path, mapped, about["counts"]["vectors"], about["dim"], about)
        if (
            len(mapped) != store._forms + about["forms"]
            or zlib.crc32(memoryview(mapped)[store._forms :]) != about["crc"]
        ):
            raise ValueError(f"{path}: damaged")
        return store

    @property
    def counts(self) -> dict[str, int]:
        """What `VectorText` counted."""
        return dict(self.about["counts"])

    @property
    def _forms(self) -> int:
        """Where the forms begin, in bytes."""
        return _HEADER + 4 * self.rows * self.dim

    @property
    def matrix(self) -> NDArray[np.float32]:
        """(rows, dim), read-only, in the page cache alone until it is looked at."""
        flat = np.frombuffer(self.mapped, np.float32, self.rows * self.dim, _HEADER)
        return flat.reshape(self.rows, self.dim)

    def blocks(self) -> Iterator[Block]:
        """As `VectorText.blocks`; the rows must be copied before the next block."""
        matrix, row, place = self.matrix, 0, self._forms
        while place < len(self.mapped):
            end = self.mapped.find(b"\n", min(place + _FORMS, len(self.mapped) - 1)) + 1
            forms = self.mapped[place:end].decode("utf-8").split("\n")[:-1]
            yield forms, matrix[row : row + len(forms)]
            if hasattr(mmap, "MADV_DONTNEED"):  # or every page looked at stays resident
                self.mapped.madvise(mmap.MADV_DONTNEED)
            row, place = row + len(forms), end

    def is_of(self, source: Path, status: os.stat_result) -> bool:
        """Was the cache made of the file as it is now? Its times answer where they can, else its bytes."""
        about = self.about
        changed = max(status.st_mtime_ns, status.st_ctime_ns)
        if about["status"] == _times(status) and changed + _TICK < about["checked"]:
            return True
        checked = time.time_ns()
        if about["status"][0] != status.st_size or about["sha256"] != sha256_of(source):
            return False
        with suppress(OSError), self.path.open("r+b") as file:  # the same bytes under new times
            file.write(_header({**about, "status": _times(status), "checked": checked}))
        return True


def _store(path: Path, status: os.stat_result, target: Path | None, dim: int | None) -> _Store | None:
    """The cache of a source, made where there is none, another one's or a damaged one; None where none can be kept."""
    if target is None:
        return None
    with suppress(OSError, ValueError, KeyError, TypeError):
        store = _Store.open(target)
        if store.is_of(path, status):
            return store
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _convert(path, status, target, dim)
        return _Store.open(target)
    except OSError:  # no room, no right to write: what cannot be read raises DataError
        return None


def _convert(path: Path, status: os.stat_result, target: Path, dim: int | None) -> None:
    """Write the cache under a name of its own and rename it, so that several processes may do this at once."""
    for left in temporary_files(target.parent):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()
    about: dict[str, Any] = {"status": _times(status), "checked": time.time_ns(), "sha256": sha256_of(path), "crc": 0}
    text = VectorText(path, dim)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file, tempfile.TemporaryFile(dir=target.parent) as forms:
            file.write(bytes(_HEADER))
            for words, matrix in text.blocks():
                file.write(matrix.data)
                names = "".join(f"{word}\n" for word in words).encode("utf-8")
                about["crc"] = zlib.crc32(names, about["crc"])
                forms.write(names)
            about |= {"dim": text.dim, "forms": forms.tell(), "counts": dict(text.counts)}
            forms.seek(0)
            shutil.copyfileobj(forms, file)
            file.seek(0)
            file.write(_header(about))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _header(about: dict[str, Any]) -> bytes:
    """The first bytes of a safetensors file of `matrix` and `forms`, always as many."""
    rows, dim, forms = about["counts"]["vectors"], about["dim"], about["forms"]
    end = 4 * rows * dim
    tensors = {
        "__metadata__": {"vectors": json.dumps(about)},
        "matrix": {"dtype": "F32", "shape": [rows, dim], "data_offsets": [0, end]},
        "forms": {"dtype": "U8", "shape": [forms], "data_offsets": [end, end + forms]},
    }
    return (_HEADER - 8).to_bytes(8, "little") + json.dumps(tensors).encode().ljust(_HEADER - 8)


def _times(status: os.stat_result) -> list[int]:
    # The time of the change as well: unlike that of the content nobody can set it back.
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _cache_file(path: Path, directory: Path | None) -> Path | None:
    """Where the cache of this source is: its name and a hash of where it lies; None where there is no home."""
    if directory is None:
        base = os.environ.get("XDG_CACHE_HOME", "")
        try:
            directory = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "ner-distill" / "vectors"
        except RuntimeError:
            return None
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    return directory / f"{path.stem[:40]}-{digest}.safetensors"
