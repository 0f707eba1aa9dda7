"""Blocks of soft labels ⇄ flat arrays ⇄ Parquet, checked on both ways.

Arrow arrays are built from offsets and flat values: no Python object per probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

_PAIR = pa.struct(
    [
        pa.field("word", pa.int32(), nullable=False),
        pa.field("other_row", pa.int32(), nullable=False),
        pa.field("other_word", pa.int32(), nullable=False),
        pa.field("similarity", pa.float16(), nullable=False),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("words", pa.list_(pa.string()), nullable=False),
        pa.field("probs", pa.list_(pa.float16()), nullable=False),
        pa.field("keep", pa.list_(pa.bool_()), nullable=False),
        pa.field("block", pa.int32(), nullable=False),
        pa.field("lang", pa.string()),
        pa.field("pairs", pa.list_(_PAIR), nullable=False),
    ]
)
_ROW_GROUP = 1024
# The two bytes of a float16 compress better apart (a tenth smaller and quicker than plain, on softmax output).
_ENCODING = {"probs.list.element": "BYTE_STREAM_SPLIT"}
_DICTIONARY = ["words.list.element", "lang"]
# float16 keeps about three digits; a distribution of tags may miss 1 by the rounding of each of its terms.
_SUM_TOLERANCE = 0.02


@dataclass(frozen=True, eq=False)
class SoftRow:
    """A sentence with a teacher's answer.

    probs: (words, tags) float16, each word's probabilities sum to 1.
    keep:  (words,) bool, False where voting or a threshold dropped the word.
    """

    id: str
    words: tuple[str, ...]
    probs: npt.NDArray[np.float16]
    keep: npt.NDArray[np.bool_]
    lang: str | None = None


@dataclass(frozen=True, eq=False)
class SoftBlock:
    """Sentences that were labelled together.

    pairs:      (pairs, 4) int32: row, word, other row, other word; rows are positions in `rows`.
                Stored by first row: they come back sorted by it, otherwise in the order given.
    similarity: (pairs,) float16 in [0, 1].
    """

    rows: tuple[SoftRow, ...]
    pairs: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Columns:
    """A shard as flat arrays.

    offsets: (rows + 1,) int64, row i has the words offsets[i] to offsets[i + 1].
    blocks:  (rows,) int32, the block of each row: 0, 0, ..., 1, 1, ...
    pairs:   (pairs, 4) int32: row in the SHARD, sorted; word; other row in the BLOCK; other word.
    """

    ids: list[str]
    words: list[str]
    offsets: npt.NDArray[np.int64]
    probs: npt.NDArray[np.float16]
    keep: npt.NDArray[np.bool_]
    blocks: npt.NDArray[np.int32]
    langs: list[str | None]
    pairs: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float16]

    @classmethod
    def from_blocks(cls, blocks: Sequence[SoftBlock], tags: int) -> Columns:
        """Put blocks end to end. Raises ValueError where shapes or types are not those of `SoftRow`."""
        rows = [row for block in blocks for row in block.rows]
        _check_shapes(blocks, tags)
        sizes = np.array([len(block.rows) for block in blocks], np.int64)
        firsts = np.cumsum(sizes) - sizes
        pairs = [np.zeros((0, 4), np.int32)]
        for first, block in zip(firsts, blocks, strict=True):
            pairs.append(block.pairs + np.array([first, 0, 0, 0], np.int32))
        flat = np.concatenate(pairs)
        order = np.argsort(flat[:, 0], kind="stable")
        similarity = np.concatenate([np.zeros(0, np.float16), *(block.similarity for block in blocks)])
        return cls(
            ids=[row.id for row in rows],
            words=[word for row in rows for word in row.words],
            offsets=np.cumsum([0, *(len(row.words) for row in rows)], dtype=np.int64),
            probs=np.concatenate([np.zeros((0, tags), np.float16), *(row.probs for row in rows)]),
            keep=np.concatenate([np.zeros(0, np.bool_), *(row.keep for row in rows)]),
            blocks=np.repeat(np.arange(len(blocks), dtype=np.int32), sizes),
            langs=[row.lang for row in rows],
            pairs=flat[order],
            similarity=similarity[order],
        )

    def to_blocks(self) -> list[SoftBlock]:
        """The blocks again; arrays are read-only views into this shard's."""
        for array in (self.probs, self.keep, self.similarity):
            array.flags.writeable = False
        ends = self.offsets.tolist()
        rows = [
            SoftRow(name, tuple(self.words[start:end]), self.probs[start:end], self.keep[start:end], lang)
            for name, lang, start, end in zip(self.ids, self.langs, ends[:-1], ends[1:], strict=True)
        ]
        firsts = np.flatnonzero(np.diff(self.blocks, prepend=-1))
        limits = np.append(firsts, len(rows))
        cuts = np.searchsorted(self.pairs[:, 0], limits)
        local = self.pairs.copy()
        local[:, 0] -= firsts[self.blocks[self.pairs[:, 0]]].astype(np.int32)
        local.flags.writeable = False
        return [
            SoftBlock(tuple(rows[limits[i] : limits[i + 1]]), local[cut:until], self.similarity[cut:until])
            for i, (cut, until) in enumerate(pairwise(cuts.tolist()))
        ]

    def check(self) -> None:
        """Raise ValueError where a value cannot be: the message names the sentence."""
        wide = self.probs.astype(np.float32)
        with np.errstate(invalid="ignore"):
            self._refuse(np.any(~np.isfinite(wide), axis=1), "a probability is not a number")
            self._refuse(np.any(wide < 0, axis=1), "a probability is negative")
            self._refuse(np.abs(wide.sum(axis=1) - 1) > _SUM_TOLERANCE, "the probabilities of a word do not sum to 1")
        steps = np.diff(self.blocks, prepend=-1)
        if len(steps) and (steps[0] != 1 or not np.isin(steps, (0, 1)).all()):
            raise ValueError("the rows of a block must be together, and blocks be numbered 0, 1, ...")
        self._check_pairs()

    def _refuse(self, bad: npt.NDArray[np.bool_], problem: str) -> None:
        if bad.any():
            word = int(np.argmax(bad))
            row = int(np.searchsorted(self.offsets, word, side="right")) - 1
            raise ValueError(f"sentence {self.ids[row]!r}, word {word - int(self.offsets[row])}: {problem}")

    def _check_pairs(self) -> None:
        if len(self.pairs) == 0:
            return
        row, word, other_row, other_word = self.pairs.astype(np.int64).T
        if row.min() < 0 or row.max() >= len(self.ids):
            raise ValueError("a pair's row is not in the shard")
        lengths = np.diff(self.offsets)
        firsts = np.flatnonzero(np.diff(self.blocks, prepend=-1))
        sizes = np.diff(firsts, append=len(self.blocks))
        block = self.blocks[row]
        inside = (other_row >= 0) & (other_row < sizes[block])
        other = np.where(inside, firsts[block] + other_row, 0)
        good = inside & (word >= 0) & (word < lengths[row]) & (other_word >= 0) & (other_word < lengths[other])
        if not good.all():
            bad = int(np.argmin(good))
            raise ValueError(f"sentence {self.ids[row[bad]]!r}: a pair points to a word that its block does not have")
        if not ((self.similarity >= 0) & (self.similarity <= 1)).all():  # NaN is neither
            raise ValueError("a pair's similarity is not between 0 and 1")

    def to_parquet(self) -> pa.Buffer:
        """The bytes of the shard's file."""
        rows = np.arange(len(self.ids) + 1)
        similarity = pa.array(self.similarity)
        values = [pa.array(np.ascontiguousarray(self.pairs[:, column])) for column in (1, 2, 3)]
        structs = pa.StructArray.from_arrays([*values, similarity], fields=list(_PAIR))
        arrays = [
            pa.array(self.ids, pa.string()),
            _lists(self.offsets, pa.array(self.words, pa.string())),
            _lists(self.offsets * self.probs.shape[1], pa.array(self.probs.reshape(-1))),
            _lists(self.offsets, pa.array(self.keep)),
            pa.array(self.blocks),
            pa.array(self.langs, pa.string()),
            _lists(np.searchsorted(self.pairs[:, 0], rows), structs),
        ]
        sink = pa.BufferOutputStream()
        pq.write_table(
            pa.table(arrays, schema=SCHEMA),
            sink,
            compression="zstd",
            row_group_size=_ROW_GROUP,
            use_dictionary=_DICTIONARY,
            column_encoding=_ENCODING,
        )
        return sink.getvalue()


