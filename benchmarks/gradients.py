"""What the terms of a student's loss weigh: norms of their gradients at the word vectors.

`python -m benchmarks.gradients STORE --gold FILE [--steps N] [--share S]`

Trains a student of the default configuration for some steps under each divergence, with similarity_weight = "auto", and
prints, at the beginning and at the end: the similarity's gradient as a share of the words' (asked: S), its weight λ,
the same share for the source's λ = 0.5, and the gold labels' gradient as a multiple of the soft labels' (of heads that
can have it).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from ner_distill.config import StudentConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.batching import Batch
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.nn.balance import AT_FIRST, TaskBalance
from ner_distill.options import ReadOptions
from ner_distill.runs.build import new_student
from ner_distill.runs.info import RunInfo
from ner_distill.student.loss import DistillationLoss
from ner_distill.student.model import StudentObjective
from ner_distill.training.labelled import LabelledData
from ner_distill.training.soft_data import SoftData

SETTINGS = {
    "crf, kl": (),
    "crf, ce": ("distill.divergence=ce",),
    "crf, mse": ("distill.divergence=mse",),
    "token, kl": ("head.kind=token",),
    "global-pointer": ("head.kind=global-pointer", "head.max_span=16"),
}
LOOKED_AT = 8  # batches of each kind in which gradients are measured


class Bench:
    """A student and its batches."""

    def __init__(self, store: SoftLabelStore, gold: Path, settings: tuple[str, ...], share: float) -> None:
        config = load_config(StudentConfig, None, settings)
        info = RunInfo("student", store.unit, store.labels)
        sentences, _ = read_labelled([gold], "gold", ReadOptions(), Reporter(quiet=True), known=info.cutting)
        words = [row.words for row in store.iter_rows()] + [sentence.words for sentence in sentences]
        built = new_student(config, info, words)
        labelled = LabelledData(sentences, built.featurizer, info.tagset, budget=512, seed=1)
        spans = built.tagger.head.learns_spans
        self.data = SoftData(store, built.featurizer, budget=512, seed=1, gold=labelled, spans=spans)
        self.student = built.model
        self.balance = TaskBalance(share, "soft")
        loss = DistillationLoss(divergence=config.distill.divergence)
        self.objective = StudentObjective(self.student, loss, similarity_weight=AT_FIRST, balance=self.balance)
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=config.optim.lr)

    def batches(self, epoch: int, kind: str = "") -> Iterator[Batch]:
        """The batches of an epoch, all or of one kind."""
        return (self.data.load(part, epoch) for part in self.data.listed(epoch) if part[0] == (kind or part[0]))

    def train(self, steps: int) -> None:
        """So many steps, as the training loop takes them."""
        for batch in islice(self.batches(0), steps):
            weights = self.balance.weights(self.objective.weights)
            self.optimizer.zero_grad()
            sum(self._terms(batch, weights).values(), torch.zeros(())).backward()
            torch.nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
            self.optimizer.step()
            self.balance.after_step({}, self.balance.measured())

    def _terms(self, batch: Batch, weights: dict[str, float]) -> dict[str, Tensor]:
        counts = self.objective.counts(batch)
        return {name: weights[name] * value / counts[name] for name, value in self.objective.sums(batch).items()}

    def norm(self, kind: str, term: str) -> float:
        """Root mean square over batches of the gradient's norm at the encoder, of the unweighted mean loss."""
        squares = []
        own = list(self.student.tagger.encoder.parameters())
        plain = dict.fromkeys(self.objective.weights, 1.0) | {"gold": self.objective.weights["gold"]}
        for batch in islice(self.batches(1, kind), LOOKED_AT):
            gradients = torch.autograd.grad(self._terms(batch, plain)[term], own, allow_unused=True)
            squares.append(sum(part.square().sum().item() for part in gradients if part is not None))
        self.balance.measured()
        return math.sqrt(sum(squares) / len(squares))

    def line(self) -> str:
        """The shares as they are now."""
        soft, similarity, gold = self.norm("soft", "soft"), self.norm("soft", "similarity"), self.norm("gold", "gold")
        weight = self.balance.weights(self.objective.weights)["similarity"]
        ratio = similarity / soft
        return (
            f"share {weight * ratio:6.2f}   λ {weight:8.4f}   share at λ = 0.5 {0.5 * ratio:6.2f}"
            f"   gold / soft {gold / soft:6.2f}"
        )


def main() -> None:
    """Print a line for each setting before and after training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--gold", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--share", type=float, default=0.3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, settings in SETTINGS.items():
        bench = Bench(SoftLabelStore.open(options.store), options.gold, settings, options.share)
        for steps in (20, options.steps):
            bench.train(steps)
            print(f"{name:16} after {steps:4} steps: {bench.line()}", flush=True)


if __name__ == "__main__":
    main()
