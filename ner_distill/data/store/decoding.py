"""Probabilities of tags → the entities that a reader would see."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ner_distill.data.sentence import Span
from ner_distill.data.tagset import TagSet

# Below every float16 but 0: a tag of probability 0 stays possible where BIO leaves nothing else.
_SMALLEST = 1e-8


def decode_probs(probs: npt.NDArray[Any], tagset: TagSet) -> list[tuple[Span, float]]:
    """The entities of the best tag sequence that BIO allows, each with its confidence.

    probs: (words, tags), each word's probability of each tag of `tagset`. The best sequence has the largest
    product of probabilities. Confidence: mean probability of the chosen tags over the entity's words.
    Zero words give [].
    """
    path = best_path(probs, tagset)
    chosen = probs[np.arange(len(path)), path].astype(np.float64)
    return [(span, float(chosen[span.start : span.end].mean())) for span in tagset.decode(path.tolist())]


def best_path(probs: npt.NDArray[Any], tagset: TagSet) -> npt.NDArray[np.int64]:
    """(words,) int64: the most probable tag ids among the sequences that BIO allows.

    probs: (words, tags). Of equal sequences, one with lower tag ids.
    """
    if len(probs) == 0:
        return np.zeros(0, np.int64)
    allowed = np.array(tagset.allowed_transitions())
    start = np.array(tagset.allowed_start())
    greedy: npt.NDArray[np.int64] = probs.argmax(axis=1).astype(np.int64)
    if start[greedy[0]] and allowed[greedy[:-1], greedy[1:]].all():
        return greedy  # nothing is more probable than the best tag everywhere
    scores = np.log(np.maximum(probs.astype(np.float64), _SMALLEST))
    transitions = np.where(allowed, 0.0, -np.inf)
    best = np.where(start, scores[0], -np.inf)
    came_from = np.zeros(probs.shape, np.int64)
    for word in range(1, len(probs)):
        candidates = best[:, None] + transitions  # (previous, following)
        came_from[word] = candidates.argmax(0)
        best = candidates.max(0) + scores[word]
    path = np.empty(len(probs), np.int64)
    path[-1] = best.argmax()
    for word in range(len(probs) - 1, 0, -1):
        path[word - 1] = came_from[word, path[word]]
    return path
