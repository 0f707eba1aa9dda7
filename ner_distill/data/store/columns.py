"""Blocks of soft labels ⇄ flat arrays ⇄ Parquet, checked on both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ner_distill.data.store.parquet import PAIR, flat, lists, numpy_of, read_table, schema
from ner_distill.data.store.spans import SpanArray, SpanColumn, check_spans

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
    spans: (spans,) of dtype `SPAN`, no two the same: those that the teacher thinks possible, with their
           probabilities; None in a store without spans. All others are no more probable than the store's floor.
    """

    id: str
    words: tuple[str, ...]
    probs: npt.NDArray[np.float16]
    keep: npt.NDArray[np.bool_]
    lang: str | None = None
    spans: SpanArray | None = None


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
    spans:   of every row, or None for a store without spans.
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
    spans: SpanColumn | None = None

    @classmethod
    def from_blocks(cls, blocks: Sequence[SoftBlock], tags: int, *, spans: bool = False) -> Columns:
        """Put blocks end to end; `spans`: of a store with spans. Raises ValueError where shapes or types are not those
        of `SoftRow`, and where a row has spans but the store has none or the other way round.
        """
        rows = [row for block in blocks for row in block.rows]
        _check_shapes(blocks, tags, spans=spans)
        sizes = np.array([len(block.rows) for block in blocks], np.int64)
        firsts = np.cumsum(sizes) - sizes
        pairs = [np.zeros((0, 4), np.int32)]
        for first, block in zip(firsts, blocks, strict=True):
            pairs.append(block.pairs + np.array([first, 0, 0, 0], np.int32))
        joined = np.concatenate(pairs)
        order = np.argsort(joined[:, 0], kind="stable")
        similarity = np.concatenate([np.zeros(0, np.float16), *(block.similarity for block in blocks)])
        return cls(
            ids=[row.id for row in rows],
            words=[word for row in rows for word in row.words],
            offsets=np.cumsum([0, *(len(row.words) for row in rows)], dtype=np.int64),
            probs=np.concatenate([np.zeros((0, tags), np.float16), *(row.probs for row in rows)]),
            keep=np.concatenate([np.zeros(0, np.bool_), *(row.keep for row in rows)]),
            blocks=np.repeat(np.arange(len(blocks), dtype=np.int32), sizes),
            langs=[row.lang for row in rows],
            pairs=joined[order],
            similarity=similarity[order],
            spans=SpanColumn.from_rows([row.spans for row in rows if row.spans is not None]) if spans else None,
        )

    def to_blocks(self) -> list[SoftBlock]:
        """The blocks again; arrays are read-only views into this shard's."""
        for array in (self.probs, self.keep, self.similarity):
            array.flags.writeable = False
        ends = self.offsets.tolist()
        spans = [self.spans.of_row(row) if self.spans is not None else None for row in range(len(self.ids))]
        rows = [
            SoftRow(name, tuple(self.words[start:end]), self.probs[start:end], self.keep[start:end], lang, found)
            for name, lang, start, end, found in zip(self.ids, self.langs, ends[:-1], ends[1:], spans, strict=True)
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

    @property
    def span_count(self) -> int:
        """Spans of all rows, 0 in a store without."""
        return len(self.spans.values) if self.spans is not None else 0

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
        if self.spans is not None:
            self.spans.check(self.ids, np.diff(self.offsets), (self.probs.shape[1] - 1) // 2)

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
        structs = pa.StructArray.from_arrays([*values, similarity], fields=list(PAIR))
        arrays = [
            pa.array(self.ids, pa.string()),
            lists(self.offsets, pa.array(self.words, pa.string())),
            lists(self.offsets * self.probs.shape[1], pa.array(self.probs.reshape(-1))),
            lists(self.offsets, pa.array(self.keep)),
            pa.array(self.blocks),
            pa.array(self.langs, pa.string()),
            lists(np.searchsorted(self.pairs[:, 0], rows), structs),
            *([self.spans.to_arrow()] if self.spans is not None else []),
        ]
        sink = pa.BufferOutputStream()
        pq.write_table(
            pa.table(arrays, schema=schema(spans=self.spans is not None)),
            sink,
            compression="zstd",
            row_group_size=_ROW_GROUP,
            use_dictionary=_DICTIONARY,
            column_encoding=_ENCODING,
        )
        return sink.getvalue()


def read_columns(path: Path, tags: int, *, spans: bool = False) -> Columns:
    """Read and check a shard, of a store with spans or without. Raises ValueError that says what is wrong with it."""
    table = read_table(path, schema(spans=spans).names, spans=spans)
    word_offsets, words = flat(table, "words")
    prob_offsets, probs = flat(table, "probs")
    keep_offsets, keep = flat(table, "keep")
    pair_offsets, pairs = flat(table, "pairs")
    if not np.array_equal(prob_offsets, word_offsets * tags):
        raise ValueError(f"the lengths of 'probs' are not the words times {tags} tags")
    if not np.array_equal(keep_offsets, word_offsets):
        raise ValueError("the lengths of 'keep' and 'words' differ")
    row = np.repeat(np.arange(table.num_rows), np.diff(pair_offsets))
    fields = [numpy_of(pairs.field(name)) for name in ("word", "other_row", "other_word")]
    columns = Columns(
        ids=table["id"].to_pylist(),
        words=words.to_pylist(),
        offsets=word_offsets,
        probs=numpy_of(probs).reshape(-1, tags),
        keep=numpy_of(keep),
        blocks=numpy_of(table["block"].combine_chunks()),
        langs=table["lang"].to_pylist(),
        pairs=np.stack([row, *fields], axis=1).astype(np.int32),
        similarity=numpy_of(pairs.field("similarity")),
        spans=SpanColumn.from_table(table) if spans else None,
    )
    columns.check()
    return columns


def read_lengths(path: Path) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """For each row its block and its number of words, from two small columns. Raises ValueError."""
    table = read_table(path, ["keep", "block"])
    return numpy_of(table["block"].combine_chunks()), np.diff(flat(table, "keep")[0])


def _check_shapes(blocks: Sequence[SoftBlock], tags: int, *, spans: bool) -> None:
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
            if spans:
                check_spans(row.id, row.spans)
            elif row.spans is not None:
                raise ValueError(f"sentence {row.id!r}: has spans, but the store's header has no span_floor")
