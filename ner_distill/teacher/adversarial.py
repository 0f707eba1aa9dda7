"""Adversarial training: one object with one method that runs its extra passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ner_distill.errors import ConfigError

NO_PART = "adversarial training: the embeddings took no part in the loss; nothing to perturb"


class FgmOnVectors:
    """Fast gradient method on each sentence's embedded vectors: r = ε g / ‖g‖₂ (Miyato et al. 2017, eq. 4-5).

    g is the gradient of the loss by the output of the embedding module, one norm per sentence; rows of
    padding have no gradient and so get no perturbation. The second pass ADDS its gradient to the plain one.
    The parameters are never touched.
    """

    def __init__(self, embeddings: Sequence[nn.Module], *, epsilon: float = 1.0) -> None:
        """embeddings: modules whose output is (rows, …, dim), row = sentence or window."""
        if not embeddings:
            raise ConfigError("adversarial training: this model has no embedding to perturb")
        self.embeddings = list(embeddings)
        self.epsilon = epsilon

    def backward(self, loss: Callable[[], Tensor], backward: Callable[[Tensor], None]) -> Tensor:
        """The plain loss, detached; gradients of both passes are added up in the parameters."""
        outputs: list[list[Tensor]] = [[] for _ in self.embeddings]

        def watch(index: int) -> Callable[[nn.Module, object, Tensor], None]:
            def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
                output.retain_grad()
                outputs[index].append(output)

            return hook

        with ExitStack() as stack:
            self._attach(stack, [watch(index) for index in range(len(self.embeddings))])
            plain = loss()
            backward(plain)
        moves = [[_scaled(output.grad, self.epsilon) for output in calls] for calls in outputs]
        if not any(moves):
            raise ConfigError(NO_PART)

        def push(index: int) -> Callable[[nn.Module, object, Tensor], Tensor]:
            remaining = iter(moves[index])
            return lambda _module, _inputs, output: output + next(remaining)

        with ExitStack() as stack:
            self._attach(stack, [push(index) for index in range(len(self.embeddings))])
            backward(loss())
        return plain.detach()

    def _attach(self, stack: ExitStack, hooks: Sequence[Callable[..., Tensor | None]]) -> None:
        for embedding, hook in zip(self.embeddings, hooks, strict=True):
            handle: RemovableHandle = embedding.register_forward_hook(hook)
            stack.callback(handle.remove)


class FgmOnWeights:
    """Fast gradient method on the embedding matrices: every occurrence of a word moves alike.

    g is the gradient of this micro-batch alone; the matrices are restored bit by bit from a copy.
    """

    def __init__(self, embeddings: Sequence[nn.Module], *, epsilon: float = 1.0) -> None:
        """embeddings: modules in which every nn.Embedding is perturbed."""
        modules = (module for embedding in embeddings for module in embedding.modules())
        tables = (module for module in modules if isinstance(module, nn.Embedding))
        self.matrices = list({id(table.weight): table.weight for table in tables}.values())
        if not self.matrices:
            raise ConfigError("adversarial training: this model has no embedding matrix to perturb")
        self.epsilon = epsilon

    def backward(self, loss: Callable[[], Tensor], backward: Callable[[Tensor], None]) -> Tensor:
        """As FgmOnVectors.backward."""
        before = [matrix.grad for matrix in self.matrices]
        for matrix in self.matrices:
            matrix.grad = None
        plain = loss()
        backward(plain)
        if all(matrix.grad is None for matrix in self.matrices):
            raise ConfigError(NO_PART)
        originals = [matrix.detach().clone() for matrix in self.matrices]
        with torch.no_grad():
            for matrix in self.matrices:
                if matrix.grad is not None:
                    matrix += self.epsilon * matrix.grad / matrix.grad.norm().clamp(min=1e-12)
        try:
            backward(loss())
        finally:
            with torch.no_grad():
                for matrix, original in zip(self.matrices, originals, strict=True):
                    matrix.copy_(original)
        for matrix, old in zip(self.matrices, before, strict=True):
            if old is not None:
                matrix.grad = old if matrix.grad is None else matrix.grad + old
        return plain.detach()


def _scaled(gradient: Tensor | None, epsilon: float) -> Tensor | float:
    """ε g / ‖g‖₂ with one norm per first index; no gradient, no move."""
    if gradient is None:
        return 0.0
    norm = gradient.flatten(1).float().norm(dim=1).clamp(min=1e-12)
    move: Tensor = epsilon * gradient / norm.view(-1, *[1] * (gradient.dim() - 1)).to(gradient.dtype)
    return move


ADVERSARIES = {"vectors": FgmOnVectors, "weights": FgmOnWeights}
