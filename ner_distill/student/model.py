"""The student: a tagger that learns from stored probabilities and similarities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ner_distill.data.batching import Batch
from ner_distill.nn.similarity import PairSimilarity
from ner_distill.nn.tagger import Tagger
from ner_distill.student.loss import DistillationLoss


class Student(nn.Module):
    """A tagger, and while it learns the similarity of its own word vectors, ŝ = σ(a·cos + b)."""

    def __init__(self, tagger: Tagger, similarity: PairSimilarity) -> None:
        super().__init__()
        self.tagger = tagger
        self.similarity = similarity

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Tag probabilities (batch, words, tags) float32, zero outside the mask."""
        probs: Tensor = self.tagger(inputs).exp() * inputs["mask"][..., None]
        return probs


class StudentObjective:
    """The terms `soft` (per kept word), `similarity` (per pair) and, for gold sentences, `gold` (per word, CRF: per
    sentence).

    A batch is soft (it has `probs`) or gold (it has `tags`); both kinds may occur in one step.
    """

    def __init__(
        self, student: Student, loss: DistillationLoss, *, similarity_weight: float = 0.5, gold_weight: float = 1.0
    ) -> None:
        self.student = student
        self.loss = loss
        named = {"soft": 1.0, "similarity": similarity_weight, "gold": gold_weight}
        self.weights = {name: weight for name, weight in named.items() if weight > 0}

    def counts(self, batch: Batch) -> dict[str, float]:
        """Kept words and pairs; or for gold sentences what the head's likelihood is of."""
        if batch.probs is None:
            return {"gold": self.student.tagger.scorer.count(batch.mask)}
        assert batch.keep is not None
        assert batch.pairs is not None
        return {"soft": float(batch.keep.sum()), "similarity": float(len(batch.pairs))}

    def sums(self, batch: Batch) -> dict[str, Tensor]:
        """See the class; terms of weight 0 are left out."""
        vectors = self.student.tagger.vectors(batch.inputs)
        scorer = self.student.tagger.scorer
        if batch.probs is None:
            assert batch.tags is not None
            sums = {"gold": scorer.loss(vectors, batch.mask, batch.tags)}
        else:
            assert batch.keep is not None
            assert batch.pairs is not None
            assert batch.pair_targets is not None
            with torch.autocast(vectors.device.type, enabled=False):
                log_probs = scorer.log_probs(vectors.float(), batch.mask)
                sums = {"soft": self.loss.words(log_probs, batch.probs, batch.keep, batch.pairs, batch.pair_targets)}
                if "similarity" in self.weights:
                    logits = self.student.similarity(vectors, batch.pairs)
                    sums["similarity"] = self.loss.similarity_term(logits, batch.probs, batch.pairs, batch.pair_targets)
        return {name: value for name, value in sums.items() if name in self.weights}
