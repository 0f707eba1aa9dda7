"""Scores that are probabilities: fitted to how often entities of a score are right, and how far from it they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BINS = 15
"""Of equal width, as Guo et al. have them."""
FOLDS = 5
LEAST = 100
"""Entities that a map is fitted on."""
LEAST_OF_TYPE = 200
"""Entities of a type that may get a map of its own."""
FLOOR = 1e-6
"""Scores are taken to lie from this to 1 less this: the logit of 0 and of 1 is infinite."""
MOST = 100.0
"""Size of the numbers of a map."""


class JudgedEntity(NamedTuple):
    """An entity that a model finds in labelled sentences: the sentence's number, and whether the entity is right."""

    sentence: int
    label: str
    score: float
    right: bool


@dataclass(frozen=True)
class ScoreMap:
    """p = σ(scale · logit(score) + shift): Platt's sigmoid of the logit.

    With a shift of 0 it is the temperature 1/scale of Guo et al. (2017, "On Calibration of Modern Neural Networks").
    The scale is positive, so that the order of scores stays. Source: Platt 1999, "Probabilistic Outputs for Support
    Vector Machines", eq. 1.
    """

    scale: float
    shift: float

    def __call__(self, score: float) -> float:
        logit = self.scale * math.log(clipped(score) / (1 - clipped(score))) + self.shift
        return 1 / (1 + math.exp(-logit)) if logit > -MOST else 0.0

    @property
    def usable(self) -> bool:
        return 0 < self.scale <= MOST and abs(self.shift) <= MOST


@dataclass(frozen=True)
class Calibration:
    """The maps of scores: of single types, and of all others."""

    general: ScoreMap
    of_types: Mapping[str, ScoreMap]

    def __call__(self, label: str, score: float) -> float:
        return self.of_types.get(label, self.general)(score)

    def applied(self, entity: JudgedEntity) -> JudgedEntity:
        return entity._replace(score=self(entity.label, entity.score))


def clipped(score: float) -> float:
    return min(max(score, FLOOR), 1 - FLOOR)


# ---- fitting


