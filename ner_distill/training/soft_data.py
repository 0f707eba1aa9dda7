"""The blocks of a soft-label store as training data, with gold sentences between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ner_distill.data.batching import Batch, fill_batches, interleaved, jittered, units_per_word
from ner_distill.data.features.base import Featurizer
from ner_distill.data.features.windows import Window, settled
from ner_distill.data.store.columns import SoftBlock, SoftRow
from ner_distill.data.store.pseudo_labels import LIKELY
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.nn.spans import span_probs_of_tags
from ner_distill.training.labelled import LabelledData

SHARDS_TOGETHER = 4
SAMPLED = 500  # rows that say how much the encoder computes for a word


class SoftData:
    """Training batches of a store's blocks, and of gold sentences if there are any.

    An epoch goes through the shards in random order, a few at a time, so that memory holds a few shards whatever
    the size of the store. Gold batches, each once in an epoch, are spread evenly between the soft ones. A block with a
    sentence too long for the encoder is read in windows, a few of them at a time: see `Passages`.
    """

    def __init__(
        self,
        store: SoftLabelStore,
        featurizer: Featurizer[Any],
        *,
        budget: int,
        seed: int,
        gold: LabelledData | None = None,
        spans: bool = False,
        max_words: int = 0,
        blocks: Collection[int] | None = None,
    ) -> None:
        """spans: the student has a span head, batches need `span_probs`. max_words: as of `LabelledData`.

        blocks: those of the store that are gone through; None = all.
        """
        self._taken = np.isin(
            np.arange(len(store.blocks)), list(range(len(store.blocks)) if blocks is None else blocks)
        )
        self.store, self.gold, self.spans, self.max_words = store, gold, spans, max_words
        self.featurizer, self.seed = featurizer, seed
        # the store counts words, the budget what the encoder computes: pieces, for a pretrained one
        sample = (row.words for row in islice(store.iter_rows(), SAMPLED))
        self.units = budget
        self.budget = budget / units_per_word(sample, featurizer)
        long = np.flatnonzero(store.blocks["longest"] > max_words).tolist() if max_words else []
        self.too_long = sum(len(row.words) > max_words for index in long for row in store.read_block(index).rows)
        # of the blocks that may have to be read in windows; None: in one row a sentence, as it is
        self._parts: dict[int, list[tuple[int, int]] | None] = {}
        self._passages = lru_cache(1)(self._passages_of)  # the parts of a block are read one after the other

    def plan(self, epoch: int) -> list[tuple[str, list[int]]]:
        """Micro-batches as ("soft", block numbers), ("part", block, passages from … to) or ("gold", sentences)."""
        soft = [part for blocks in self._soft_plan(epoch) for part in self._in_parts(blocks)]
        gold = [("gold", batch) for batch in self.gold.plan(epoch)] if self.gold is not None else []
        return interleaved(soft, gold)

    def _in_parts(self, blocks: list[int]) -> Iterator[tuple[str, list[int]]]:
        """The blocks of a batch as they are; but of one that is not read whole, a few of its passages at a time."""
        whole = []
        for block in blocks:
            longest = self.store.blocks["longest"][block]
            if longest > self.budget or 0 < self.max_words < longest:
                if block not in self._parts:
                    self._parts[block] = self._parts_of(block)
                if (parts := self._parts[block]) is not None:
                    yield from (("part", [block, *part]) for part in parts)
                    continue
            whole.append(block)
        if whole:
            yield "soft", whole

    def _soft_plan(self, epoch: int) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, epoch, 3])
        table = self.store.blocks
        shards = rng.permutation(np.unique(table["shard"]))
        for first in range(0, len(shards), SHARDS_TOGETHER):
            inside = np.flatnonzero(self._taken & np.isin(table["shard"], shards[first : first + SHARDS_TOGETHER]))
            # blocks of like length side by side, blurred so that epochs differ
            order = inside[np.argsort(jittered(table["longest"][inside], rng))]
            batches = fill_batches(order.tolist(), table["longest"], self.budget, rows=table["rows"])
            yield from (batches[index] for index in rng.permutation(len(batches)))

    def _parts_of(self, block: int) -> list[tuple[int, int]] | None:
        """First passage of each part, and the one behind its last; None where the block is read as it is."""
        passages = self._passages(block)
        if passages.whole:
            return None
        sizes = list(map(self.featurizer.size, passages.features))
        return [(part[0], part[-1] + 1) for part in fill_batches(range(len(sizes)), sizes, self.units)]

    def _passages_of(self, block: int) -> Passages:
        return Passages.of([self.store.read_block(block)], self.featurizer, self.max_words)

    def load(self, micro_batch: tuple[str, list[int]], epoch: int) -> Batch:
        kind, indices = micro_batch
        if kind == "gold":
            assert self.gold is not None
            return self.gold.load(indices, epoch)
        if kind == "part":
            block, first, last = indices
            return self._passages(block).batch(self.featurizer, first, last, spans=self.spans)
        return soft_batch([self.store.read_block(index) for index in indices], self.featurizer, spans=self.spans)

    def ids_of(self, micro_batch: tuple[str, list[int]]) -> list[str]:
        kind, indices = micro_batch
        if kind == "gold":
            return [] if self.gold is None else self.gold.ids_of(indices)
        blocks = indices[:1] if kind == "part" else indices
        return [row.id for block in blocks for row in self.store.read_block(block).rows]


def soft_batch(blocks: Sequence[SoftBlock], featurizer: Featurizer[Any], *, spans: bool = False) -> Batch:
    """One batch of several blocks; pairs of a block point to its rows in the batch.

    spans: with `span_probs`, those of the store; where it has none, what its tag probabilities say of spans.
    """
    passages = Passages.of(blocks, featurizer)
    return passages.batch(featurizer, 0, len(passages.rows), spans=spans)


@dataclass(frozen=True)
class Passages:
    """What an encoder reads of blocks: their sentences, those too long for it as so many rows as they have windows.

    A word of such a sentence is kept in the window from which it is taken, and read in others as well.

    places:     (pairs, 2, 2): the row and the word of both words of each pair, where both are in a row.
    similarity: (pairs,).
    whole:      every sentence is one row.
    """

    rows: list[SoftRow]
    features: list[Any]
    places: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]
    whole: bool

    @classmethod
    def of(cls, blocks: Sequence[SoftBlock], featurizer: Featurizer[Any], max_words: int = 0) -> Passages:
        """max_words: sentences of more words, where that is above 0, are left out."""
        rows = [row for block in blocks for row in block.rows]
        features = [featurizer.features(row.words) for row in rows]
        # (sentence, word) of both words of each pair; sentences are numbered in their block
        places = np.concatenate([block.pairs for block in blocks]).astype(np.int64).reshape(-1, 2, 2)
        firsts = np.cumsum([0, *(len(block.rows) for block in blocks[:-1])])
        places[..., 0] += np.repeat(firsts, [len(block.pairs) for block in blocks])[:, None]
        similarity = np.concatenate([block.similarity for block in blocks]).astype(np.float32)
        windows = [
            [] if 0 < max_words < len(row.words) else _windows(row, featurizer.windows(own))
            for row, own in zip(rows, features, strict=True)
        ]
        if all(len(own) == 1 for own in windows):
            return cls(rows, features, places, similarity, whole=True)
        cut = [(row, one) for row, own in enumerate(windows) for one in own]
        moved, there = _in_passages(places, windows)
        return cls(
            [_cut(rows[row], one) for row, one in cut],
            [featurizer.cut(features[row], one.start, one.end) for row, one in cut],
            moved[there],
            similarity[there],
            whole=False,
        )

    def batch(self, featurizer: Featurizer[Any], first: int, last: int, *, spans: bool = False) -> Batch:
        """One batch of the rows `first` to `last`, half-open, and of the pairs that lie in them."""
        rows = self.rows[first:last]
        inputs = featurizer.collate(self.features[first:last])
        mask = inputs["mask"]
        width, tags = mask.shape[1], rows[0].probs.shape[1]
        probs = np.zeros((len(rows), width, tags), dtype=np.float32)
        keep = np.zeros((len(rows), width), dtype=np.bool_)
        for index, row in enumerate(rows):
            probs[index, : len(row.words)] = row.probs
            keep[index, : len(row.words)] = row.keep
        inside = ((self.places[..., 0] >= first) & (self.places[..., 0] < last)).all(axis=1)
        places, similarity = self.places[inside], self.similarity[inside]
        pairs = (places[..., 0] - first) * width + places[..., 1]
        # a pair with a dropped word says nothing that can be relied on
        sound = keep.ravel()[pairs].all(axis=1)
        return Batch(
            inputs,
            mask,
            keep=torch.from_numpy(keep),
            probs=torch.from_numpy(probs),
            span_probs=_span_probs(rows, torch.from_numpy(probs), mask) if spans else None,
            pairs=torch.from_numpy(pairs[sound]),
            pair_targets=torch.from_numpy(similarity[sound]),
        )


def _windows(row: SoftRow, windows: Sequence[Window]) -> Sequence[Window]:
    """The windows of a row, with borders that cut no likely span in two."""
    if len(windows) == 1:
        return windows
    likely = [] if row.spans is None else row.spans[row.spans["score"] > LIKELY][["start", "end"]].tolist()
    return settled(windows, likely)


def _cut(row: SoftRow, window: Window) -> SoftRow:
    """What a window holds of a row; words are kept where they are taken from this window."""
    words = np.arange(window.start, window.end)
    keep = row.keep[window.start : window.end] & (words >= window.take_start) & (words < window.take_end)
    spans = row.spans
    if spans is not None:
        spans = spans[(spans["start"] >= window.start) & (spans["end"] <= window.end)]
        spans["start"] -= window.start
        spans["end"] -= window.start
    own = slice(window.start, window.end)
    return SoftRow(row.id, row.words[own], row.probs[own], keep, row.lang, spans)


def _in_passages(
    places: npt.NDArray[np.int64], windows: Sequence[Sequence[Window]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Places (pairs, 2, 2) as (sentence, word) → as (passage, word), and (pairs,) whether both words are in one."""
    moved, there = places.copy(), np.ones(len(places), np.bool_)
    first = 0
    for row, own in enumerate(windows):
        here = places[..., 0] == row
        if not own:
            there &= ~here.any(axis=1)
            continue
        number = np.searchsorted([one.take_start for one in own], places[here][:, 1], side="right") - 1
        moved[here] = np.stack([first + number, places[here][:, 1] - np.array([one.start for one in own])[number]], 1)
        first += len(own)
    return moved, there


def _span_probs(rows: Sequence[SoftRow], probs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    stored = [row.spans for row in rows if row.spans is not None]
    if not stored:
        return span_probs_of_tags(probs.log(), mask)
    width, types = mask.shape[1], (probs.shape[2] - 1) // 2
    table = np.zeros((len(rows), types, width, width), dtype=np.float32)
    number = np.repeat(np.arange(len(rows)), [len(spans) for spans in stored])
    spans = np.concatenate(stored)
    table[number, spans["label"], spans["start"], spans["end"] - 1] = spans["score"]
    return torch.from_numpy(table)
