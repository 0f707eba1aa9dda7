"""The average of the weights that a training passes through, which is evaluated and kept in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ner_distill.config import OptimConfig

Update = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]


def new_average(model: nn.Module, optim: OptimConfig) -> AveragedModel | None:
    """A copy of the model for the average of its weights; None where the settings want none.

    With `swa` all weights that it is shown count alike (Izmailov et al. 2018); with `ema` the last ones most.
    """
    if optim.ema:
        return AveragedModel(model, multi_avg_fn=moving_average(optim.ema))
    return AveragedModel(model) if optim.swa else None


def moving_average(decay: float) -> Update:
    """Updates average ← d · average + (1 − d) · weights, in place, with d = min(decay, (1 + n) / (10 + n)).

    n: how many weights the average holds. The first are the average themselves; as d begins small, what a model was
    before it had learned is soon forgotten (as TensorFlow's ExponentialMovingAverage does).
    """

    def update(averaged: Sequence[Tensor], weights: Sequence[Tensor], number: Tensor | int) -> None:
        begun = int(number)
        get_ema_multi_avg_fn(min(decay, (1 + begun) / (10 + begun)))(averaged, weights, number)

    return update
