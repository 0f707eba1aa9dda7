"""Regularisers that are more than a loss function: mixup of word vectors, log-sum weighting."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from ner_distill.nn.heads import Gold, Head

SMALLEST, LARGEST = 1e-7, 1e7  # what log-sum takes a task's loss for at least and at most
NEWEST = 0.1  # share of the newest step in log-sum's running means


def mixup_loss(head: Head, vectors: Tensor, mask: Tensor, gold: Gold, *, kept: Tensor, beta: float) -> Tensor:
    """λ L(y) + (1 − λ) L(y') over λ h + (1 − λ) h', where y' and h' are another sentence's of the batch; a scalar SUM.

    One λ ~ Beta(beta, beta) and one random order of the sentences for the whole batch, drawn from torch's generator of
    the CPU. Where only one of the two sentences has a word, that word's vector stands unmixed (the sources say nothing
    of lengths). Each of the two likelihoods counts its own sentence's words, so that a path of tags is never cut.

    vectors: (batch, words, dim). mask: (batch, words) bool. kept: (batch, words) bool, the words whose labels count.
    Source: Zhang et al., ICLR 2018; mixed inside the network: Verma et al., ICML 2019.
    """
    share = torch.distributions.Beta(beta, beta).sample().item()
    order = torch.randperm(len(vectors)).to(vectors.device)
    others, other_mask = vectors[order], mask[order]
    mixed = share * vectors + (1 - share) * others
    mixed = mixed.where(other_mask[..., None], vectors).where(mask[..., None], others)
    own = head.gold_loss(mixed, kept, gold)
    return share * own + (1 - share) * head.gold_loss(mixed, kept[order], gold.reordered(order))


class LogSum:
    """Task weighting: the sum of the LOGARITHMS of the tasks' losses instead of the sum of the losses.

    The gradient of w · log L is w ∇L / L, so each term's weight is divided by its task's loss L. A step's own L is
    known only after its passes; the running mean of the steps before stands for it, clipped to [1e-7, 1e7]. It is the
    same for all micro-batches and processes of a step, so accumulation stays exact. The first step has plain weights.
    """

    def __init__(self, tasks: Collection[str]) -> None:
        """tasks: the terms that are tasks of their own, with L = their mean.

        All others (the entities and what regularises them) are one task, with L = the weighted sum of their means.
        """
        self.tasks = frozenset(tasks)
        self.running: dict[str, float] = {}

    def weights(self, given: dict[str, float]) -> dict[str, float]:
        """The weights of the coming step, of the terms that have these weights in a plain sum."""
        known = [name for name in given if name in self.running and name not in self.tasks]
        together = sum(given[name] * self.running[name] for name in known) if known else 1.0
        losses = {name: self.running.get(name, 1.0) if name in self.tasks else together for name in given}
        return {name: weight / min(max(losses[name], SMALLEST), LARGEST) for name, weight in given.items()}

    def measured(self) -> dict[str, float]:
        return {}

    def after_step(self, means: dict[str, float], measured: dict[str, float]) -> None:
        """Take in the means of a step; a term that did not occur in it is not named."""
        del measured
        for name, mean in means.items():
            before = self.running.get(name, mean)
            self.running[name] = before + NEWEST * (mean - before)
