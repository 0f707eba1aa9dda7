"""The student: a tagger that learns from stored probabilities and similarities."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ner_distill.data.batching import Batch
from ner_distill.nn.balance import TaskBalance
from ner_distill.nn.heads import Gold, SpanHead, Spans, TagHead
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


class TeacherAnswer(NamedTuple):
    """What a soft batch holds; see `Batch` for the tensors."""

    probs: Tensor
    keep: Tensor
    pairs: Tensor
    similarity: Tensor

    @classmethod
    def of(cls, batch: Batch) -> TeacherAnswer:
        """Raises ValueError for a batch of gold sentences."""
        parts = batch.probs, batch.keep, batch.pairs, batch.pair_targets
        probs, keep, pairs, similarity = parts
        if probs is None or keep is None or pairs is None or similarity is None:
            raise ValueError("expected a batch of a store, with probabilities, pairs and the words that are kept")
        return cls(probs, keep, pairs, similarity)


class StudentObjective:
    """The joint loss of a student: what it learns from the teacher, and from gold labels beside it.

    Each term is a mean with a weight of its own, and is there only where that is above 0:

    `soft`        distance to the teacher's tag probabilities, per kept word; of a head that learns spans their
                  loss, per sentence with a kept word.
    `similarity`  weighted binary cross-entropy to the teacher's similarity, per pair.
    `gold`        the head's loss of gold sentences, per word as the soft labels' (span heads: both per sentence).

    A batch is soft (it has `probs`) or gold (it has `tags` and `spans`, perhaps `keep` and `weight`); both kinds may
    occur in one step. A head that learns spans does so from `span_probs` of a soft batch, by a loss of its own of all
    spans of a sentence: divergence and temperature have no part in it, a sentence weighs the mean of α_i γ_i of its
    kept words, and a span with a word that is not kept is no candidate.

    A weight of 1 of the gold labels means the same for all heads and divergences. A word's cross-entropy and its
    Kullback–Leibler divergence have the same gradient where the student knows nothing yet, p̂ − p for each tag's score;
    so does a CRF's likelihood, divided by words. The mean squared error over C tags has there 2/C² of it: the gold
    labels' loss is multiplied by that beside it.

    balance: what sets the weight of the similarity from step to step, if it is not fixed.
    """

    def __init__(
        self,
        student: Student,
        loss: DistillationLoss,
        *,
        similarity_weight: float = 0.5,
        gold_weight: float = 1.0,
        balance: TaskBalance | None = None,
    ) -> None:
        self.student, self.loss, self.balance = student, loss, balance
        head = student.tagger.head
        unit = 2 / len(head.forbidden_start) ** 2 if isinstance(head, TagHead) and loss.divergence == "mse" else 1.0
        named = {"soft": 1.0, "similarity": similarity_weight, "gold": gold_weight * unit}
        self.weights = {name: weight for name, weight in named.items() if weight > 0}

    def counts(self, batch: Batch) -> dict[str, float]:
        """Kept words (of span heads: sentences with one), and of soft batches pairs."""
        head = self.student.tagger.head
        if batch.probs is None:
            return {"gold": head.count(batch.kept) if head.learns_spans else float(batch.kept.sum())}
        said = TeacherAnswer.of(batch)
        kept = head.count(said.keep) if head.learns_spans else float(said.keep.sum())
        return {"soft": kept, "similarity": float(len(said.pairs))}

    def sums(self, batch: Batch) -> dict[str, Tensor]:
        vectors = self.student.tagger.vectors(batch.inputs)
        if batch.probs is None:
            assert batch.tags is not None
            if "gold" not in self.weights:
                return {}
            spans = None if batch.spans is None else Spans(batch.spans)
            gold = Gold(batch.tags, spans, batch.weight)
            return {"gold": self.student.tagger.head.gold_loss(vectors, batch.kept, gold)}
        said = TeacherAnswer.of(batch)
        with torch.autocast(vectors.device.type, enabled=False):
            sums = {"soft": self._soft(self._watched("soft", vectors).float(), batch, said)}
            if "similarity" in self.weights:
                logits = self.student.similarity(self._watched("similarity", vectors), said.pairs)
                sums["similarity"] = self.loss.similarity_term(logits, said.probs, said.pairs, said.similarity)
        return sums

    def _watched(self, term: str, vectors: Tensor) -> Tensor:
        return vectors if self.balance is None else self.balance.watched(term, vectors)

    def _soft(self, vectors: Tensor, batch: Batch, said: TeacherAnswer) -> Tensor:
        head, (probs, keep, pairs, similarity) = self.student.tagger.head, said
        if isinstance(head, SpanHead) and head.learns_spans:
            assert batch.span_probs is not None
            weights = self.loss.sentence_weights(probs, batch.span_probs, keep, pairs, similarity)
            return head.soft_loss(vectors, keep, batch.span_probs, weights)
        return self.loss.word_term(head.log_probs(vectors, batch.mask), probs, keep, pairs, similarity)
