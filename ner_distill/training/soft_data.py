"""The blocks of a soft-label store as training data, with gold sentences between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch

from ner_distill.data.batching import Batch, fill_batches, interleaved, jittered, units_per_word
from ner_distill.data.features.base import Featurizer
from ner_distill.data.store.columns import SoftBlock, SoftRow
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.nn.spans import span_probs_of_tags
from ner_distill.training.labelled import LabelledData

SHARDS_TOGETHER = 4
SAMPLED = 500  # rows that say how much the encoder computes for a word


class SoftData:
    """Training batches of a store's blocks, and of gold sentences if there are any.

    An epoch goes through the shards in random order, a few at a time, so that memory holds a few shards whatever
    the size of the store. Gold batches, each once in an epoch, are spread evenly between the soft ones.
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
    ) -> None:
        """spans: the student has a span head, batches need `span_probs`."""
        self.store, self.gold, self.spans = store, gold, spans
        self.featurizer, self.seed = featurizer, seed
        # the store counts words, the budget what the encoder computes: pieces, for a pretrained one
        sample = (row.words for row in islice(store.iter_rows(), SAMPLED))
        self.budget = budget / units_per_word(sample, featurizer)

    def plan(self, epoch: int) -> list[tuple[str, list[int]]]:
        """Micro-batches as ("soft", block numbers) or ("gold", sentence numbers)."""
        soft = [("soft", blocks) for blocks in self._soft_plan(epoch)]
        gold = [("gold", batch) for batch in self.gold.plan(epoch)] if self.gold is not None else []
        return interleaved(soft, gold)

    def _soft_plan(self, epoch: int) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, epoch, 3])
        table = self.store.blocks
        shards = rng.permutation(np.unique(table["shard"]))
        for first in range(0, len(shards), SHARDS_TOGETHER):
            inside = np.flatnonzero(np.isin(table["shard"], shards[first : first + SHARDS_TOGETHER]))
            # blocks of like length side by side, blurred so that epochs differ
            order = inside[np.argsort(jittered(table["longest"][inside], rng))]
            batches = fill_batches(order.tolist(), table["longest"], self.budget, rows=table["rows"])
            yield from (batches[index] for index in rng.permutation(len(batches)))

    def load(self, micro_batch: tuple[str, list[int]], epoch: int) -> Batch:
        kind, indices = micro_batch
        if kind == "gold":
            assert self.gold is not None
            return self.gold.load(indices, epoch)
        return soft_batch([self.store.read_block(index) for index in indices], self.featurizer, spans=self.spans)


def soft_batch(blocks: Sequence[SoftBlock], featurizer: Featurizer[Any], *, spans: bool = False) -> Batch:
    """One batch of several blocks; pairs of a block point to its rows in the batch.

    spans: with `span_probs`, those of the store; where it has none, what its tag probabilities say of spans.
    """
    rows = [row for block in blocks for row in block.rows]
    inputs = featurizer.collate([featurizer.features(row.words) for row in rows])
    mask = inputs["mask"]
    width, tags = mask.shape[1], rows[0].probs.shape[1]
    probs = np.zeros((len(rows), width, tags), dtype=np.float32)
    keep = np.zeros((len(rows), width), dtype=np.bool_)
    for index, row in enumerate(rows):
        probs[index, : len(row.words)] = row.probs
        keep[index, : len(row.words)] = row.keep
    # (sentence, word) of both words of each pair; sentences are numbered in their block
    places = np.concatenate([block.pairs for block in blocks]).astype(np.int64).reshape(-1, 2, 2)
    firsts = np.cumsum([0, *(len(block.rows) for block in blocks[:-1])])
    firsts = np.repeat(firsts, [len(block.pairs) for block in blocks])
    pairs = (places[..., 0] + firsts[:, None]) * width + places[..., 1]
    similarity = np.concatenate([block.similarity for block in blocks]).astype(np.float32)
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
