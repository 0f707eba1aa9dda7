"""The multi-task teacher: a recogniser of entities and an evaluator of pair similarity."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ner_distill.data.batching import Batch
from ner_distill.nn.similarity import PairSimilarity, pair_bce
from ner_distill.nn.tagger import Tagger


class Teacher(nn.Module):
    """A tagger, and (unless `similarity` is None) a similarity evaluator over the same or its own word vectors.

    evaluator: a second encoder that reads the same inputs, trained for the similarity alone; None shares the
    tagger's.
    """

    def __init__(
        self, tagger: Tagger, similarity: PairSimilarity | None, *, evaluator: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.tagger = tagger
        self.similarity = similarity
        self.evaluator = evaluator

    def pair_vectors(self, inputs: dict[str, Tensor], vectors: Tensor) -> Tensor:
        """The word vectors that pairs are compared on; `vectors` are the tagger's."""
        return vectors if self.evaluator is None else cast(Tensor, self.tagger.dropout(self.evaluator(inputs)))

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The tagger's word vectors (batch, words, dim), and tag probabilities (batch, words, tags) float32, zero
        outside the mask.
        """
        vectors = self.tagger.vectors(inputs)
        return vectors, self.tagger.scorer.log_probs(vectors, inputs["mask"]).exp() * inputs["mask"][..., None]

    def compare(self, vectors: Tensor, pairs: Tensor) -> Tensor:
        """Similarity (pairs,) in [0, 1] of pairs (pairs, 2) of flat word indices, over what `pair_vectors` gave."""
        if self.similarity is None:
            raise ValueError("this teacher has no similarity evaluator")
        similarity: Tensor = self.similarity(vectors, pairs).sigmoid()
        return similarity


class TeacherObjective:
    """L_ner + w · L_sim (method: joint loss of the two tasks), each a mean over what it counts.

    The terms: `entities`, negative log likelihood per word (token head) or per sentence (CRF); `similarity`, binary
    cross-entropy per pair.
    """

    def __init__(self, teacher: Teacher, *, similarity_weight: float) -> None:
        self.teacher = teacher
        self.weights = {"entities": 1.0}
        if teacher.similarity is not None and similarity_weight > 0:
            self.weights["similarity"] = similarity_weight

    def counts(self, batch: Batch) -> dict[str, float]:
        """What the head's likelihood is of (words or sentences), and pairs."""
        counts = {"entities": self.teacher.tagger.scorer.count(batch.mask)}
        if "similarity" in self.weights:
            counts["similarity"] = float(len(batch.pairs)) if batch.pairs is not None else 0.0
        return counts

    def sums(self, batch: Batch) -> dict[str, Tensor]:
        """Both terms of one batch; needs `tags`, and `pairs` with `pair_targets` for the similarity."""
        assert batch.tags is not None
        vectors = self.teacher.tagger.vectors(batch.inputs)
        sums = {"entities": self.teacher.tagger.scorer.loss(vectors, batch.mask, batch.tags)}
        similarity = self.teacher.similarity
        if "similarity" in self.weights and similarity is not None and batch.pairs is not None:
            assert batch.pair_targets is not None
            compared = self.teacher.pair_vectors(batch.inputs, vectors)
            with torch.autocast(vectors.device.type, enabled=False):
                sums["similarity"] = pair_bce(similarity(compared, batch.pairs), batch.pair_targets).sum()
        return sums
