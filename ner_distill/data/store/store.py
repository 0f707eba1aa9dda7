"""The soft-label store as training reads it: blocks of sentences with a teacher's answers.

A store is a directory: `manifest.json` and Parquet shards (docs/formats.md). `soft_label_writer.py` writes it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self, overload

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import Unit
from ner_distill.data.store.columns import Columns, SoftBlock, SoftRow, read_columns, read_lengths
from ner_distill.data.store.manifest import Manifest, ShardEntry, read_manifest
from ner_distill.data.tagset import TagSet
from ner_distill.errors import RunError
from ner_distill.files import sha256_of

__all__ = ["BlockIndex", "BlockInfo", "SoftBlock", "SoftLabelStore", "SoftRow", "damage"]


class BlockInfo(NamedTuple):
    """Where a block is and how big: enough to plan batches.

    shard: position in `manifest.shards`; block: position in the shard; first_row: its first row in the shard.
    """

    shard: int
    block: int
    first_row: int
    rows: int
    words: int
    max_words: int


@dataclass(frozen=True)
class BlockIndex(Sequence[BlockInfo]):
    """The blocks of a store in order. `table`: (blocks, 6) int64, the columns of `BlockInfo`."""

    table: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, index: int) -> BlockInfo: ...
    @overload
    def __getitem__(self, index: slice) -> BlockIndex: ...
    def __getitem__(self, index: int | slice) -> BlockInfo | BlockIndex:
        if isinstance(index, slice):
            return BlockIndex(self.table[index])
        return BlockInfo(*self.table[index].tolist())


class SoftLabelStore:
    """A store, opened for reading. Holds the manifest, a small index and the last few decoded shards."""

    def __init__(self, path: Path, manifest: Manifest, *, cached_shards: int = 4) -> None:
        self.path = path
        self.manifest = manifest
        self.tagset = TagSet(manifest.labels)
        self._cached_shards = cached_shards
        self._cache: OrderedDict[int, list[SoftBlock]] = OrderedDict()

    @classmethod
    def open(
        cls, path: Path | str, *, verify: bool = False, allow_incomplete: bool = False, cached_shards: int = 4
    ) -> Self:
        """Open a store.

        verify: compare the hash of every shard; without it only that each is there and has its size.
        allow_incomplete: take what an unfinished labelling has done so far.
        cached_shards: how many decoded shards to hold.
        Raises RunError where it is no store, is unfinished or damaged.
        """
        path = Path(path)
        manifest = read_manifest(path)
        if not manifest.complete and not allow_incomplete:
            raise RunError(
                f"{path}: the labelling was not finished, {len(manifest.shards)} shards are done; "
                "finish it with the same label-unlabeled command and --resume"
            )
        store = cls(path, manifest, cached_shards=cached_shards)
        bad = store._damaged(deep=verify)
        if bad:
            raise RunError(_damage_message(path, bad))
        return store

    @property
    def labels(self) -> tuple[str, ...]:
        """Entity types in the order of the tag ids."""
        return self.manifest.labels

    @property
    def unit(self) -> Unit:
        """What a word is here."""
        return self.manifest.unit

    @property
    def rows(self) -> int:
        """Sentences in the store."""
        return sum(shard.rows for shard in self.manifest.shards)

    @property
    def words(self) -> int:
        """Words in the store, dropped ones included."""
        return sum(shard.words for shard in self.manifest.shards)

    @property
    def kept(self) -> int:
        """Words whose `keep` is True."""
        return sum(shard.kept for shard in self.manifest.shards)

    @property
    def has_spans(self) -> bool:
        """Do the rows have spans, as a teacher with a span head gives them?"""
        return self.manifest.span_floor is not None

    def require_labels(self, labels: Sequence[str]) -> None:
        """Raise RunError unless the store has exactly these labels in this order."""
        if tuple(labels) != self.labels:
            raise RunError(
                f"{self.path}: the store's labels are {', '.join(self.labels)}; expected {', '.join(labels) or 'none'} "
                "(the order counts). Use a store of a teacher with these labels, or data that has the store's"
            )

    @cached_property
    def blocks(self) -> BlockIndex:
        """The index of all blocks, read once from two small columns; no probability is loaded."""
        tables = [self._index_shard(position) for position in range(len(self.manifest.shards))]
        return BlockIndex(np.concatenate([np.zeros((0, 6), np.int64), *tables]))

    def read_shard(self, position: int) -> list[SoftBlock]:
        """The blocks of `manifest.shards[position]`, decoded and checked; the last few shards stay in memory.

        The arrays are shared with later callers and read-only. Raises RunError where the file is damaged.
        """
        if position in self._cache:
            self._cache.move_to_end(position)
            return self._cache[position]
        entry = self.manifest.shards[position]
        columns = self._read(entry)
        blocks = columns.to_blocks()
        self._cache[position] = blocks
        while len(self._cache) > max(1, self._cached_shards):
            self._cache.popitem(last=False)
        return blocks

    def read_block(self, index: int) -> SoftBlock:
        """Block `index` of `blocks`. Fast where neighbouring calls stay within a few shards."""
        info = self.blocks[index]
        return self.read_shard(info.shard)[info.block]

    def iter_rows(self, start: int = 0) -> Iterator[SoftRow]:
        """The sentences in order, from sentence `start`; shards before it are not read."""
        for position, shard in enumerate(self.manifest.shards):
            if start >= shard.rows:
                start -= shard.rows
                continue
            rows = [row for block in self.read_shard(position) for row in block.rows]
            yield from rows[start:]
            start = 0

    def verify(self) -> list[str]:
        """`part-00003.parquet: what is wrong` for each damaged shard, found by its hash; [] where all are whole."""
        return self._damaged(deep=True)

    def _damaged(self, *, deep: bool) -> list[str]:
        found = ((shard.name, damage(self.path, shard, deep=deep)) for shard in self.manifest.shards)
        return [f"{name}: {problem}" for name, problem in found if problem]

    def _read(self, entry: ShardEntry) -> Columns:
        path = self.path / entry.name
        try:
            columns = read_columns(path, len(self.tagset), spans=self.has_spans)
        except ValueError as error:
            raise RunError(_damage_message(self.path, [f"{entry.name}: {error}"])) from error
        found = (len(columns.ids), len(columns.words), len(columns.pairs), columns.span_count)
        expected = (entry.rows, entry.words, entry.pairs, entry.spans)
        if found != expected:
            problem = f"{found} rows, words, pairs and spans, the manifest says {expected}"
            raise RunError(_damage_message(self.path, [f"{entry.name}: {problem}"]))
        return columns

    def _index_shard(self, position: int) -> npt.NDArray[np.int64]:
        """(blocks, 6), see `BlockInfo`."""
        entry = self.manifest.shards[position]
        try:
            block_of_row, lengths = read_lengths(self.path / entry.name)
        except ValueError as error:
            raise RunError(_damage_message(self.path, [f"{entry.name}: {error}"])) from error
        if len(lengths) == 0:
            return np.zeros((0, 6), np.int64)
        first = np.flatnonzero(np.diff(block_of_row, prepend=-1))
        columns = [
            np.full(len(first), position),
            np.arange(len(first)),
            first,
            np.diff(first, append=len(lengths)),
            np.add.reduceat(lengths, first),
            np.maximum.reduceat(lengths, first),
        ]
        return np.stack(columns, axis=1).astype(np.int64)


def damage(directory: Path, shard: ShardEntry, *, deep: bool) -> str:
    """What is wrong with a shard's file: size, and (deep) hash. "" where it is whole."""
    path = directory / shard.name
    try:
        size = path.stat().st_size
        if size != shard.size:
            return f"{size:,} bytes, expected {shard.size:,}"
        if deep and (found := sha256_of(path)) != shard.sha256:
            return f"its sha256 is {found}, the manifest says {shard.sha256}"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return ""


def _damage_message(path: Path, problems: Sequence[str]) -> str:
    shown = [f"  - {problem}" for problem in problems[:10]]
    more = [f"  - and {len(problems) - 10} more"] if len(problems) > 10 else []
    head = f"{path}: damaged shards; the same label-unlabeled command with --resume makes only these again:"
    return "\n".join([head, *shown, *more])
