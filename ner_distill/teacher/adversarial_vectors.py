"""Perturbations of what the embeddings give: each sentence's vectors move by their own step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from ner_distill.errors import ConfigError


class OnVectors:
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
        self.embeddings = list({id(embedding): embedding for embedding in embeddings}.values())

    @contextmanager
    def at(self, moves: Sequence[Tensor] | None = None) -> Iterator[list[Tensor]]:
        """Inside, the embeddings give their vectors + `moves`, one for each call of any of them, in order.

        moves: None moves nothing.
        Yields: the moved vectors of each call so far; gradients are taken by these. Frozen embeddings have them too.
        """
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


def moved(tensor: Tensor, move: Tensor | None) -> Tensor:
    """tensor + move as a tensor of its own, whose gradient can be asked for; it flows on into what is not frozen."""
    point = tensor.view_as(tensor) if move is None else tensor + move
    return point if point.requires_grad else point.detach().requires_grad_()
