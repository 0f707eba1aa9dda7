"""Label noise scores: how much an out-of-fold model's probabilities speak against what the data says of a span.

The probability of exactly a span is no measure of that: it is small for long entities, and for all of them where a
model has learned little. So the reading of the data is compared with its rivals, each by its weakest word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import Span
from ner_distill.data.tagset import TagSet

Probs = npt.NDArray[np.float32]


def tag_doubts(probs: Probs, spans: Collection[Span], given: Collection[Span], tagset: TagSet) -> dict[Span, float]:
    """The label noise score, 0 to 1, of each of `spans` and of `given`, for a model with a tag head.

    probs: (words, tags) the out-of-fold probabilities of each word's tags.
    spans: possible entities. given: those of the data; all of types of the tag set.

    A reading is as probable as the least of its words' tags: of an entity `B`, each `I`, and behind it no `I` of its
    type; of nothing each `O`. A given entity has as rivals nothing and the possible entities that share a word with it;
    its doubt is r / (r + p), p its own reading and r the strongest rival's. The doubt of another one is p / (p + d), d
    the weakest reading of the given entities that share a word with it, of nothing where there are none.
    """
    readings = {span: _reading(probs, span, tagset) for span in {*spans, *given}}
    doubts = {}
    for span, own in readings.items():
        nothing = float(probs[span.start : span.end, 0].min())
        if span in given:
            rivals = [reading for other, reading in readings.items() if other != span and span.overlaps(other)]
            doubts[span] = _share(max([nothing, *rivals]), own)
        else:
            doubts[span] = _share(
                own, min((readings[other] for other in given if span.overlaps(other)), default=nothing)
            )
    return doubts


def span_doubts(probs: Mapping[Span, float], given: Iterable[Span]) -> dict[Span, float]:
    """The same for a span head, which says of each span by itself how probable it is: 1 − p of a given one, else p."""
    given = set(given)
    return {span: 1 - prob if span in given else prob for span, prob in probs.items()}


def _reading(probs: Probs, span: Span, tagset: TagSet) -> float:
    begin = 1 + 2 * tagset.labels.index(span.label)
    inside = begin + 1
    words = [probs[span.start, begin], *probs[span.start + 1 : span.end, inside]]
    if span.end < len(probs):
        words.append(1 - probs[span.end, inside])
    return float(min(words))


def _share(prob: float, other: float) -> float:
    return prob / (prob + other) if prob > 0 else 0.0
