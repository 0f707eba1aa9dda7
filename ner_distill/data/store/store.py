"""The soft-label store as training reads it: blocks of sentences with a teacher's answers.

A store is a directory: `manifest.json` and Parquet shards (docs/formats.md). `writer.py` writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import Unit
from ner_distill.data.store.columns import SoftBlock, SoftRow
from ner_distill.data.store.manifest import Manifest, ShardEntry, read_manifest
from ner_distill.data.store.parquet import read_columns, read_lengths
from ner_distill.data.tagset import TagSet
from ner_distill.errors import RunError
from ner_distill.places import Location, Place, place_of

BLOCK = np.dtype([(name, np.int64) for name in ("shard", "block", "first_row", "rows", "words", "longest")])
"""Where a block is and how big: enough to plan batches.

shard: position in `manifest.shards`; block: position in the shard; first_row: its first row in the shard; rows and
words: how many; longest: words of its longest row.
"""


class SoftLabelStore:
    """A store, opened for reading. Holds the manifest, a small index and the last few decoded shards."""

    def __init__(self, place: Place, manifest: Manifest, *, cached_shards: int = 4) -> None:
        self.place = place
        self.manifest = manifest
        self.tagset = TagSet(manifest.labels)
        self._cached = lru_cache(max(1, cached_shards))(self._read)

    @classmethod
    def open(
        cls, location: Location, *, verify: bool = False, allow_incomplete: bool = False, cached_shards: int = 4
    ) -> Self:
        """Open a store.

        verify: compare the hash of every shard; without it only that each is there and has its size.
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
        if bad := [f"{name}: {problem}" for name, problem in damaged(place, manifest.shards, deep=verify).items()]:
            raise RunError(_damage_message(place, bad))
        return cls(place, manifest, cached_shards=cached_shards)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @property
    def unit(self) -> Unit:
        return self.manifest.unit

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.manifest.shards)

    @property
    def words(self) -> int:
        """Words in the store, dropped ones included."""
        return sum(shard.words for shard in self.manifest.shards)

    @property
    def kept(self) -> int:
        return sum(shard.kept for shard in self.manifest.shards)

    @property
    def has_spans(self) -> bool:
        """Do the rows have spans, as a teacher with a span head gives them?"""
        return self.manifest.span_floor is not None

    @cached_property
    def blocks(self) -> npt.NDArray[np.void]:
        """(blocks,) of dtype `BLOCK`, read once from two small columns; no probability is loaded."""
        shards = [self._blocks_of(position) for position in range(len(self.manifest.shards))]
        return np.concatenate([np.zeros(0, BLOCK), *shards])

    def read_shard(self, position: int) -> list[SoftBlock]:
        """The blocks of `manifest.shards[position]`, decoded and checked; the last few shards stay in memory.

        The arrays are shared with later callers and read-only. Raises RunError where the file is damaged.
        """
        return self._cached(position)

    def read_block(self, index: int) -> SoftBlock:
        """Block `index` of `blocks`. Fast where neighbouring calls stay within a few shards."""
        block = self.blocks[index]
        return self.read_shard(int(block["shard"]))[int(block["block"])]

    def iter_rows(self, start: int = 0) -> Iterator[SoftRow]:
        """The sentences in order, from sentence `start`; shards before it are not read."""
        for position, shard in enumerate(self.manifest.shards):
            if start >= shard.rows:
                start -= shard.rows
                continue
            rows = [row for block in self.read_shard(position) for row in block.rows]
            yield from rows[start:]
            start = 0

    def _read(self, position: int) -> list[SoftBlock]:
        entry = self.manifest.shards[position]
        with self._damage_of(entry):
            columns = read_columns(self.place, entry.name, len(self.tagset), spans=self.has_spans)
            found, expected = columns.sizes, (entry.rows, entry.words, entry.pairs, entry.spans)
            if found != expected:
                raise ValueError(f"{(*found,)} rows, words, pairs and spans, the manifest says {expected}")
        return columns.to_blocks()

    def _blocks_of(self, position: int) -> npt.NDArray[np.void]:
        entry = self.manifest.shards[position]
        with self._damage_of(entry):
            block_of_row, lengths = read_lengths(self.place, entry.name)
        first = np.flatnonzero(np.diff(block_of_row, prepend=-1))
        blocks = np.empty(len(first), BLOCK)
        if len(first):
            blocks["shard"], blocks["block"], blocks["first_row"] = position, np.arange(len(first)), first
            blocks["rows"] = np.diff(first, append=len(lengths))
            blocks["words"] = np.add.reduceat(lengths, first)
            blocks["longest"] = np.maximum.reduceat(lengths, first)
        return blocks

    @contextmanager
    def _damage_of(self, entry: ShardEntry) -> Iterator[None]:
        """Makes a ValueError the RunError that says what to do about a damaged shard."""
        try:
            yield
        except ValueError as error:
            raise RunError(_damage_message(self.place, [f"{entry.name}: {error}"])) from error


def damaged(place: Place, shards: Iterable[ShardEntry], *, deep: bool) -> dict[str, str]:
    """What is wrong with the files of shards: by name, those that are missing or of another size or (deep) hash."""
    sizes = place.names()
    found = {shard.name: _damage(place, shard, sizes.get(shard.name), deep=deep) for shard in shards}
    return {name: problem for name, problem in found.items() if problem}


def _damage(place: Place, shard: ShardEntry, size: int | None, *, deep: bool) -> str:
    """size: of the file; None: there is none."""
    if size is None:
        return "is missing"
    if size != shard.size:
        return f"{size:,} bytes, expected {shard.size:,}"
    if deep:
        try:
            with place.open(shard.name) as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        if found != shard.sha256:
            return f"its sha256 is {found}, the manifest says {shard.sha256}"
    return ""


def _damage_message(place: Place, problems: Sequence[str]) -> str:
    shown = [f"  - {problem}" for problem in problems[:10]]
    more = [f"  - and {len(problems) - 10} more"] if len(problems) > 10 else []
    head = f"{place.shown}: damaged shards; the same label-unlabeled command with `resume` makes only these again:"
    return "\n".join([head, *shown, *more])