def fit_map(entities: Sequence[JudgedEntity]) -> ScoreMap | None:
    """The map that makes it likeliest that just these entities are right; None where their scores say nothing of it.

    The targets are Platt's (1999, section 2.2): (r + 1)/(r + 2) of the r right ones, 1/(w + 2) of the w wrong ones,
    so that a fit exists however well scores tell them apart.
    """
    from sklearn.linear_model import LogisticRegression

    if not entities:
        return None
    scores = np.clip([entity.score for entity in entities], FLOOR, 1 - FLOOR)
    logits, right = np.log(scores / (1 - scores)), np.array([entity.right for entity in entities])
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky").fit(
        np.concatenate([logits, logits])[:, None],
        np.repeat([True, False], len(logits)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    found = ScoreMap(float(fit.coef_[0, 0]), float(fit.intercept_[0]))
    return found if found.usable else None


def fit(entities: Sequence[JudgedEntity], *, part: float = 1.0) -> Calibration | None:
    """The maps of scores, or None for fewer than `LEAST` entities and for scores that say nothing.

    A type of `LEAST_OF_TYPE` entities gets its own where that makes its held-out entities likelier, over `FOLDS` folds.
    part: the share of a set that these entities are, of which both numbers ask no more.
    """
    general = fit_map(entities) if len(entities) >= part * LEAST else None
    if general is None:
        return None
    folds = folds_of(entities)
    shared = [fit_map([entity for entity, own in zip(entities, folds, strict=True) if own != k]) for k in range(FOLDS)]
    own = {}
    for label in sorted({entity.label for entity in entities}):
        chosen = [(entity, fold) for entity, fold in zip(entities, folds, strict=True) if entity.label == label]
        if len(chosen) < part * LEAST_OF_TYPE:
            continue
        single = [fit_map([entity for entity, fold in chosen if fold != k]) for k in range(FOLDS)]
        found = fit_map([entity for entity, _ in chosen])
        if found is not None and _held_out_loss(chosen, single) < _held_out_loss(chosen, shared):
            own[label] = found
    return Calibration(general, own)


def cross_fitted(entities: Sequence[JudgedEntity]) -> list[JudgedEntity]:
    """The entities, each with the score that maps fitted on the other folds give it (its own where none can be)."""
    folds = folds_of(entities)
    others = [[entity for entity, own in zip(entities, folds, strict=True) if own != k] for k in range(FOLDS)]
    # folds are of sentences, and differ in how many entities they have: each asks of the others as of the whole
    maps = [fit(rest, part=len(rest) / max(len(entities), 1)) for rest in others]
    return [
        entity if (one := maps[fold]) is None else one.applied(entity)
        for entity, fold in zip(entities, folds, strict=True)
    ]


def folds_of(entities: Sequence[JudgedEntity]) -> npt.NDArray[np.int64]:
    """The fold of each entity: `FOLDS` stretches of neighbouring sentences, so that few documents are in two."""
    sentences = np.array([entity.sentence for entity in entities], np.int64)
    return np.asarray(sentences * FOLDS // (sentences.max(initial=0) + 1), np.int64)


def _held_out_loss(entities: Sequence[tuple[JudgedEntity, int]], maps: Sequence[ScoreMap | None]) -> float:
    """Sum of −log p of what the entities are, each by the map of its fold; infinite where one is missing."""
    mapped = []
    for entity, fold in entities:
        one = maps[fold]
        if one is None:
            return math.inf
        mapped.append(entity._replace(score=one(entity.score)))
    return loss_of(mapped)


def loss_of(entities: Iterable[JudgedEntity]) -> float:
    """Sum of −log p of what entities are, right or wrong, by their scores p. 0 without an entity."""
    probs = ((clipped(entity.score), entity.right) for entity in entities)
    return -sum(math.log(prob if right else 1 - prob) for prob, right in probs)


def fit_temperature(log_probs: Floats, gold: npt.NDArray[np.int64]) -> float:
    """The T with which p^(1/T), brought back to a sum of 1, makes the gold tags likeliest: from 0.05 to 20.

    log_probs: (words, tags); −inf is allowed, but not of a gold tag. gold: (words,). Source: Guo et al. 2017.
    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log_t: tag_loss(log_probs, gold, math.exp(log_t)),
        bounds=(math.log(0.05), math.log(20)),
        method="bounded",
    )
    return math.exp(float(found.x))


def tag_loss(log_probs: Floats, gold: npt.NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean of −log of the gold tag's probability with a temperature; as `fit_temperature`, 0 without a word."""
    if not len(gold):
        return 0.0
    from scipy.special import log_softmax

    return -float(log_softmax(log_probs / temperature, axis=-1)[np.arange(len(gold)), gold].mean())


# ---- measuring


class ScoreBin(NamedTuple):
    """The entities of scores from `low` to `high`: how many, their mean score, and the share that is right."""

    low: float
    high: float
    entities: int
    score: float
    precision: float


@dataclass(frozen=True)
class Reliability:
    """How far scores are from the share of entities that are right.

    error: expected calibration error: the mean of |precision − mean score| over bins, weighted by their entities; 0
           without an entity. Source: Guo et al. 2017, eq. 5.
    bins:  `BINS` of equal width, less those without an entity.
    """

    error: float
    bins: tuple[ScoreBin, ...]

    def to_json(self) -> dict[str, Any]:
        return {"ece": self.error, "bins": [one._asdict() for one in self.bins]}


def reliability(entities: Sequence[JudgedEntity]) -> Reliability:
    scores = np.array([entity.score for entity in entities], np.float64)
    right = np.array([entity.right for entity in entities], bool)
    places = np.minimum((scores * BINS).astype(int), BINS - 1)
    bins = []
    for place in np.unique(places).tolist():
        inside = places == place
        low, high = place / BINS, (place + 1) / BINS
        bins.append(ScoreBin(low, high, int(inside.sum()), float(scores[inside].mean()), float(right[inside].mean())))
    total = max(len(entities), 1)
    return Reliability(sum(abs(one.precision - one.score) * one.entities for one in bins) / total, tuple(bins))
