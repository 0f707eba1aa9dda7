"""Blocks of a store → a batch that a student learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ner_distill.data.batching import Batch
from ner_distill.data.store.columns import SoftBlock, SoftRow
from ner_distill.nn.spans import span_probs_of_tags


def soft_batch(blocks: Sequence[SoftBlock], featurizer: Any, *, spans: bool = False) -> Batch:
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
    firsts = np.cumsum([0, *(len(block.rows) for block in blocks[:-1])])
    pairs = np.concatenate(
        [
            np.stack(
                [
                    (block.pairs[:, 0] + first) * width + block.pairs[:, 1],
                    (block.pairs[:, 2] + first) * width + block.pairs[:, 3],
                ],
                axis=1,
            )
            for block, first in zip(blocks, firsts, strict=True)
        ]
    ).astype(np.int64)
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
    """(batch, types, words, words): see `Batch.span_probs`."""
    stored = [row.spans for row in rows if row.spans is not None]
    if not stored:
        return span_probs_of_tags(probs.log(), mask)
    width, types = mask.shape[1], (probs.shape[2] - 1) // 2
    table = np.zeros((len(rows), types, width, width), dtype=np.float32)
    number = np.repeat(np.arange(len(rows)), [len(spans) for spans in stored])
    spans = np.concatenate(stored)
    table[number, spans["label"], spans["start"], spans["end"] - 1] = spans["score"]
    return torch.from_numpy(table)
