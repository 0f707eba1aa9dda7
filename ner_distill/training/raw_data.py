"""Raw text beside labelled sentences: batches without tags, for what asks a model only about itself (VAT)."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ner_distill.console import Reporter
from ner_distill.data.batching import Batch, interleaved, plan_batches
from ner_distill.data.features.base import Featurizer
from ner_distill.data.formats.readers import read_raw
from ner_distill.data.sentence import Unit
from ner_distill.errors import DataError
from ner_distill.training.labelled import LabelledData

HELD = 200_000  # sentences: with words of a common length some 50 MB
Words = tuple[str, ...]


def read_sample(
    paths: Sequence[str], unit: Unit, *, longest: int, seed: int, reporter: Reporter, held: int = HELD
) -> list[Words]:
    """The words of the sentences of raw text, or of an even sample of so many; a function of the files and the seed.

    longest: sentences of more words are left out. What is left out is said.
    Raises DataError where nothing is left, and as `read_raw` does.
    """
    rng = random.Random(seed)
    sample: list[Words] = []
    taken = too_long = 0
    for sentence in read_raw(list(paths), unit=unit):
        if len(sentence.words) > longest:
            too_long += 1
            continue
        place = taken if taken < held else rng.randrange(taken + 1)
        taken += 1
        if place < held:
            words = tuple(map(sys.intern, sentence.words))  # one copy of each form
            sample[place : place + 1] = [words]
    if not sample:
        raise DataError(
            f"adversarial.raw_text: {', '.join(paths)}: no sentence of 1 to {longest:,} words (optim.batch_words); "
            "expected text of a sentence a line"
        )
    left_out = f"; {too_long:,} of more than {longest:,} words (optim.batch_words) left out" if too_long else ""
    sampled = f", {len(sample):,} of them drawn at random" if taken > len(sample) else ""
    reporter.info(f"adversarial.raw_text: {taken:,} sentences{sampled}{left_out}")
    return sample


class WithRawText:
    """Labelled micro-batches, and spread evenly between them micro-batches of raw text that have no tags.

    An epoch reads about as many words of raw text as labelled ones, or all of it where there are fewer; the next
    epoch goes on where it ended, through one order of the sentences that is drawn from the seed. Features are made
    for one epoch at a time, so that they take no more memory than those of the labelled sentences.
    """

    def __init__(
        self, labelled: LabelledData, sentences: Sequence[Words], featurizer: Featurizer[Any], *, budget: int, seed: int
    ) -> None:
        self.labelled, self.featurizer = labelled, featurizer
        self.budget, self.seed = budget, seed
        order = np.random.default_rng([seed, len(sentences)]).permutation(len(sentences))
        self.sentences = [sentences[index] for index in order.tolist()]
        ends = np.cumsum([len(words) for words in self.sentences])
        self.begins = np.concatenate([[0], ends[:-1]])
        self.words = int(ends[-1])
        self._features: dict[int, Any] = {}  # of the epoch that was planned

    def plan(self, epoch: int) -> list[tuple[str, list[int]]]:
        """Micro-batches as ("labelled" or "raw", sentence numbers).

        The first is a labelled one: it has all terms, as a `Weighting` needs.
        """
        chosen = self.numbers(epoch)
        self._features = {number: self.featurizer.features(self.sentences[number]) for number in chosen}
        sizes = [self.featurizer.size(self._features[number]) for number in chosen]
        batches = plan_batches(sizes, budget=self.budget, seed=self.seed, epoch=epoch)
        labelled = [("labelled", batch) for batch in self.labelled.plan(epoch)]
        raw = [("raw", [chosen[index] for index in batch]) for batch in batches]
        return interleaved(labelled, raw)

    def numbers(self, epoch: int) -> list[int]:
        """The raw sentences of an epoch: those that begin in its stretch of the text, which is read as a circle."""
        stretch = self.labelled.words
        if self.words <= stretch:
            return list(range(len(self.sentences)))
        since = (self.begins - epoch * stretch) % self.words
        return [int(number) for number in np.flatnonzero(since < stretch)]

    def ids_of(self, micro_batch: tuple[str, list[int]]) -> list[str]:
        kind, numbers = micro_batch
        return self.labelled.ids_of(numbers) if kind == "labelled" else []

    def load(self, micro_batch: tuple[str, list[int]], epoch: int) -> Batch:
        """One micro-batch of the epoch that was planned."""
        kind, numbers = micro_batch
        if kind == "labelled":
            return self.labelled.load(numbers, epoch)
        inputs = self.featurizer.collate([self._features[number] for number in numbers])
        return Batch(inputs, inputs["mask"])
