"""Adversarial training: FGM, PGD and FreeLB run extra passes of the loss, VAT is a loss of its own.

Each of them works on any `Perturbation`: of each sentence's embedded vectors, or of the embedding matrices.

Dropout. PGD, FreeLB and VAT draw the same random numbers in every pass, so that dropout and the forgetting of words
are the same in all: the worst step is that of one network (Zhu et al. 2020, section 3.3), and what VAT
compares differs by the step alone. Afterwards the generators stand where one pass leaves them. FGM is one step of a
plain gradient, and its second pass draws anew, as published code does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ner_distill.errors import ConfigError
from ner_distill.nn.losses import token_divergence
from ner_distill.teacher.perturbations import OnVectors, OnWeights, Perturbation

On = Literal["vectors", "weights"]
Loss = Callable[[], Tensor]
Backward = Callable[[Tensor], None]
Predict = Callable[[], tuple[Tensor, Tensor]]

XI = 0.1  # length of VAT's trial step (authors' code for text)


class Fgm:
    """Fast gradient method: one more pass at r = ε g / ‖g‖₂ (Miyato et al. 2017, eq. 4-5).

    g is the gradient of the plain loss. The second pass ADDS its gradient to the plain one. Cost: 2 passes.
    """

    passes = 2

    def __init__(self, place: Perturbation, *, epsilon: float = 1.0) -> None:
        self.place = place
        self.epsilon = epsilon

    def backward(self, loss: Loss, backward: Backward) -> Tensor:
        """The plain loss, detached; gradients of both passes are added up in the parameters.

        Raises ConfigError where no embedding took part in the loss.
        """
        plain, slopes = _full_pass(self.place, loss, backward)
        with self.place.at(_of_length(self.epsilon, self.place, slopes)):
            backward(loss())
        return plain


class Steps:
    """Several steps of length α up the slopes, inside the ball of radius ε around 0."""

    def __init__(self, place: Perturbation, *, epsilon: float = 1.0, alpha: float = 0.3, steps: int = 3) -> None:
        """steps: K, 1 or more; for FreeLB 2 or more, as its first pass is the plain one."""
        self.place = place
        self.epsilon, self.alpha, self.steps = epsilon, alpha, steps

    def climbed(self, moves: Sequence[Tensor] | None, slopes: Sequence[Tensor]) -> list[Tensor]:
        """The moves after one more step, put back onto the ball where it leaves it; None = from 0."""
        ends = _of_length(self.alpha, self.place, slopes)
        if moves is not None:
            ends = [move + step for move, step in zip(moves, ends, strict=True)]
        return [end * (self.epsilon / self.place.norms(end).clamp(min=self.epsilon)).to(end.dtype) for end in ends]


class Pgd(Steps):
    """Projected gradient descent: K times r ← Π_{‖r‖≤ε}(r + α g/‖g‖₂), from r = 0 (Madry et al. 2018).

    g is the gradient at the r before. Only the pass at the last r ADDS its gradient to the plain one; those before
    it compute no gradient but that by r. Cost: K + 1 passes, of which K − 1 are without weights' gradients.
    """

    passes = 2

    def backward(self, loss: Loss, backward: Backward) -> Tensor:
        random = RandomState()
        plain, slopes = _full_pass(self.place, loss, backward)
        moves: list[Tensor] | None = None
        for _ in range(self.steps - 1):
            moves = self.climbed(moves, slopes)
            random.restore()
            slopes = _slopes(self.place, loss, moves)
        moves = self.climbed(moves, slopes)
        random.restore()
        with self.place.at(moves):
            backward(loss())
        return plain


class FreeLb(Steps):
    """FreeLB: the mean gradient over K passes, at r = 0 and after each step of PGD but the last (Zhu et al. 2020).

    The climb costs nothing: each pass gives the parameters' gradient and the next step at once (alg. 1). It starts at
    r = 0 where the paper draws a small r, so that the first pass is the plain one and its loss can be shown.
    Cost: K passes.
    """

    @property
    def passes(self) -> int:
        """K."""
        return self.steps

    def backward(self, loss: Loss, backward: Backward) -> Tensor:
        def share(value: Tensor) -> None:
            backward(value / self.steps)

        random = RandomState()
        plain, slopes = _full_pass(self.place, loss, share)
        moves: list[Tensor] | None = None
        for _ in range(self.steps - 1):
            moves = self.climbed(moves, slopes)
            random.restore()
            _, slopes = _full_pass(self.place, loss, share, moves)
        return plain


class Vat:
    """Virtual adversarial training: how much the prediction changes in the direction that changes it most.

    KL(p(x) ‖ p(x + r)), r = ε g/‖g‖₂, where g is the gradient of KL(p(x) ‖ p(x + ξ d)) by its step, d random of
    length 1: one power iteration (Miyato et al. 2018, alg. 1). p(x) carries no gradient. No tag is needed: also
    for raw text.

    A term of the loss rather than passes around it, so that it is divided by its own count over the whole step.
    Cost, beside the loss itself: three predictions, the first without any gradient, the second with that by r alone.
    All in full precision also inside autocast: bf16 rounds away the difference that gives the direction.
    """

    def __init__(self, place: Perturbation, *, epsilon: float = 1.0) -> None:
        self.place = place
        self.epsilon = epsilon

    def divergence(self, predict: Predict) -> Tensor:
        """The SUM over counted places of the KL, scalar float32 with gradient; 0 where nothing counts.

        predict: runs the model; gives log probabilities (…, classes), −inf for what can never be, and which places
            count, (…) bool. Where it draws the same random numbers it must give the same.
        Raises ConfigError where no embedding took part in the prediction.
        """
        begin = RandomState()
        device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
        with torch.autocast("cpu", enabled=False), torch.autocast(device.type, enabled=False):
            with torch.no_grad(), self.place.at() as points:
                log_probs, _ = predict()
            probs = log_probs.exp()
            moves = _of_length(XI, self.place, [torch.randn_like(point) for point in points])
            end = RandomState()
            begin.restore()
            slopes = _slopes(self.place, lambda: _kl(predict, probs), moves)
            begin.restore()
            with self.place.at(_of_length(self.epsilon, self.place, slopes)):
                divergence = _kl(predict, probs)
        end.restore()  # behind the draw of d, which nothing is to repeat
        return divergence


class RandomState:
    """The state of torch's generators now, to be had again: of the CPU's and of the current accelerator's."""

    def __init__(self) -> None:
        self.cpu = torch.get_rng_state()
        self.device: Any = torch.get_device_module() if torch.accelerator.is_available() else None
        self.on_device = self.device.get_rng_state() if self.device else None

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.device:
            self.device.set_rng_state(self.on_device)


