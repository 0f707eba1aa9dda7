"""Exact-span scores: how many of the gold entities were found, and how many of the found ones are gold.

An entity is right when its boundaries and its type are. Spans are compared, not tags, so nothing depends on
a tagging scheme; on flat data the figures are those of seqeval's strict mode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from ner_distill.data.sentence import Span


@dataclass(slots=True)
class Counts:
    """Entities that are right, that are gold and that were predicted; the figures, 0..1, follow from these three.

    A figure whose denominator is 0 is 0 (as in seqeval): nothing to find and nothing found gives F1 = 0, with a
    support of 0 to tell it from a failure.
    """

    correct: int = 0
    support: int = 0
    predicted: int = 0

    @property
    def precision(self) -> float:
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.correct / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        entities = self.support + self.predicted
        return 2 * self.correct / entities if entities else 0.0

    def add(self, gold: Set[object], predicted: Set[object]) -> None:
        self.correct += len(gold & predicted)
        self.support += len(gold)
        self.predicted += len(predicted)

    def to_json(self) -> dict[str, float]:
        """`{"precision", "recall", "f1", "support"}`."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1, "support": self.support}


@dataclass(slots=True)
class Confusion:
    """What became of one gold type.

    predicted_as: how many of its entities were predicted with the same boundaries, by predicted type (its own type:
                  the right ones).
    missed:       its entities with no prediction at those boundaries; with `predicted_as` they add up to the support.
    invented:     predictions of this type with no gold entity at those boundaries.
    """

    predicted_as: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    invented: int = 0

    def to_json(self) -> dict[str, Any]:
        """`{"predicted_as": {TYPE: n}, "missed": n, "invented": n}`; types in order of their name."""
        predicted_as = dict(sorted(self.predicted_as.items()))
        return {"predicted_as": predicted_as, "missed": self.missed, "invented": self.invented}


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a data set.

    micro:     all types together.
    by_type:   each type of the run in its order, then, sorted, the types that only the data or a prediction has.
    boundary:  the type ignored; entities of one sentence with equal boundaries count once.
    confusion: for each type of `by_type`, what its entities were taken for.
    inside_words: how many gold entities begin or end inside a word, so that no prediction finds them: they are missed.
    """

    micro: Counts
    by_type: dict[str, Counts]
    boundary: Counts
    confusion: dict[str, Confusion]
    inside_words: int = 0

    def to_json(self) -> dict[str, Any]:
        """What `evaluate --json` writes; fractions from 0 to 1."""
        return {
            "micro": self.micro.to_json(),
            "by_type": {label: counts.to_json() for label, counts in self.by_type.items()},
            "boundary": self.boundary.to_json(),
            "confusion": {label: row.to_json() for label, row in self.confusion.items()},
            **({"inside_words": self.inside_words} if self.inside_words else {}),
        }


def score(
    gold: Sequence[Collection[Span]],
    predicted: Sequence[Collection[Span]],
    labels: Iterable[str],
    *,
    inside_words: Sequence[str] = (),
) -> Scores:
    """Scores of predictions against gold spans, one collection per sentence in the same order.

    A span that is given twice for one sentence counts once; spans may nest and overlap. Types outside `labels` count
    as well: a model that does not know a type of the data has missed its entities.
    inside_words: types of the gold entities that no words express, one for each: all of them are missed.
    Raises ValueError where the numbers of sentences differ.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} sentences with gold spans but {len(predicted)} with predictions")
    known = list(dict.fromkeys(labels))
    present = {span.label for side in (gold, predicted) for spans in side for span in spans} | set(inside_words)
    types = [*known, *sorted(present.difference(known))]
    by_type, confusion = {label: Counts() for label in types}, {label: Confusion() for label in types}
    scores = Scores(Counts(), by_type, Counts(), confusion, len(inside_words))
    for right, answer in zip(map(set, gold), map(set, predicted), strict=True):
        scores.micro.add(right, answer)
        for label in {span.label for span in right | answer}:
            of_type = [{span for span in side if span.label == label} for side in (right, answer)]
            scores.by_type[label].add(*of_type)
        scores.boundary.add({(span.start, span.end) for span in right}, {(span.start, span.end) for span in answer})
        _confuse(right, answer, scores.confusion)
    for label in inside_words:
        for counts in (scores.micro, scores.by_type[label], scores.boundary):
            counts.support += 1
        scores.confusion[label].missed += 1
    return scores


def _confuse(gold: set[Span], predicted: set[Span], confusion: dict[str, Confusion]) -> None:
    """Count one sentence: a gold span gets at most one prediction of its boundaries, the right one if it is there."""
    for span in gold & predicted:
        confusion[span.label].predicted_as[span.label] += 1
    wrong: dict[tuple[int, int], list[str]] = {}
    for span in sorted(predicted - gold, reverse=True):
        wrong.setdefault((span.start, span.end), []).append(span.label)
    for span in sorted(gold - predicted):
        taken_for = wrong.get((span.start, span.end))
        if taken_for:
            confusion[span.label].predicted_as[taken_for.pop()] += 1
        else:
            confusion[span.label].missed += 1
    for labels in wrong.values():
        for label in labels:
            confusion[label].invented += 1
