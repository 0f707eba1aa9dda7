"""The blocks of a soft-label store as training data, with gold sentences between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
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
from ner_distill.data.store.store import BLOCK, SoftLabelStore
from ner_distill.nn.spans import span_probs_of_tags
from ner_distill.training.labelled import LabelledData
from ner_distill.training.plans import StreamedPlan, interleaved_stream

SHARDS_TOGETHER = 4
LISTED_BLOCKS = 50_000
"""Of a store of more blocks (800,000 sentences and more) an epoch is planned as it is gone through."""
MEASURED_SHARDS = 32  # of such a store, evenly spread: their batches say how many an epoch has
SAMPLED = 500  # rows that say how much the encoder computes for a word
KNOWN_PARTS = 10_000  # blocks with long sentences of which it is remembered how they are read

MicroBatch = tuple[str, list[int]]


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
        without: Collection[int] = (),
    ) -> None:
        """spans: the student has a span head, batches need `span_probs`. max_words: as of `LabelledData`.

        blocks: those of the store that are gone through; None = all. without: of these the ones that are not.
        """
        self.store, self.gold, self.spans, self.max_words = store, gold, spans, max_words
        self.featurizer, self.seed = featurizer, seed
        self._only = None if blocks is None else np.array(sorted(blocks), np.int64)
        self._without = np.array(sorted(without), np.int64)
        self._large = store.block_count > LISTED_BLOCKS
        # the store counts words, the budget what the encoder computes: pieces, for a pretrained one
        sample = (row.words for row in islice(store.iter_rows(), SAMPLED))
        self.units = budget
        self.budget = budget / units_per_word(sample, featurizer)
        self.too_long = sum(map(self._too_long, range(len(store.manifest.shards)))) if max_words else 0
        # parts of the blocks that may have to be read in windows; None: in one row a sentence, as it is
        self._parts = lru_cache(KNOWN_PARTS)(self._parts_of)
        self._passages = lru_cache(1)(self._passages_of)  # the parts of a block are read one after the other

    def plan(self, epoch: int) -> list[MicroBatch] | StreamedPlan:
        """Micro-batches as ("soft", block numbers), ("part", block, passages from … to) or ("gold", sentences).

        Of a large store they are a stream, and each of several processes has shards of its own.
        """
        if not self._large or self._only is not None:
            return self.listed(epoch)
        gold = [] if self.gold is None else self._gold_plan(epoch)

        def stream(process: int, processes: int) -> Iterator[MicroBatch]:
            own = self._soft_plan(epoch, process, processes)
            return interleaved_stream(own, self._expected / processes, gold[process::processes])

        return StreamedPlan(stream, self._expected + len(gold))

    def listed(self, epoch: int) -> list[MicroBatch]:
        """All micro-batches of an epoch."""
        return interleaved(list(self._soft_plan(epoch)), [] if self.gold is None else self._gold_plan(epoch))

    def _gold_plan(self, epoch: int) -> list[MicroBatch]:
        assert self.gold is not None
        return [("gold", batch) for batch in self.gold.plan(epoch)]

    @cached_property
    def _expected(self) -> float:
        """About how many micro-batches of soft labels an epoch has, by those of some shards."""
        spread = np.linspace(0, len(self.store.manifest.shards) - 1, MEASURED_SHARDS).astype(np.int64)
        shards = np.unique(spread)
        batches = sum(1 for _ in self._batches_of(shards, np.random.default_rng([self.seed, 5])))
        numbers = self.store.manifest.shards.numbers["words"]
        return float(batches * numbers.sum() / max(int(numbers[shards].sum()), 1))

    def _soft_plan(self, epoch: int, process: int = 0, processes: int = 1) -> Iterator[MicroBatch]:
        rng = np.random.default_rng([self.seed, epoch, 3])
        numbers = np.flatnonzero(self.store.manifest.shards.numbers["blocks"])
        if self._large and self._only is not None:  # a small part of it: all other shards are left alone
            numbers = np.unique(np.searchsorted(self.store.first_blocks, self._only, side="right") - 1)
        shards = rng.permutation(numbers)
        if processes > 1:
            groups = range(process * SHARDS_TOGETHER, len(shards), processes * SHARDS_TOGETHER)
            shards = np.concatenate([shards[:0], *(shards[first : first + SHARDS_TOGETHER] for first in groups)])
            rng = np.random.default_rng([self.seed, epoch, 3, process])
        yield from self._batches_of(shards, rng)

    def _batches_of(self, shards: npt.NDArray[np.int64], rng: np.random.Generator) -> Iterator[MicroBatch]:
        """Micro-batches of shards, a few shards at a time."""
        for first in range(0, len(shards), SHARDS_TOGETHER):
            inside, table = self._blocks(sorted(shards[first : first + SHARDS_TOGETHER].tolist()))
            # blocks of like length side by side, blurred so that epochs differ
            order = np.argsort(jittered(table["longest"], rng))
            batches = fill_batches(order.tolist(), table["longest"], self.budget, rows=table["rows"])
            for index in rng.permutation(len(batches)).tolist():
                batch = batches[index]
                yield from self._in_parts(inside[batch].tolist(), table["longest"][batch].tolist())

    def _blocks(self, shards: Sequence[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.void]]:
        """The numbers of the blocks of shards that are gone through, and how big they are."""
        tables = [self.store.blocks_of(shard) for shard in shards]
        ranges = [
            np.arange(start, start + len(table))
            for start, table in zip(self.store.first_blocks[shards].tolist(), tables, strict=True)
        ]
        inside = np.concatenate([np.zeros(0, np.int64), *ranges])
        taken = ~np.isin(inside, self._without)
        if self._only is not None:
            taken &= np.isin(inside, self._only)
        return inside[taken], np.concatenate([np.zeros(0, BLOCK), *tables])[taken]

    def _in_parts(self, blocks: Sequence[int], lengths: Sequence[int]) -> Iterator[MicroBatch]:
        """The blocks of a batch as they are; but of one that is not read whole, a few of its passages at a time.

        lengths: the words of the longest sentence of each.
        """
        whole = []
        for block, longest in zip(blocks, lengths, strict=True):
            if (longest > self.budget or 0 < self.max_words < longest) and (parts := self._parts(block)) is not None:
                yield from (("part", [block, *part]) for part in parts)
            else:
                whole.append(block)
        if whole:
            yield "soft", whole

    def _too_long(self, shard: int) -> int:
        """How many sentences of a shard have more than `max_words` words."""
        longest, first = self.store.manifest.shards.numbers["longest"][shard], int(self.store.first_blocks[shard])
        if 0 < longest <= self.max_words:
            return 0
        blocks = np.flatnonzero(self.store.blocks_of(shard)["longest"] > self.max_words).tolist()
        rows = (row for block in blocks for row in self.store.read_block(first + block).rows)
        return sum(len(row.words) > self.max_words for row in rows)

    def _parts_of(self, block: int) -> list[tuple[int, int]] | None:
        """First passage of each part, and the one behind its last; None where the block is read as it is."""
        passages = self._passages(block)
        if passages.whole:
            return None
        sizes = list(map(self.featurizer.size, passages.features))
        return [(part[0], part[-1] + 1) for part in fill_batches(range(len(sizes)), sizes, self.units)]

    def _passages_of(self, block: int) -> Passages:
        return Passages.of([self.store.read_block(block)], self.featurizer, self.max_words)

    def load(self, micro_batch: MicroBatch, epoch: int) -> Batch:
        kind, indices = micro_batch
        if kind == "gold":
            assert self.gold is not None
            return self.gold.load(indices, epoch)
        if kind == "part":
            block, first, last = indices
            return self._passages(block).batch(self.featurizer, first, last, spans=self.spans)
        return soft_batch([self.store.read_block(index) for index in indices], self.featurizer, spans=self.spans)

    def ids_of(self, micro_batch: MicroBatch) -> list[str]:
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
