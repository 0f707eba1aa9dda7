"""Labelled sentences as training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ner_distill.config import MrcConfig, TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.batching import Batch, pad_rows, plan_batches
from ner_distill.data.features.base import Featurizer
from ner_distill.data.features.windows import Window, settled
from ner_distill.data.sampling import sample_pairs
from ner_distill.data.sentence import Sentence, kept_words, without_overlap
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError

TOO_LONG = "sentences longer than max_words"


class LabelledData:
    """Training batches of labelled sentences, with sampled pairs where a similarity is trained.

    Features and tags are computed once. What a batch holds is a function of the seed and the epoch. Batches have
    `keep`, `negative` and `weight` where any sentence has them.

    A sentence too long for the encoder is as many rows as it has windows: each word counts in one of them, an entity's
    words all in the same, and the others are read and do not count. So memory does not grow with the longest sentence.

    partly_kept: how many entities contain a word that does not count, so that none of their words does.
    too_long:    how many sentences have more than `max_words` words (where that is above 0): they are in no batch. The
                 plan of an epoch is otherwise the same, so that a training can go on with another `max_words`.
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
        max_words: int = 0,
        learned: bool = True,
    ) -> None:
        """learned: whether these are learned from; of others the featurizer tells what it tells of any sentence."""
        self.featurizer = featurizer
        features = featurizer.training_features if learned else featurizer.features
        self.features = [features(sentence.words) for sentence in sentences]
        self.ids = [sentence.id for sentence in sentences]
        self.words = sum(len(sentence.words) for sentence in sentences)
        flat = [without_overlap(sentence.spans or ()) for sentence in sentences]
        self.tags = [tagset.encode(one, len(sentence.words)) for one, sentence in zip(flat, sentences, strict=True)]
        self.spans = [tagset.places(sentence.spans or ()) for sentence in sentences]
        self.partly_kept, self.keep = kept_words(sentences)
        said = any(any(sentence.negative or ()) for sentence in sentences)
        self.negative = [sentence.sure_negatives for sentence in sentences] if said else None
        weights = [sentence.weight for sentence in sentences]
        self.weights = weights if any(weight != 1 for weight in weights) else None
        long = [0 < max_words < len(sentence.words) for sentence in sentences]
        self.too_long = sum(long)
        windows = [featurizer.windows(features) for features in self.features]
        if any(len(own) > 1 for own in windows):
            long = [skipped for skipped, own in zip(long, windows, strict=True) for _ in own]
            self._cut(sentences, windows)
        self.skipped = {row for row, skipped in enumerate(long) if skipped}
        self.sizes = list(map(featurizer.size, self.features))
        self.budget, self.seed = budget, seed
        self.pairs_per_sentence, self.pair_target = pairs_per_sentence, pair_target

    def _cut(self, sentences: Sequence[Sentence], windows: Sequence[Sequence[Window]]) -> None:
        """Make a row of every window."""
        keep = self.keep or [(True,) * len(sentence.words) for sentence in sentences]
        settled_windows = [
            settled(own, [(span.start, span.end) for span in sentence.spans or ()]) if len(own) > 1 else own
            for own, sentence in zip(windows, sentences, strict=True)
        ]
        rows = [(index, window) for index, own in enumerate(settled_windows) for window in own]
        self.features = [self.featurizer.cut(self.features[index], one.start, one.end) for index, one in rows]
        self.ids = [self.ids[index] for index, _ in rows]
        self.tags = [self.tags[index][one.start : one.end] for index, one in rows]
        places = self.spans
        self.spans = [_inside(places[index], one) for index, one in rows]
        self.weights = None if self.weights is None else [self.weights[index] for index, _ in rows]
        negative = self.negative
        self.negative = negative and [negative[index][one.start : one.end] for index, one in rows]
        self.keep = []
        cut: set[tuple[int, ...]] = set()
        for index, one in rows:
            words = enumerate(keep[index][one.start : one.end], one.start)
            taken = [kept and one.take_start <= word < one.take_end for word, kept in words]
            cut |= {(index, *place) for place in _drop_cut(taken, places[index], one)}
            self.keep.append(tuple(taken))
        self.partly_kept += len(cut)

    def plan(self, epoch: int) -> list[list[int]]:
        batches = plan_batches(self.sizes, budget=self.budget, seed=self.seed, epoch=epoch)
        if not self.skipped:
            return batches
        left = [[index for index in batch if index not in self.skipped] for batch in batches]
        return [batch for batch in left if batch]

    def ids_of(self, micro_batch: Sequence[int]) -> list[str]:
        return [self.ids[index] for index in micro_batch]

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


def _inside(places: npt.NDArray[np.int64], window: Window) -> npt.NDArray[np.int64]:
    """The places (spans, 3), of start, end and type, that lie whole in the window, counted from its first word."""
    whole = (places[:, 0] >= window.start) & (places[:, 1] <= window.end)
    return places[whole] - np.array([window.start, window.start, 0], dtype=np.int64)


def _drop_cut(keep: list[bool], places: npt.NDArray[np.int64], window: Window) -> list[tuple[int, ...]]:
    """Set `keep` of a window's words to False in every entity that a border cuts; those of them that were kept.

    places: of the whole sentence.
    """
    near = places[(places[:, 0] < window.end) & (places[:, 1] > window.start)]
    dropped: list[tuple[int, ...]] = []
    for start, end, label in near.tolist():
        if start < window.take_start < end or start < window.take_end < end:
            own = slice(max(start - window.start, 0), min(end, window.end) - window.start)
            if any(keep[own]):
                dropped.append((start, end, label))
            keep[own] = [False] * (own.stop - own.start)
    return dropped


def words_of_batch(config: TeacherConfig, labels: Sequence[str]) -> int:
    """The words of a teacher's batch. An mrc head reads a sentence once for each question: as many as with others."""
    return config.optim.batch_words * (len(labels) if isinstance(config.head, MrcConfig) else 1)


def warn_too_long(name: str, number: int, of: int, reporter: Reporter) -> None:
    """Say how many sentences `max_words` leaves out. Raises ConfigError where nothing is left."""
    if of and number == of:
        raise ConfigError(f"`max_words`: {name} has no sentence of so few words; give a larger number")
    if number:
        reporter.warn(f"{name}: {number:,} of {of:,} sentences of more than `max_words` words left out")
