"""How well a teacher's second task does on development sentences: are two words of one type?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ner_distill.config import TeacherConfig
from ner_distill.data.sentence import Sentence, labels_of
from ner_distill.data.tagset import TagSet
from ner_distill.errors import memory_for
from ner_distill.runs.build import AnyBuilt
from ner_distill.runtime.inference import KEPT
from ner_distill.runtime.onednn import fast_linear
from ner_distill.teacher.model import Teacher
from ner_distill.training.labelled import LabelledData, words_of_batch

SENTENCES = 1_000
PAIRS_PER_SENTENCE = 32
AT_ONCE = 1_024
"""Pairs that are compared together."""
MOST_NUMBERS = 50_000_000
"""Numbers of the vectors that are kept for a reading of all pairs: 200 MB. Of more, sentences are read again."""
SEED = 13
"""Of which sentences and pairs are drawn: not that of the training, so that trainings are scored on the same."""


@dataclass(frozen=True)
class PairScores:
    """Of pairs of which, as in training, half are alike: how many of these a teacher finds.

    precision, recall, f1: where a similarity of 0.5 or more says "alike". Saying it of every pair gives an F1 of 2/3.
    auc:   area under the ROC curve, whatever the threshold; None where all pairs are of one kind.
    pairs: how many.
    """

    precision: float
    recall: float
    f1: float
    auc: float | None
    pairs: int

    def to_json(self) -> dict[str, Any]:
        """For `metrics.json`."""
        return asdict(self)

    def figures(self) -> dict[str, float]:
        """Of an epoch, for the training loop."""
        named = {"precision": self.precision, "recall": self.recall, "f1": self.f1, "auc": self.auc}
        return {f"similarity_{name}": value for name, value in named.items() if value is not None}


def score_pairs(similarities: Sequence[float], alike: Sequence[float]) -> PairScores:
    """Scores of similarities, 0..1, against what the pairs are, 1 = alike; at least one pair."""
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    said, wanted = np.asarray(similarities) >= 0.5, np.asarray(alike) > 0
    precision, recall, f1, _ = precision_recall_fscore_support(wanted, said, average="binary", zero_division=0.0)
    auc = float(roc_auc_score(wanted, similarities)) if 0 < wanted.sum() < len(wanted) else None
    return PairScores(float(precision), float(recall), float(f1), auc, len(wanted))


class DevelopmentPairs:
    """Pairs of words of development sentences, drawn as in training, the same for every epoch and every seed.

    At most `SENTENCES` sentences, drawn at random, have pairs, `PAIRS_PER_SENTENCE` for each: 32,000 pairs tell an F1
    to half a point. Their words' vectors are taken as the tagger reads the development set (`watch`), where its encoder
    makes them.

    counted_twice: what the featurizer counted of these sentences, which it counts in the development set as well.
    """

    def __init__(
        self, sentences: Sequence[Sentence], built: AnyBuilt, config: TeacherConfig, *, max_words: int = 0
    ) -> None:
        """max_words: as of `LabelledData`. Types that the teacher never saw make pairs as well."""
        drawn = np.random.default_rng(SEED).permutation(len(sentences))[:SENTENCES]
        labels = built.info.labels
        before = Counter(built.featurizer.counts)
        self.drawn = sorted(drawn.tolist())
        self.data = LabelledData(
            [sentences[index] for index in self.drawn],
            built.featurizer,
            TagSet(tuple(dict.fromkeys((*labels, *labels_of(sentences))))),
            budget=words_of_batch(config, labels),
            seed=SEED,
            pairs_per_sentence=PAIRS_PER_SENTENCE,
            pair_target=config.similarity.target,
            max_words=max_words,
            learned=False,
        )
        self.counted_twice = Counter(built.featurizer.counts) - before
        self._in_windows = len(self.data.ids) != len(self.drawn)
        self._places: Places | None = None

    def scores(self, teacher: Teacher, seen: SeenWords | None = None) -> PairScores | None:
        """Of a teacher in evaluation mode, on the device of its parameters; None where there is no pair.

        seen: what `watch` gave, after the teacher has read the development set; without it the sentences are read here.
        """
        return self._read(teacher) if seen is None else seen.scores(teacher)

    def watch(self, teacher: Teacher) -> SeenWords | None:
        """What takes the vectors of the pairs' words as the tagger reads the development set.

        None where that does not make them (a second encoder does, or some sentence is read in windows), and where they
        would take much memory.
        """
        if teacher.evaluator is not None or self._in_windows:
            return None
        self._places = self._places or self._found_places()
        if self._places.words * teacher.tagger.encoder.dim > MOST_NUMBERS:
            return None
        return SeenWords(self._places)

    def _found_places(self) -> Places:
        words: dict[int, set[int]] = {}
        pairs: list[tuple[tuple[int, int], tuple[int, int]]] = []
        alike: list[float] = []
        for micro_batch in self.data.plan(0):
            batch = self.data.load(micro_batch, 0)
            if batch.pairs is None or batch.pair_targets is None:
                continue
            width = batch.mask.shape[1]
            for one, other in batch.pairs.tolist():
                both = [(self.drawn[micro_batch[flat // width]], flat % width) for flat in (one, other)]
                for sentence, word in both:
                    words.setdefault(sentence, set()).add(word)
                pairs.append((both[0], both[1]))
            alike += batch.pair_targets.tolist()
        places: dict[tuple[int, int], int] = {}
        wanted: dict[int, tuple[Tensor, int]] = {}
        for sentence, own in sorted(words.items()):
            wanted[sentence] = torch.tensor(sorted(own)), len(places)
            places.update({(sentence, word): len(places) + number for number, word in enumerate(sorted(own))})
        rows = torch.tensor([[places[one], places[other]] for one, other in pairs]).view(-1, 2)
        return Places(wanted, len(places), rows, alike)

    def _read(self, teacher: Teacher) -> PairScores | None:
        device = next(teacher.parameters()).device
        similarities: list[float] = []
        alike: list[float] = []
        with torch.inference_mode(), fast_linear(device):
            for micro_batch in self.data.plan(0):
                with memory_for(self.data.ids_of(micro_batch), KEPT):
                    batch = self.data.load(micro_batch, 0).to(device)
                    if batch.pairs is None or batch.pair_targets is None or not len(batch.pairs):
                        continue
                    vectors = teacher.pair_vectors(batch.inputs)
                    similarities += teacher.compare(vectors, batch.pairs).tolist()
                    alike += batch.pair_targets.tolist()
        return score_pairs(similarities, alike) if alike else None


@dataclass(frozen=True)
class Places:
    """Where the words in pairs stand.

    wanted: number of a sentence → its words in pairs, and the row of the first of them in a table of all.
    words:  rows of that table. pairs: (pairs, 2) rows. alike: of each pair 1 or 0.
    """

    wanted: Mapping[int, tuple[Tensor, int]]
    words: int
    pairs: Tensor
    alike: Sequence[float]


class SeenWords:
    """Observes a tagger that reads the development set, and keeps the vectors of the words in pairs."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._table: Tensor | None = None

    def __call__(self, numbers: Sequence[int], vectors: Tensor, mask: Tensor) -> None:
        """As `Observer` has it."""
        if self._table is None:
            self._table = vectors.new_empty(self._places.words, vectors.shape[-1])
        for row, number in enumerate(numbers):
            if number in self._places.wanted:
                words, first = self._places.wanted[number]
                self._table[first : first + len(words)] = vectors[row, words.to(vectors.device)]

    def scores(self, teacher: Teacher) -> PairScores | None:
        """Of the pairs, after all sentences were seen; None where there is none."""
        if self._table is None or not len(self._places.pairs):
            return None
        similarities: list[float] = []
        with torch.inference_mode():
            for pairs in self._places.pairs.split(AT_ONCE):
                similarities += teacher.compare(self._table[None], pairs.to(self._table.device)).tolist()
        return score_pairs(similarities, self._places.alike)


def development_pairs(sentences: Sequence[Sentence], built: AnyBuilt, *, max_words: int = 0) -> DevelopmentPairs | None:
    """The pairs that a teacher is scored on; None for a student, and for a teacher that learns no similarity."""
    config = built.config
    if not isinstance(config, TeacherConfig) or not config.similarity.learned:
        return None
    return DevelopmentPairs(sentences, built, config, max_words=max_words)
