"""The soft-label store as training reads it: blocks of sentences with a teacher's answers.

A store is a directory: `manifest.json` and Parquet shards (docs/formats.md). `writer.py` writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import Unit
from ner_distill.data.store.columns import SoftBlock, SoftRow
from ner_distill.data.store.drawing import DrawnOtherwise
from ner_distill.data.store.entries import Entries, ShardEntry, shard_name
from ner_distill.data.store.manifest import Manifest, read_manifest
from ner_distill.data.store.parquet import read_columns, read_lengths
from ner_distill.data.tagset import TagSet
from ner_distill.errors import RunError
from ner_distill.places import Location, Place, place_of

HASHED = 2**31
"""Bytes of shards that are read to compare their hashes when a store is opened or gone on with: some seconds."""

BLOCK = np.dtype([(name, np.int64) for name in ("first_row", "rows", "words", "longest")])
"""How big a block is: enough to plan batches.

first_row: its first row in the shard; rows and words: how many; longest: words of its longest row.
"""


class SoftLabelStore:
    """A store, opened for reading. Holds the entries of its shards and the last few decoded shards.

    The hash of a shard is compared when it is first read, so that nothing damaged comes out of it.
    """

    def __init__(self, place: Place, manifest: Manifest, *, cached_shards: int = 4) -> None:
        self.place = place
        self.manifest = manifest
        self.tagset = TagSet(manifest.labels)
        self._cached = lru_cache(max(1, cached_shards))(self._read)
        self._blocks_of = lru_cache(max(1, cached_shards))(self._read_blocks)
        self._hashed = np.zeros(len(manifest.shards), np.bool_)

    @classmethod
    def open(
        cls, location: Location, *, verify: bool = False, allow_incomplete: bool = False, cached_shards: int = 4
    ) -> Self:
        """Open a store.

        verify: compare the hash of every shard now where they have at most `HASHED` bytes. Without it, and of larger
        stores, only that each is there and has its size; hashes when shards are read.
        allow_incomplete: take what an unfinished labelling has done so far.
        cached_shards: how many decoded shards to hold.
        Raises RunError where it is no store, is unfinished or damaged.
        """
        place = place_of(location)
        manifest = read_manifest(place)
        if not manifest.complete and not allow_incomplete:
            raise RunError(
                f"{place.shown}: the labelling was not finished, {len(manifest.shards)} shards are done; "
                "finish it with the same label-unlabeled command and `resume`"
            )
        deep = verify and manifest.total("size") <= HASHED
        if bad := damaged(place, manifest.shards, place.names(), deep=deep):
            problems = [f"{shard_name(index)}: {what}" for index, what in bad.items()]
            raise RunError(_damage_message(place, problems, manifest))
        store = cls(place, manifest, cached_shards=cached_shards)
        store._hashed[:] = deep
        return store

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @property
    def unit(self) -> Unit:
        return self.manifest.unit

    @property
    def rows(self) -> int:
        return self.manifest.total("rows")

    @property
    def words(self) -> int:
        """Words in the store, dropped ones included."""
        return self.manifest.total("words")

    @property
    def kept(self) -> int:
        return self.manifest.total("kept")

    @property
    def has_spans(self) -> bool:
        """Do the rows have spans, as a teacher with a span head gives them?"""
        return self.manifest.span_floor is not None

    @cached_property
    def first_blocks(self) -> npt.NDArray[np.int64]:
        """(shards + 1,): the number of the first block of each shard; the last is the number of blocks."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.manifest.shards.numbers["blocks"])])

    @property
    def block_count(self) -> int:
        """Blocks in the store."""
        return int(self.first_blocks[-1])

    def blocks_of(self, position: int) -> npt.NDArray[np.void]:
        """(blocks,) of dtype `BLOCK`: those of a shard, by two small columns; no probability is loaded.

        Shared with later callers. Raises RunError where the file is damaged.
        """
        return self._blocks_of(position)

    def read_shard(self, position: int) -> list[SoftBlock]:
        """The blocks of `manifest.shards[position]`, decoded and checked; the last few shards stay in memory.

        The arrays are shared with later callers and read-only. Raises RunError where the file is damaged.
        """
        return self._cached(position)

    def read_block(self, index: int) -> SoftBlock:
        """A block by its number; those of a shard follow each other. Fast where calls stay within a few shards."""
        shard = int(np.searchsorted(self.first_blocks, index, side="right")) - 1
        return self.read_shard(shard)[index - int(self.first_blocks[shard])]

    def iter_rows(self, start: int = 0) -> Iterator[SoftRow]:
        """The sentences in order, from sentence `start`; shards before it are not read."""
        for position, rows_there in enumerate(self.manifest.shards.numbers["rows"].tolist()):
            if start >= rows_there:
                start -= rows_there
                continue
            rows = [row for block in self.read_shard(position) for row in block.rows]
            yield from rows[start:]
            start = 0

    def spread(self, rows: int) -> list[int]:
        """Positions of shards that stand for all: evenly spread, with about so many sentences; all where there are no
        more.
        """
        shards = len(self.manifest.shards)
        if self.rows <= rows:
            return list(range(shards))
        take = max(1, int(rows // max(1.0, self.rows / shards)))
        return sorted(set(np.linspace(0, shards - 1, take).round().astype(int).tolist()))

    def _read(self, position: int) -> list[SoftBlock]:
        entry = self.manifest.shards[position]
        with self._damage_of(entry):
            data = self.place.read(entry.name)
            if not self._hashed[position]:
                _require_hash(hashlib.sha256(data).hexdigest(), entry)
                self._hashed[position] = True
            columns = read_columns(data, self.manifest, entry.index)
            found, expected = columns.sizes, (entry.rows, entry.words, entry.pairs, entry.spans)
            if found != expected:
                raise ValueError(f"{(*found,)} rows, words, pairs and spans, the manifest says {expected}")
        return columns.to_blocks()

    def _read_blocks(self, position: int) -> npt.NDArray[np.void]:
        entry = self.manifest.shards[position]
        with self._damage_of(entry):
            block_of_row, lengths = read_lengths(self.place, entry.name, self.manifest)
            first = np.flatnonzero(np.diff(block_of_row, prepend=-1))
            if len(first) != entry.blocks:
                raise ValueError(f"{len(first)} blocks, the manifest says {entry.blocks}")
        blocks = np.empty(len(first), BLOCK)
        if len(first):
            blocks["first_row"] = first
            blocks["rows"] = np.diff(first, append=len(lengths))
            blocks["words"] = np.add.reduceat(lengths, first)
            blocks["longest"] = np.maximum.reduceat(lengths, first)
        return blocks

    @contextmanager
    def _damage_of(self, entry: ShardEntry) -> Iterator[None]:
        """Makes what is wrong with a shard the RunError that says what to do about it."""
        try:
            yield
        except DrawnOtherwise as error:
            raise RunError(f"{self.place.shown}/{entry.name}: {error}") from error
        except (OSError, ValueError) as error:
            raise RunError(_damage_message(self.place, [f"{entry.name}: {error}"], self.manifest)) from error


def damaged(place: Place, shards: Entries, sizes: Mapping[str, int], *, deep: bool) -> dict[int, str]:
    """What is wrong with the files of shards: by index, those that are missing or of another size or (deep) hash.

    sizes: the files of the place, as `Place.names` gives them.
    """
    indices, expected = (shards.numbers[name].tolist() for name in ("index", "size"))
    found: dict[int, str] = {}
    for at, (index, size) in enumerate(zip(indices, expected, strict=True)):
        there = sizes.get(shard_name(index))
        if there is None:
            found[index] = "is missing"
        elif there != size:
            found[index] = f"{there:,} bytes, expected {size:,}"
        elif deep and (problem := _harm(place, shards[at])):
            found[index] = problem
    return found


def _harm(place: Place, shard: ShardEntry) -> str:
    """What is wrong with a file by its hash; "" for nothing."""
    try:
        with place.open(shard.name) as file:
            _require_hash(hashlib.file_digest(file, "sha256").hexdigest(), shard)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except ValueError as error:
        return str(error)
    return ""


def _require_hash(found: str, shard: ShardEntry) -> None:
    if found != shard.sha256:
        raise ValueError(f"its sha256 is {found}, the manifest says {shard.sha256}")


def _damage_message(place: Place, problems: Sequence[str], manifest: Manifest) -> str:
    shown = [f"  - {problem}" for problem in problems[:10]]
    more = [f"  - and {len(problems) - 10} more"] if len(problems) > 10 else []
    how = "`resume`" if manifest.total("size") <= HASHED else "`resume` and `verify`"
    head = f"{place.shown}: damaged shards; the same label-unlabeled command with {how} makes only these again:"
    return "\n".join([head, *shown, *more])
