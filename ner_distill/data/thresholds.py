"""Thresholds on scores: the lowest one above which enough entities of a type are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ner_distill.data.calibration import JudgedEntity

CONFIDENCE = 0.95
"""Of the two-sided Clopper-Pearson interval whose lower end has to reach the wanted precision."""


@dataclass(frozen=True)
class Threshold:
    """What was chosen for a type.

    score:   entities of this score or a higher one pass; None where no score reaches the precision: none passes.
    bound:   lower end of the Clopper-Pearson interval of `right` of `kept`; without a `score` the highest bound of all.
    kept, right: how many entities pass, and are right. found, support: how many there are, predicted and gold.
    """

    wanted: float
    score: float | None
    bound: float
    kept: int
    right: int
    found: int
    support: int

    @property
    def precision(self) -> float:
        return self.right / self.kept if self.kept else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.support if self.support else 0.0

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "precision": self.precision, "recall": self.recall}


def choose(entities: Sequence[JudgedEntity], wanted: float, support: int) -> Threshold:
    """The lowest score of the entities (of one type) from which on their precision is surely the wanted one.

    "Surely": the lower end of its 95 % interval (Clopper & Pearson 1934) is `wanted` or more. That asks of few entities
    more than of many, and makes up for choosing the threshold on the data that it is measured on.
    """
    order = sorted(entities, key=lambda entity: -entity.score)
    scores = np.array([entity.score for entity in order], np.float64)
    last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True)[: len(scores)])  # of those with one score
    right, kept = np.cumsum([entity.right for entity in order], dtype=np.int64)[last], last + 1
    bounds = lower_bounds(right, kept)
    reached = np.flatnonzero(bounds >= wanted)
    if not len(reached):
        return Threshold(wanted, None, float(bounds.max(initial=0.0)), 0, 0, len(order), support)
    at = reached[-1]
    return Threshold(
        wanted, float(scores[last[at]]), float(bounds[at]), int(kept[at]), int(right[at]), len(order), support
    )


def lower_bounds(right: npt.NDArray[np.int64], of: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Lower ends of the two-sided Clopper-Pearson intervals of shares right/of; 0 where nothing is right.

    They are quantiles of Beta(right, of − right + 1).
    """
    from scipy.special import betaincinv

    bounds = betaincinv(np.maximum(right, 1), of - right + 1, (1 - CONFIDENCE) / 2)
    return np.asarray(np.where(right > 0, bounds, 0.0), np.float64)


def entities_needed(wanted: float) -> int:
    """How many entities, all of them right, show a precision: right^n reaches (1 − confidence)/2."""
    return int(np.ceil(np.log((1 - CONFIDENCE) / 2) / np.log(wanted)))
