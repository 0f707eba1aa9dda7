"""`min_score`: which entities a score lets pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.sentence import ScoredSpan
from ner_distill.errors import ConfigError
from ner_distill.options.by_type import GivenByType, by_type
from ner_distill.runs.calibration import read_thresholds
from ner_distill.tagger import Answering

STORED = "stored"
NOTHING = 2.0
"""A score that no entity has."""


@dataclass(frozen=True)
class Floors:
    """The least score of entities, of single types and of all others."""

    general: float
    of_types: Mapping[str, float]

    def passing(self, entities: Iterable[ScoredSpan]) -> list[ScoredSpan]:
        return [(span, score) for span, score in entities if score >= self.of_types.get(span.label, self.general)]


def read_floors(model: Path | Answering, given: GivenByType, labels: Sequence[str], reporter: Reporter) -> Floors:
    """What `min_score` says: numbers, `stored` for the run's own thresholds, or both, where numbers of a type go first.

    Of a type for which no threshold reached the precision that was wanted, nothing passes, which is said.
    Raises ConfigError for wrong numbers and where the run has no thresholds, RunError where they are damaged.
    """
    texts = [given] if isinstance(given, str) else given
    stored = not isinstance(texts, int | float) and STORED in texts
    numbers = by_type("min_score", _without_stored(texts), 0.0)
    within = "expected a score from 0 to 1, or `stored`"
    if problems := numbers.problems("min_score", labels, lambda score: 0 <= score <= 1, within, "the model has"):
        raise ConfigError.of(problems)
    if not stored:
        return Floors(numbers.general, numbers.of_types)
    if isinstance(model, Answering):
        try:
            chosen = model.thresholds(STORED)
        except ValueError as error:
            raise ConfigError(f"`min_score` {STORED}: {str(error).removeprefix(f'min_score: {STORED}: ')}") from None
        for label in sorted(label for label in chosen.keys() - numbers.of_types if chosen[label] > 1):
            reporter.warn(
                f"`min_score` {STORED}: no score of {label} reached the precision that was wanted: nothing of it "
                f"passes; `min_score` {label}=P lets some pass"
            )
        return Floors(numbers.general, {**chosen, **numbers.of_types})
    thresholds = read_thresholds(model)
    if not thresholds:
        raise ConfigError(
            f"`min_score` {STORED}: {model} has no thresholds; choose them on labelled sentences that were not trained "
            "on: evaluate with `precision`"
        )
    for label, one in thresholds.items():
        if one.score is None and label not in numbers.of_types:
            reporter.warn(
                f"`min_score` {STORED}: no score of {label} reached a precision of {one.wanted:g}: nothing of it "
                f"passes; `min_score` {label}=P lets some pass"
            )
    own = {label: NOTHING if one.score is None else one.score for label, one in thresholds.items()}
    return Floors(numbers.general, {**own, **numbers.of_types})


def _without_stored(given: int | float | Sequence[str]) -> GivenByType:
    return given if isinstance(given, int | float) else [text for text in given if text != STORED]
