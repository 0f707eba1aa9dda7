"""Labelled sentences as training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ner_distill.data.batching import Batch, pad_rows, plan_batches, sample_pairs
from ner_distill.data.features.base import Featurizer
from ner_distill.data.sentence import Sentence, without_overlap
from ner_distill.data.tagset import TagSet
from ner_distill.training.development import kept_words


class LabelledData:
    """Training batches of labelled sentences, with sampled pairs where a similarity is trained.

    Features and tags are computed once. What a batch holds is a function of the seed and the epoch. Batches have
    `keep`, `negative` and `weight` where any sentence has them.

    partly_kept: how many entities contain a word that does not count, so that none of their words does.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        featurizer: Featurizer[Any],
        tagset: TagSet,
        *,
        budget: int,
        seed: int,
        pairs_per_sentence: int = 0,
        pair_target: str = "type",
    ) -> None:
        self.featurizer = featurizer
        self.features = [featurizer.training_features(sentence.words) for sentence in sentences]
        self.sizes = list(map(featurizer.size, self.features))
        self.words = sum(len(sentence.words) for sentence in sentences)
        flat = [without_overlap(sentence.spans or ()) for sentence in sentences]
        self.tags = [tagset.encode(one, len(sentence.words)) for one, sentence in zip(flat, sentences, strict=True)]
        self.spans = [tagset.places(sentence.spans or ()) for sentence in sentences]
        self.partly_kept, self.keep = kept_words(sentences)
        said = any(any(sentence.negative or ()) for sentence in sentences)
        self.negative = [sentence.sure_negatives for sentence in sentences] if said else None
        weights = [sentence.weight for sentence in sentences]
        self.weights = weights if any(weight != 1 for weight in weights) else None
        self.budget, self.seed = budget, seed
        self.pairs_per_sentence, self.pair_target = pairs_per_sentence, pair_target

    def plan(self, epoch: int) -> list[list[int]]:
        return plan_batches(self.sizes, budget=self.budget, seed=self.seed, epoch=epoch)

    def load(self, micro_batch: Sequence[int], epoch: int) -> Batch:
        inputs = self.featurizer.collate([self.features[index] for index in micro_batch])
        mask = inputs["mask"]
        tags = pad_rows([self.tags[index] for index in micro_batch], mask.shape[1])
        spans = torch.from_numpy(
            np.concatenate([np.insert(self.spans[index], 0, row, 1) for row, index in enumerate(micro_batch)])
        )
        keep = weight = negative = None
        if self.keep is not None:
            keep = pad_rows([self.keep[index] for index in micro_batch], mask.shape[1]).bool()
        if self.negative is not None:
            negative = pad_rows([self.negative[index] for index in micro_batch], mask.shape[1]).bool()
        if self.weights is not None:
            weight = torch.tensor([self.weights[index] for index in micro_batch])
        batch = Batch(inputs, mask, tags=tags, spans=spans, keep=keep, negative=negative, weight=weight)
        if not self.pairs_per_sentence:
            return batch
        # types are 1, 2, ... for the tags (1, 2), (3, 4), ...; outside stays 0
        keys = ((tags + 1) // 2 if self.pair_target == "type" else tags).numpy()
        rng = np.random.default_rng([self.seed, epoch, micro_batch[0], len(micro_batch)])
        pairs = sample_pairs(keys, batch.kept.numpy(), self.pairs_per_sentence * len(micro_batch), rng)
        equal = keys.ravel()[pairs[:, 0]] == keys.ravel()[pairs[:, 1]]
        targets = torch.from_numpy(equal.astype(np.float32))
        return replace(batch, pairs=torch.from_numpy(pairs), pair_targets=targets)
