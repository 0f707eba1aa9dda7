"""Which parameters learn at which rate, and how the rate changes as training goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import nn

from ner_distill.config import OptimConfig
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.base import Encoder
from ner_distill.nn.heads import Head


def parameter_groups(model: nn.Module, encoders: Sequence[nn.Module], optim: OptimConfig) -> list[dict[str, Any]]:
    """AdamW groups: encoders at `lr`, a CRF's transitions at `crf_lr`, all else at `head_lr`.

    Layers on top of a pretrained encoder (of a lattice, for features, the mix of its layers) are new and learn at
    `head_lr`.
    With `layer_decay` the encoder's top layer has `lr`, each one below this times the rate of the one above, the
    embeddings the lowest (Howard and Ruder 2018).
    Weight decay only where a matrix is: not on biases, norms and single numbers.
    """
    inside: dict[int, float] = {}
    for encoder in encoders:
        base = encoder.innermost() if isinstance(encoder, Encoder) else encoder
        started = base.started() if isinstance(base, Encoder) else base.parameters()
        inside.update(dict.fromkeys(map(id, started), optim.lr))
        layers = base.layer_groups() if isinstance(base, Encoder) and optim.layer_decay != 1 else []
        for depth, layer in enumerate(reversed(layers)):
            rate = optim.lr * optim.layer_decay**depth
            inside.update({id(parameter): rate for parameter in layer if id(parameter) in inside})
    heads = (module for module in model.modules() if isinstance(module, Head))
    transitions = {id(parameter) for head in heads for parameter in head.transition_parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        transition = id(parameter) in transitions
        rate = inside.get(id(parameter), optim.crf_lr if transition else optim.head_lr)
        decay = optim.weight_decay if parameter.dim() > 1 and not transition and "bias" not in name else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()]


def freeze_lowest(encoders: Sequence[Encoder], layers: int) -> None:
    """Make the embeddings and the lowest so many layers of each encoder stay as they are; 0 freezes nothing.

    They get no gradient, no state of an optimizer, and nothing below them is gone back through, unless something asks
    for the gradient of what the embeddings give, as adversarial training does. Their dropout stays.
    Raises ConfigError where an encoder has fewer layers, or none that can be frozen one by one.
    """
    for encoder in encoders if layers else ():
        base = encoder.innermost()
        if reason := base.indivisible():
            raise ConfigError(f"optim.freeze_layers: {reason}; leave it out, or take another encoder")
        have = len(base.layer_groups()) - 1
        if layers > have:
            raise ConfigError(f"optim.freeze_layers: the encoder has {have} layers, found {layers}; give fewer")
        for parameter in base.lowest(layers):
            parameter.requires_grad_(False)


def rate_factor(done: float, warmup: float, *, end: float = 1.0, last: float = 0.0) -> float:
    """Share of the full rate when `done` (0 to 1) of the training is done: up in a line, down in a cosine.

    end:  the share of the training after which the cosine has come to `last`, where the rate then stays.
    """
    if done < warmup:
        return 0.04 + 0.96 * done / warmup
    fallen = min((done - warmup) / max(end - warmup, 1e-9), 1.0)
    return last + (1.0 - last) * (0.5 * (1.0 + math.cos(math.pi * fallen)))
