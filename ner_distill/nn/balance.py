"""A weight of the second task that means the same whatever the losses are."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

NEWEST = 0.02
"""Share of the newest step in the running means of squared gradients: a memory of some 50 steps."""
AT_FIRST = 0.5
"""The weight until gradients were seen: that of the source (Li et al., ACL 2022)."""
LEAST, MOST = 1e-4, 1e4


class TaskBalance:
    """Weighs a task so that its gradient at the word vectors is a given share of the first task's.

    What a weight of 0.5 means depends on the losses: beside the Kullback–Leibler divergence the similarity's gradient
    is a fifteenth of the words', beside the mean squared error it is twice as large. So the weight follows from
    gradients, as in GradNorm (Chen et al., ICML 2018), but in closed form and without a loss of its own:

        λ_t = share · √(m_1 / m_2),  m_k = running mean over steps of ‖∂L_k / ∂h‖²

    where L_k are the mean losses of the two tasks, unweighted, and h the word vectors of all sentences of a step. The
    norms are read off the backward pass that training does anyway. λ_t is of the steps before t, and the same for all
    micro-batches and processes of a step, so that accumulation stays exact.
    """

    def __init__(self, share: float, first: str, second: str = "similarity") -> None:
        """first, second: the names of the two terms."""
        self.share, self.first, self.second = share, first, second
        self.running: dict[str, float] = {}
        self._squares: dict[str, list[Tensor]] = {first: [], second: []}
        self._given: Mapping[str, float] = {}

    def weights(self, given: dict[str, float]) -> dict[str, float]:
        """The weights of the coming step: the second task's is λ_t, whatever is given for it."""
        weight = AT_FIRST
        if self.running.keys() >= {self.first, self.second} and self.running[self.second] > 0:
            weight = self.share * (self.running[self.first] / self.running[self.second]) ** 0.5
        self._given = {**given, self.second: min(max(weight, LEAST), MOST)}
        return dict(self._given)

    def watched(self, term: str, vectors: Tensor, copies: int = 1) -> Tensor:
        """The same word vectors for a term to be made of: what flows back through them is noted.

        copies: so many times the sentences stand in them one after another, under another dropout each; what flows
        back through all copies of a sentence is added up, as it is in the encoder.
        """
        if not vectors.requires_grad:
            return vectors
        branch = vectors.view_as(vectors)
        branch.register_hook(lambda gradient: self._note(term, gradient, copies))
        return branch

    def _note(self, term: str, gradient: Tensor, copies: int) -> None:
        whole = gradient.detach().float().unflatten(0, (copies, -1)).sum(0)
        self._squares[term].append(whole.square().sum())

    def measured(self) -> dict[str, float]:
        """The squared norms of the weighted gradients since this was asked last, of this process."""
        squares = {term: sum(map(float, parts)) for term, parts in self._squares.items()}
        self._squares = {term: [] for term in squares}
        return squares

    def after_step(self, means: dict[str, float], squares: dict[str, float]) -> None:
        """Take in what all processes measured together.

        A step in which a task did not occur, or whose gradient is not finite, is passed over.
        """
        del means
        if not all(0 < square < math.inf for square in squares.values()):
            return
        for term, square in squares.items():
            plain = square / self._given[term] ** 2
            self.running[term] = self.running.get(term, plain) * (1 - NEWEST) + NEWEST * plain