def read_columns(path: Path, tags: int) -> Columns:
    """Read and check a shard. Raises ValueError that says what is wrong with the file."""
    table = _read(path, SCHEMA.names)
    word_offsets, words = _flat(table, "words")
    prob_offsets, probs = _flat(table, "probs")
    keep_offsets, keep = _flat(table, "keep")
    pair_offsets, pairs = _flat(table, "pairs")
    if not np.array_equal(prob_offsets, word_offsets * tags):
        raise ValueError(f"the lengths of 'probs' are not the words times {tags} tags")
    if not np.array_equal(keep_offsets, word_offsets):
        raise ValueError("the lengths of 'keep' and 'words' differ")
    row = np.repeat(np.arange(table.num_rows), np.diff(pair_offsets))
    fields = [_numpy(pairs.field(name)) for name in ("word", "other_row", "other_word")]
    columns = Columns(
        ids=table["id"].to_pylist(),
        words=words.to_pylist(),
        offsets=word_offsets,
        probs=_numpy(probs).reshape(-1, tags),
        keep=_numpy(keep),
        blocks=_numpy(table["block"].combine_chunks()),
        langs=table["lang"].to_pylist(),
        pairs=np.stack([row, *fields], axis=1).astype(np.int32),
        similarity=_numpy(pairs.field("similarity")),
    )
    columns.check()
    return columns


