"""Perturbations of the embedding matrices: every occurrence of a word moves alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from ner_distill.errors import ConfigError
from ner_distill.teacher.adversarial_vectors import moved


class OnWeights:
    """The matrices of all nn.Embedding, one norm per matrix.

    The step is that of the micro-batch. In a pass the modules hold matrix + move in the matrix's place; the parameter
    itself is never written, so there is nothing to restore but its place. What reads the parameter on another way
    (a tied output layer) sees it unmoved. A pass costs a copy of every matrix.
    """

    def __init__(self, embeddings: Sequence[nn.Module]) -> None:
        """embeddings: modules in which every nn.Embedding is perturbed. Raises ConfigError where there is none."""
        modules = (module for embedding in embeddings for module in embedding.modules())
        tables = (module for module in modules if isinstance(module, nn.Embedding))
        self.tables = list({id(table): table for table in tables}.values())
        self.matrices = list({id(table.weight): table.weight for table in self.tables}.values())
        if not self.matrices:
            raise ConfigError("adversarial training: this model has no embedding matrix to perturb")

    @contextmanager
    def at(self, moves: Sequence[Tensor] | None = None) -> Iterator[list[Tensor]]:
        """Inside, the modules hold their matrices + `moves`, one for each of `matrices`.

        moves: None moves nothing.
        Yields: the moved matrices; gradients are taken by these. Frozen matrices have them too.
        """
        each = [None] * len(self.matrices) if moves is None else moves
        points = [moved(matrix, move) for matrix, move in zip(self.matrices, each, strict=True)]
        point_of = {id(matrix): point for matrix, point in zip(self.matrices, points, strict=True)}
        originals = [table.weight for table in self.tables]
        try:
            for table, original in zip(self.tables, originals, strict=True):
                _put(table, point_of[id(original)])
            yield points
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
