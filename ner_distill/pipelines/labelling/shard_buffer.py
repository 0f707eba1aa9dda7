"""Answers of the teachers, kept in a few large arrays until their shard is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ner_distill.data.features.windows import Window, settled
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.columns import SPAN, SoftBlock, SoftRow, SpanArray
from ner_distill.data.store.pseudo_labels import LIKELY


@dataclass(frozen=True)
class RowSpans:
    """Spans of a batch. rows: (spans,) int64, sorted: the sentence of each; values: (spans,) of dtype `SPAN`."""

    rows: npt.NDArray[np.int64]
    values: SpanArray


@dataclass(frozen=True)
class Answer:
    """The teachers' answer for one batch, on the CPU.

    probs: (batch, words, tags) float32; keep: (batch, words) bool; pairs: per block (pairs, 2) flat indices;
    similarity: per block (pairs,) float32; spans: None where no teacher has a span head.
    """

    probs: npt.NDArray[np.float32]
    keep: npt.NDArray[np.bool_]
    pairs: list[npt.NDArray[np.int64]]
    similarity: list[npt.NDArray[np.float32]]
    spans: RowSpans | None

    def of_row(self, row: int) -> Answer:
        """The answer for one row, as of a batch of it alone; every row is a block."""
        width = self.probs.shape[1]
        spans = None
        if self.spans is not None:
            own = self.spans.rows == row
            spans = RowSpans(np.zeros(int(own.sum()), np.int64), self.spans.values[own])
        return Answer(
            self.probs[row : row + 1],
            self.keep[row : row + 1],
            [self.pairs[row] - row * width],
            [self.similarity[row]],
            spans,
        )


def joined_answers(windows: Sequence[Window], answers: Sequence[Answer]) -> Answer:
    """The answer for a sentence from those for its windows, as for a batch of this one sentence.

    Of each word it is that of the window from which it is taken, of a span that of the one in which it begins, after
    the borders have been settled so that they cut no likely span in two; pairs are those of all windows. The answers'
    spans are moved in their place: of an unsure teacher they are what takes most memory.
    """
    starts = [window.start for window in windows]
    placed = [
        np.zeros(0, SPAN) if answer.spans is None else _move(answer.spans.values, start)
        for answer, start in zip(answers, starts, strict=True)
    ]
    likely = [values[values["score"] > LIKELY] for values in placed]
    borders = settled(windows, [place for own in likely for place in own[["start", "end"]].tolist()])
    taken = [slice(window.take_start - window.start, window.take_end - window.start) for window in borders]
    begins = [
        (values["start"] >= window.take_start) & (values["start"] < window.take_end)
        for values, window in zip(placed, borders, strict=True)
    ]
    spans = np.concatenate([values[own] for values, own in zip(placed, begins, strict=True)])
    return Answer(
        np.concatenate([answer.probs[:, own] for answer, own in zip(answers, taken, strict=True)], axis=1),
        np.concatenate([answer.keep[:, own] for answer, own in zip(answers, taken, strict=True)], axis=1),
        [np.concatenate([answer.pairs[0] + start for answer, start in zip(answers, starts, strict=True)])],
        [np.concatenate([answer.similarity[0] for answer in answers])],
        None if answers[0].spans is None else RowSpans(np.zeros(len(spans), np.int64), spans),
    )


def _move(spans: SpanArray, by: int) -> SpanArray:
    spans["start"] += by
    spans["end"] += by
    return spans


class _GrowingArray:
    """An array that is made once and filled from the front; where it was made too small it doubles."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._values, self._used = np.empty(shape, dtype), 0

    def append(self, rows: npt.NDArray[Any]) -> slice:
        """Copy the rows in. Returns the slice of the array that they are."""
        added = slice(self._used, self._used + len(rows))
        if added.stop > len(self._values):
            more = np.empty((max(added.stop, 2 * len(self._values)), *self._values.shape[1:]), self._values.dtype)
            more[: self._used] = self._values[: self._used]
            self._values = more
        self._values[added] = rows
        self._used = added.stop
        return added

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        return self._values[rows]


class _Slices(NamedTuple):
    """A sentence's index in the shard, and the slices of the arrays that hold its answer."""

    sentence: int
    words: slice
    spans: slice


class ShardBuffer:
    """The answers for one shard until it is written, in arrays that are made before its first batch.

    Small arrays of each batch (a view is one too), kept while the big tensors of the next ones come and go, would
    lie between them and stop the allocator from joining what is free: memory then grows with the text by hundreds
    of megabytes. So the blocks are made only when the last batch is answered.
    How many spans there will be nobody knows: there is room for as many as words, more than most teachers find likely.
    """

    def __init__(self, sentences: Sequence[Sentence], tags: int, pairs_per_sentence: int, *, spans: bool) -> None:
        self._sentences = sentences
        words, pairs = sum(len(sentence.words) for sentence in sentences), pairs_per_sentence * len(sentences)
        self._probs, self._keep = _GrowingArray((words, tags), np.float16), _GrowingArray((words,), np.bool_)
        self._pairs, self._similarity = _GrowingArray((pairs, 4), np.int32), _GrowingArray((pairs,), np.float16)
        self._spans = _GrowingArray((words,), SPAN) if spans else None
        self._blocks: list[tuple[list[_Slices], slice, int | None]] = []

    def put(self, indices: Sequence[int], chunks: Sequence[range], answer: Answer, *, batch: int | None = None) -> None:
        """Add the answer for the sentences of these indices; each chunk of them becomes a block.

        batch: its number in the shard, where its pairs are drawn as `Drawing` does.
        """
        width = answer.probs.shape[1]
        spans = self._put_spans(len(indices), answer.spans)
        for chunk, pairs, similarity in zip(chunks, answer.pairs, answer.similarity, strict=True):
            rows = []
            for row in chunk:
                length = len(self._sentences[indices[row]].words)
                rows.append(_Slices(indices[row], self._probs.append(answer.probs[row, :length]), spans[row]))
                self._keep.append(answer.keep[row, :length])
            sentence, word = np.divmod(pairs, width)
            first, second = sentence.T - chunk.start
            self._similarity.append(similarity)
            added = self._pairs.append(np.stack([first, word[:, 0], second, word[:, 1]], axis=1))
            self._blocks.append((rows, added, batch))

    def _put_spans(self, rows: int, spans: RowSpans | None) -> list[slice]:
        if self._spans is None or spans is None:
            return [slice(0)] * rows
        first = self._spans.append(spans.values).start
        ends = (first + np.searchsorted(spans.rows, np.arange(rows + 1))).tolist()
        return [slice(*bounds) for bounds in pairwise(ends)]

    def blocks(self) -> list[SoftBlock]:
        return [
            SoftBlock(tuple(self._row(slices) for slices in rows), self._pairs[pairs], self._similarity[pairs], batch)
            for rows, pairs, batch in self._blocks
        ]

    def _row(self, slices: _Slices) -> SoftRow:
        sentence, spans = self._sentences[slices.sentence], self._spans
        return SoftRow(
            sentence.id,
            sentence.words,
            self._probs[slices.words],
            self._keep[slices.words],
            sentence.lang,
            spans[slices.spans] if spans is not None else None,
        )