def _full_pass(
    place: Perturbation, loss: Loss, backward: Backward, moves: Sequence[Tensor] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Loss at `moves`, detached, and its gradients by what moves; those of the parameters are added to theirs."""
    with place.at(moves) as points:
        value = loss()
        for point in points:
            point.retain_grad()
        backward(value)
    return value.detach(), _known(points, [point.grad for point in points])


def _slopes(place: Perturbation, loss: Loss, moves: Sequence[Tensor]) -> list[Tensor]:
    """Gradients by what moves, at `moves`, and no others."""
    with place.at(moves) as points:
        value = loss()
        taking_part = bool(points) and value.requires_grad
        return _known(points, torch.autograd.grad(value, points, allow_unused=True) if taking_part else ())


def _known(points: Sequence[Tensor], slopes: Sequence[Tensor | None]) -> list[Tensor]:
    if all(slope is None for slope in slopes):
        raise ConfigError(
            "adversarial training: the embeddings took no part in the loss; nothing to perturb. "
            'Use adversarial.kind = "none" with this encoder'
        )
    pairs = zip(points, slopes, strict=True)
    return [torch.zeros_like(point) if slope is None else slope for point, slope in pairs]


def _of_length(length: float, place: Perturbation, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Each part that moves by itself scaled to this length; zeros stay zeros."""
    return [length * tensor / place.norms(tensor).clamp(min=1e-12).to(tensor.dtype) for tensor in tensors]


def _kl(predict: Predict, probs: Tensor) -> Tensor:
    log_probs, mask = predict()
    divergence = token_divergence(log_probs, probs, kind="kl")
    return divergence.where(mask, 0.0).sum()


PLACES: dict[On, Callable[[Sequence[nn.Module]], Perturbation]] = {"vectors": OnVectors, "weights": OnWeights}
