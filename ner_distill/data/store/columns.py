"""Soft labels in memory: rows, blocks of rows, and the flat arrays of a shard, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SPAN = np.dtype([("start", np.int32), ("end", np.int32), ("label", np.int32), ("score", np.float16)])
"""A span with its probability: the words `start` to `end`, half-open, and the index of its type in the labels."""

SpanArray = npt.NDArray[np.void]
"""(spans,) of dtype `SPAN`."""

PAIR = np.dtype([("word", np.int32), ("other_row", np.int32), ("other_word", np.int32), ("similarity", np.float16)])
"""A pair as the row of its first word has it; `other_row` counts in the block."""


def half_of(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Probabilities as float16, such that one above 0.5, which makes an entity, stays above it."""
    rounded = scores.astype(np.float16)
    above = np.nextafter(np.float16(0.5), np.float16(1))
    return np.where((scores > 0.5) & (rounded < above), above, rounded)


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
    batch:      the number of the batch, within its shard, that the block was labelled in, where its pairs were drawn as
                `Drawing` does; None where they were not, or where that is not known.
    """

    rows: tuple[SoftRow, ...]
    pairs: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float16]
    batch: int | None = None


class Sizes(NamedTuple):
    """How much a shard holds."""

    rows: int
    words: int
    pairs: int
    spans: int


@dataclass(frozen=True, eq=False)
class Lists:
    """A list of records for each row of a shard, end to end: row i has `values[offsets[i] : offsets[i + 1]]`.

    offsets: (rows + 1,) int64. values: structured.
    """

    offsets: npt.NDArray[np.int64]
    values: npt.NDArray[np.void]

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """(values,): the row of each value."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True, eq=False)
class Columns:
    """A shard as flat arrays.

    offsets: (rows + 1,) int64, row i has the words offsets[i] to offsets[i + 1].
    blocks:  (rows,) int32, the block of each row: 0, 0, ..., 1, 1, ...
    batches: (rows,) int32, the batch of the row's block; -1: None (see `SoftBlock`).
    pairs:   of dtype `PAIR`. spans: of dtype `SPAN`, None for a store without spans.
    """

    ids: list[str]
    words: list[str]
    offsets: npt.NDArray[np.int64]
    probs: npt.NDArray[np.float16]
    keep: npt.NDArray[np.bool_]
    blocks: npt.NDArray[np.int32]
    batches: npt.NDArray[np.int32]
    langs: list[str | None]
    pairs: Lists
    spans: Lists | None = None

    @classmethod
    def from_blocks(cls, blocks: Sequence[SoftBlock], tags: int, *, spans: bool = False) -> Columns:
        """Put blocks end to end; `spans`: of a store with spans. Raises ValueError where shapes or types are not those
        of `SoftRow`, and where a row has spans but the store has none or the other way round.
        """
        _check_shapes(blocks, tags, spans=spans)
        rows = [row for block in blocks for row in block.rows]
        sizes = np.array([len(block.rows) for block in blocks], np.int64)
        firsts = np.cumsum(sizes) - sizes
        row_of_pair = np.repeat(firsts, [len(block.pairs) for block in blocks])
        joined = np.concatenate([np.zeros((0, 4), np.int32), *(block.pairs for block in blocks)])
        row_of_pair += joined[:, 0]
        order = np.argsort(row_of_pair, kind="stable")
        pairs = np.empty(len(joined), PAIR)
        pairs["word"], pairs["other_row"], pairs["other_word"] = joined[order, 1:].T
        similarity = np.concatenate([np.zeros(0, np.float16), *(block.similarity for block in blocks)])
        pairs["similarity"] = similarity[order]
        found = [row.spans for row in rows if row.spans is not None]
        return cls(
            ids=[row.id for row in rows],
            words=[word for row in rows for word in row.words],
            offsets=_offsets([row.words for row in rows]),
            probs=np.concatenate([np.zeros((0, tags), np.float16), *(row.probs for row in rows)]),
            keep=np.concatenate([np.zeros(0, np.bool_), *(row.keep for row in rows)]),
            blocks=np.repeat(np.arange(len(blocks), dtype=np.int32), sizes),
            batches=np.repeat(np.array([-1 if one.batch is None else one.batch for one in blocks], np.int32), sizes),
            langs=[row.lang for row in rows],
            pairs=Lists(np.searchsorted(row_of_pair[order], np.arange(len(rows) + 1)), pairs),
            spans=Lists(_offsets(found), np.concatenate([np.zeros(0, SPAN), *found])) if spans else None,
        )

    def to_blocks(self) -> list[SoftBlock]:
        """The blocks again; arrays are read-only, most of them views into this shard's."""
        firsts = np.flatnonzero(np.diff(self.blocks, prepend=-1))
        row, pairs = self.pairs.rows, self.pairs.values
        places = np.stack([row - firsts[self.blocks[row]], *(pairs[name] for name in (PAIR.names or ())[:3])], axis=1)
        places, similarity = places.astype(np.int32), np.ascontiguousarray(pairs["similarity"])
        for array in (self.probs, self.keep, places, similarity, *([self.spans.values] if self.spans else [])):
            array.flags.writeable = False
        words = [slice(*ends) for ends in pairwise(self.offsets.tolist())]
        spans: list[SpanArray | None] = [None] * len(self.ids)
        if self.spans is not None:
            spans = [self.spans.values[start:end] for start, end in pairwise(self.spans.offsets.tolist())]
        rows = [
            SoftRow(name, tuple(self.words[own]), self.probs[own], self.keep[own], lang, found)
            for name, lang, own, found in zip(self.ids, self.langs, words, spans, strict=True)
        ]
        limits = np.append(firsts, len(rows))
        batches = [None if batch < 0 else batch for batch in self.batches[firsts].tolist()]
        ends = zip(pairwise(limits), pairwise(self.pairs.offsets[limits]), batches, strict=True)
        return [
            SoftBlock(tuple(rows[start:end]), places[first:last], similarity[first:last], batch)
            for (start, end), (first, last), batch in ends
        ]

    @property
    def sizes(self) -> Sizes:
        spans = len(self.spans.values) if self.spans is not None else 0
        return Sizes(len(self.ids), len(self.words), len(self.pairs.values), spans)

    @property
    def longest(self) -> int:
        """Words of the longest row."""
        return int(np.diff(self.offsets).max(initial=0))

    def check(self) -> None:
        """Raise ValueError where a value cannot be: the message names the sentence."""
        self._check_probs()
        steps = np.diff(self.blocks, prepend=-1)
        if len(steps) and (steps[0] != 1 or not np.isin(steps, (0, 1)).all()):
            raise ValueError("the rows of a block must be together, and blocks be numbered 0, 1, ...")
        self._check_pairs()
        if self.spans is not None:
            self._check_spans(self.spans)

    def _check_probs(self) -> None:
        row = np.repeat(np.arange(len(self.ids)), np.diff(self.offsets))
        word = np.arange(len(row)) - self.offsets[row]

        def refuse(bad: npt.NDArray[np.bool_], problem: str) -> None:
            self._refuse(bad, row, problem, lambda at: f", word {word[at]}")

        wide = self.probs.astype(np.float32)
        with np.errstate(invalid="ignore"):
            refuse(np.any(~np.isfinite(wide), axis=1), "a probability is not a number")
            refuse(np.any(wide < 0, axis=1), "a probability is negative")
            refuse(np.abs(wide.sum(axis=1) - 1) > _SUM_TOLERANCE, "the probabilities of a word do not sum to 1")

    def _check_pairs(self) -> None:
        row, (word, other_row, other_word) = self.pairs.rows, _integers(self.pairs.values, PAIR)
        lengths = np.diff(self.offsets)
        firsts = np.flatnonzero(np.diff(self.blocks, prepend=-1))
        block = self.blocks[row]
        inside = (other_row >= 0) & (other_row < np.diff(firsts, append=len(self.blocks))[block])
        other = np.where(inside, firsts[block] + other_row, 0)
        good = inside & (word >= 0) & (word < lengths[row]) & (other_word >= 0) & (other_word < lengths[other])
        self._refuse(~good, row, "a pair points to a word that its block does not have")
        similarity = self.pairs.values["similarity"]
        self._refuse(~((similarity >= 0) & (similarity <= 1)), row, "a pair's similarity is not between 0 and 1")

    def _check_spans(self, spans: Lists) -> None:
        row, (start, end, label) = spans.rows, _integers(spans.values, SPAN)
        score, labels = spans.values["score"], (self.probs.shape[1] - 1) // 2

        def refuse(bad: npt.NDArray[np.bool_], problem: str) -> None:
            place = ", span from word {} to {}, type {}"
            self._refuse(bad, row, problem, lambda at: place.format(start[at], end[at], label[at]))

        refuse((start < 0) | (start >= end), "its start must be 0 or more and below its end")
        refuse(end > np.diff(self.offsets)[row], "it ends beyond the sentence's words")
        refuse((label < 0) | (label >= labels), f"its type must be 0 to {labels - 1}")
        refuse(~((score >= 0) & (score <= 1)), "its score is not between 0 and 1")  # NaN is neither
        order = np.lexsort((label, end, start, row))
        keys = np.stack([row, start, end, label])[:, order]
        doubled = np.zeros(len(row), np.bool_)
        doubled[order[1:]] = (keys[:, 1:] == keys[:, :-1]).all(0)
        refuse(doubled, "it is there twice")

    def _refuse(
        self,
        bad: npt.NDArray[np.bool_],
        rows: npt.NDArray[np.int64],
        problem: str,
        place: Callable[[int], str] = lambda at: "",
    ) -> None:
        """Raise ValueError of the first value that is bad. rows: the row of each; place: says which one of its row."""
        if bad.any():
            at = int(np.argmax(bad))
            raise ValueError(f"sentence {self.ids[rows[at]]!r}{place(at)}: {problem}")


