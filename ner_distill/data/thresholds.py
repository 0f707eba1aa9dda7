"""Thresholds on scores: the lowest one above which enough entities of a type are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ner_distill.data.calibration import JudgedEntity

CONFIDENCE = 0.95
CANDIDATES = 20
"""Thresholds that are tried: those that let 1/20, 2/20 and so on of a type's entities pass."""


@dataclass(frozen=True)
class Threshold:
    """What was chosen for a type.

    score:   entities of this score or a higher one pass; None where no candidate shows the precision: none passes.
    bound:   the lower bound of the precision, see `choose`; without a `score` the highest bound of all candidates.
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
    """The lowest of `CANDIDATES` scores of entities (of one type) whose precision is surely the wanted one.

    "Surely": its lower Clopper-Pearson bound is `wanted` or more. All bounds hold together with a probability of 95 %
    on entities drawn as these were, so whichever is chosen: each has 1/20 of the 5 % (Bonferroni). Without that, luck
    at one of many thresholds would be taken for precision. Sources: Clopper & Pearson 1934; Angelopoulos et al. 2021,
    "Learn then Test", section 3.
    """
    order = sorted(entities, key=lambda entity: -entity.score)
    scores = np.array([entity.score for entity in order], np.float64)
    right = np.cumsum([entity.right for entity in order], dtype=np.int64)
    shares = np.ceil(len(order) * np.arange(1, CANDIDATES + 1) / CANDIDATES).astype(np.int64)
    lowest = scores[np.unique(shares[shares > 0]) - 1] if len(order) else scores
    kept = np.searchsorted(-scores, -lowest, side="right")  # with all that score alike
    bounds = lower_bounds(right[kept - 1], kept)
    reached = np.flatnonzero(bounds >= wanted)
    if not len(reached):
        return Threshold(wanted, None, float(bounds.max(initial=0.0)), 0, 0, len(order), support)
    at = reached[-1]
    passing = int(kept[at])
    return Threshold(
        wanted, float(lowest[at]), float(bounds[at]), passing, int(right[passing - 1]), len(order), support
    )


def lower_bounds(right: npt.NDArray[np.int64], of: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Lower Clopper-Pearson bounds of shares right/of, which all hold together; 0 where nothing is right.

    They are quantiles of Beta(right, of − right + 1).
    """
    from scipy.special import betaincinv

    bounds = betaincinv(np.maximum(right, 1), of - right + 1, (1 - CONFIDENCE) / CANDIDATES)
    return np.asarray(np.where(right > 0, bounds, 0.0), np.float64)


def entities_needed(wanted: float) -> int:
    """How many entities, all of them right, show a precision."""
    return int(np.ceil(np.log((1 - CONFIDENCE) / CANDIDATES) / np.log(wanted)))