def read_lengths(path: Path) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """For each row its block and its number of words, from two small columns. Raises ValueError."""
    table = _read(path, ["keep", "block"])
    return _numpy(table["block"].combine_chunks()), np.diff(_flat(table, "keep")[0])


def _check_shapes(blocks: Sequence[SoftBlock], tags: int) -> None:
    for block in blocks:
        if not block.rows:
            raise ValueError("a block needs at least one sentence")
        if block.pairs.shape != (len(block.similarity), 4) or block.pairs.dtype != np.int32:
            raise ValueError(f"pairs must be (pairs, 4) int32, found {block.pairs.shape} {block.pairs.dtype}")
        if block.similarity.dtype != np.float16:
            raise ValueError(f"similarity must be float16, found {block.similarity.dtype}")
        if ((block.pairs[:, 0] < 0) | (block.pairs[:, 0] >= len(block.rows))).any():
            raise ValueError("a pair's first row is not in its block")
        for row in block.rows:
            words = len(row.words)
            if row.probs.shape != (words, tags) or row.probs.dtype != np.float16:
                found = f"found {row.probs.shape} {row.probs.dtype}"
                raise ValueError(f"sentence {row.id!r}: probs must be ({words}, {tags}) float16, {found}")
            if row.keep.shape != (words,) or row.keep.dtype != np.bool_:
                found = f"found {row.keep.shape} {row.keep.dtype}"
                raise ValueError(f"sentence {row.id!r}: keep must be ({words},) bool, {found}")


def _lists(offsets: npt.NDArray[Any], values: pa.Array) -> pa.Array:
    if offsets[-1] >= 2**31:
        raise ValueError("a shard holds too many values for one file: make shard_size smaller")
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _read(path: Path, names: Sequence[str]) -> pa.Table:
    try:
        # Not `read_table`: it takes folder names such as `lang=de` for columns.
        with pq.ParquetFile(path) as file:
            table = file.read(columns=list(names), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    for name in names:
        expected = SCHEMA.field(name)
        if name not in table.column_names or table[name].type != expected.type:
            found = table[name].type if name in table.column_names else "nothing"
            raise ValueError(f"column {name!r} must be {expected.type}, found {found}")
        if not expected.nullable and table[name].null_count:
            raise ValueError(f"column {name!r} has empty rows")
    return table


def _flat(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Offsets (from 0) and values of a list column."""
    array = table[name].combine_chunks()
    offsets = np.asarray(array.offsets).astype(np.int64)
    values = array.flatten()
    if values.null_count:
        raise ValueError(f"column {name!r} has empty values")
    return offsets - offsets[0], values


def _numpy(array: pa.Array) -> npt.NDArray[Any]:
    if array.null_count:
        raise ValueError("a number is missing")
    return np.array(array.to_numpy(zero_copy_only=False))