def _integers(values: npt.NDArray[np.void], dtype: np.dtype[np.void]) -> list[npt.NDArray[np.int64]]:
    """The first three fields of `PAIR` or `SPAN`."""
    return [values[name].astype(np.int64) for name in (dtype.names or ())[:3]]


def _offsets(lists: Sequence[Sequence[object] | SpanArray]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *map(len, lists)], dtype=np.int64)


def _check_shapes(blocks: Sequence[SoftBlock], tags: int, *, spans: bool) -> None:
    for block in blocks:
        if not block.rows:
            raise ValueError("a block needs at least one sentence")
        _require("similarity", block.similarity, np.float16, len(block.pairs))
        _require("pairs", block.pairs, np.int32, len(block.pairs), 4)
        if ((block.pairs[:, 0] < 0) | (block.pairs[:, 0] >= len(block.rows))).any():
            raise ValueError("a pair's first row is not in its block")
        for row in block.rows:
            name = f"sentence {row.id!r}"
            _require(f"{name}: probs", row.probs, np.float16, len(row.words), tags)
            _require(f"{name}: keep", row.keep, np.bool_, len(row.words))
            if spans:
                _require(f"{name}: spans", row.spans, SPAN, np.size(row.spans if row.spans is not None else 0))
            elif row.spans is not None:
                raise ValueError(f"{name}: has spans, but the store's header has no span_floor")


def _require(name: str, array: object, dtype: npt.DTypeLike, *shape: int) -> None:
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
        found = f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{name} must be {shape} {np.dtype(dtype)}, found {found}")
