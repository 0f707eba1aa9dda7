"""What adversarial training perturbs: the vectors that embeddings give, or their matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from torch import Tensor, nn

from ner_distill.errors import ConfigError


class Perturbation(ABC):
    """What is moved by a step, and how long a step is."""

    @abstractmethod
    def at(self, moves: Sequence[Tensor] | None = None) -> AbstractContextManager[list[Tensor]]:
        """A context in which what is perturbed stands at itself + moves; None moves nothing.

        It gives the moved tensors, by which gradients are taken, also of what is frozen.
        """

    @abstractmethod
    def norms(self, tensor: Tensor) -> Tensor:
        """‖·‖₂ of each part that moves by itself, of a shape that broadcasts against the tensor."""


class OnVectors(Perturbation):
    """The output of the embedding modules, one norm per row; the parameters are never touched.

    A row of padding has no gradient, so no step along a gradient moves it. A sentence's step depends on that
    sentence alone: batches, micro-batches and processes make no difference.
    """

    def __init__(self, embeddings: Sequence[nn.Module]) -> None:
        """embeddings: modules whose output is (rows, …, dim), row = sentence or window.

        Raises ConfigError where there is none.
        """
        if not embeddings:
            raise ConfigError("adversarial training: this model has no embedding to perturb")
        self.embeddings = list(dict.fromkeys(embeddings))

    @contextmanager
    def at(self, moves: Sequence[Tensor] | None = None) -> Iterator[list[Tensor]]:
        """One move for each call of an embedding, in order. Yields the moved vectors of each call so far."""
        points: list[Tensor] = []

        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            points.append(moved(output, None if moves is None else moves[len(points)]))
            return points[-1]

        with ExitStack() as stack:
            for embedding in self.embeddings:
                stack.callback(embedding.register_forward_hook(hook).remove)
            yield points

    def norms(self, tensor: Tensor) -> Tensor:
        """‖·‖₂ of each row, float32: (rows, 1, …)."""
        norms: Tensor = tensor.flatten(1).float().norm(dim=1)
        return norms.view(-1, *[1] * (tensor.dim() - 1))


class OnWeights(Perturbation):
    """The matrices of all nn.Embedding, one norm per matrix.

    The step is that of the micro-batch. In a pass the modules hold matrix + move in the matrix's place; the parameter
    itself is never written, so there is nothing to restore but its place. What reads the parameter on another way
    (a tied output layer) sees it unmoved. A pass costs a copy of every matrix.
    """

    def __init__(self, embeddings: Sequence[nn.Module]) -> None:
        """embeddings: modules in which every nn.Embedding is perturbed. Raises ConfigError where there is none."""
        self.tables = [module for module in nn.ModuleList(embeddings).modules() if isinstance(module, nn.Embedding)]
        self.matrices = list(dict.fromkeys(table.weight for table in self.tables))
        if not self.matrices:
            raise ConfigError("adversarial training: this model has no embedding matrix to perturb")

    @contextmanager
    def at(self, moves: Sequence[Tensor] | None = None) -> Iterator[list[Tensor]]:
        """One move for each of `matrices`."""
        each = [None] * len(self.matrices) if moves is None else moves
        points = {matrix: moved(matrix, move) for matrix, move in zip(self.matrices, each, strict=True)}
        originals = [table.weight for table in self.tables]
        try:
            for table, original in zip(self.tables, originals, strict=True):
                _put(table, points[original])
            yield list(points.values())
        finally:
            for table, original in zip(self.tables, originals, strict=True):
                _put(table, original)

    def norms(self, tensor: Tensor) -> Tensor:
        """‖·‖₂ of the whole matrix, a float32 scalar."""
        norm: Tensor = tensor.float().norm()
        return norm


def _put(table: nn.Embedding, weight: Tensor) -> None:
    # a plain tensor cannot take the place of a parameter before that is gone
    del table.weight
    table.weight = weight


def moved(tensor: Tensor, move: Tensor | None) -> Tensor:
    """tensor + move as a tensor of its own, whose gradient can be asked for; it flows on into what is not frozen."""
    point = tensor.view_as(tensor) if move is None else tensor + move
    return point if point.requires_grad else point.detach().requires_grad_()
