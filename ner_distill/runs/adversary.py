"""From `[adversarial]` to what perturbs the embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ner_distill.config import AdversarialConfig, sections
from ner_distill.teacher.adversarial import PLACES, Fgm, FreeLb, Pgd, Vat


def new_adversary(config: AdversarialConfig, embeddings: Sequence[nn.Module]) -> Fgm | Pgd | FreeLb | None:
    """What runs the passes of a micro-batch; None without one, and for VAT, which is a term of the loss (new_vat).

    embeddings: see OnVectors, OnWeights. Raises ConfigError where there is none.
    """
    match config:
        case sections.FgmConfig():
            return Fgm(PLACES[config.on](embeddings), epsilon=config.epsilon)
        case sections.StepsConfig():
            method = Pgd if config.kind == "pgd" else FreeLb
            place = PLACES[config.on](embeddings)
            return method(place, epsilon=config.epsilon, alpha=config.alpha, steps=config.steps)
    return None


def new_vat(config: AdversarialConfig, embeddings: Sequence[nn.Module]) -> Vat | None:
    """The term of the loss for VAT, None for any other kind."""
    if not isinstance(config, sections.VatConfig):
        return None
    return Vat(PLACES[config.on](embeddings), epsilon=config.epsilon)
