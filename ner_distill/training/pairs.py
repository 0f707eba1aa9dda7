"""How well a teacher's second task does on development sentences: are two words of one type?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

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

    At most `SENTENCES` sentences, drawn at random, are read for them, `PAIRS_PER_SENTENCE` pairs for each: the second
    reading of the development set costs little, and 32,000 pairs tell an F1 to half a point.

    counted_twice: what the featurizer counted in this second reading.
    """

    def __init__(
        self, sentences: Sequence[Sentence], built: AnyBuilt, config: TeacherConfig, *, max_words: int = 0
    ) -> None:
        """max_words: as of `LabelledData`. Types that the teacher never saw make pairs as well."""
        drawn = np.random.default_rng(SEED).permutation(len(sentences))[:SENTENCES]
        labels = built.info.labels
        before = Counter(built.featurizer.counts)
        self.data = LabelledData(
            [sentences[index] for index in sorted(drawn.tolist())],
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

    def scores(self, teacher: Teacher) -> PairScores | None:
        """Of a teacher in evaluation mode, on the device of its parameters; None where there is no pair."""
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


def development_pairs(sentences: Sequence[Sentence], built: AnyBuilt, *, max_words: int = 0) -> DevelopmentPairs | None:
    """The pairs that a teacher is scored on; None for a student, and for a teacher that learns no similarity."""
    config = built.config
    if not isinstance(config, TeacherConfig) or not config.similarity.learned:
        return None
    return DevelopmentPairs(sentences, built, config, max_words=max_words)
