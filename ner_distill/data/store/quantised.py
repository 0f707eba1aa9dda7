"""Probabilities in few bytes: the best tag of each word, and the other tags that are not impossible, in 8 bits each.

Of most words a teacher is sure: one tag, and nothing else. What is stored of another tag is the logarithm of its
probability, rounded down; the best tag has what is left to 1, so that it stays the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

OCTAVES = 10
FLOOR = 2.0 ** -(OCTAVES + 1)
"""Tags other than the best that are less probable are stored as impossible: below 0.0005."""
STEP = 2.0 ** (OCTAVES / 255)
"""What lies between neighbouring codes, as a factor: 1.0276. A stored probability p' has p / STEP ≤ p' ≤ p."""
LEVELS = 255
"""Levels of similarities and of the scores of spans, 0 and 1 among them: they are stored to 1 / 510."""

_CODED = 0.5 * 2.0 ** (-np.arange(256) * (OCTAVES / 255))
_AT_ONCE = 2**20  # probabilities: with hundreds of types a shard in float64 would be gigabytes
_ROUNDING = 1e-9  # a probability that is exactly one of those coded stays it


@dataclass(frozen=True, eq=False)
class Quantised:
    """Probabilities of tags, quantised.

    best:  (words,) uint16, the most probable tag of each word; of equals the first.
    count: (words,) uint16, how many other tags of it are stored.
    tags:  (others,) uint16, those tags, word by word, ascending.
    codes: (others,) uint8: the probability is 2^-(1 + OCTAVES · code / 255).
    """

    best: npt.NDArray[np.uint16]
    count: npt.NDArray[np.uint16]
    tags: npt.NDArray[np.uint16]
    codes: npt.NDArray[np.uint8]


def quantise(probs: npt.NDArray[np.float16]) -> Quantised:
    """Probabilities (words, tags), each word's with a sum of about 1, by which they are divided.

    Of the probabilities p of a word, p' come back (`restored`): other tags than the best with 0 where p < FLOOR, else
    p / STEP ≤ p' ≤ p; the best with 1 − Σ p', so that p ≤ p' ≤ p + (1 − 1 / STEP)(1 − p) + FLOOR · (tags − 1).
    """
    rows = max(1, _AT_ONCE // max(probs.shape[1], 1))
    parts = [_quantised(probs[start : start + rows]) for start in range(0, max(len(probs), 1), rows)]
    return Quantised(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _quantised(probs: npt.NDArray[np.float16]) -> tuple[npt.NDArray[Any], ...]:
    """The fields of `Quantised`, of some words."""
    wide = probs.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    best = wide.argmax(axis=1)
    wide[np.arange(len(wide)), best] = 0
    word, tag = np.nonzero(wide >= FLOOR)
    codes = np.ceil(-np.log2(2 * wide[word, tag]) * (255 / OCTAVES) - _ROUNDING)
    count = np.bincount(word, minlength=len(wide))
    return best.astype(np.uint16), count.astype(np.uint16), tag.astype(np.uint16), codes.clip(0, 255).astype(np.uint8)


def restored(stored: Quantised, tags: int) -> npt.NDArray[np.float16]:
    """(words, tags) float16 probabilities; the best tag of each word is the first of its most probable ones.

    Raises ValueError where the parts do not fit each other, or a tag cannot be.
    """
    words = len(stored.best)
    if (
        len(stored.count) != words
        or int(stored.count.sum()) != len(stored.tags)
        or len(stored.tags) != len(stored.codes)
    ):
        raise ValueError("the lengths of 'best', 'count', 'tags' and 'codes' do not fit each other")
    if (stored.best >= tags).any() or (stored.tags >= tags).any():
        raise ValueError(f"a tag is not one of {tags}")
    word = np.repeat(np.arange(words), stored.count)
    others = np.zeros((words, tags))
    others[word, stored.tags] = _CODED[stored.codes]
    every, best = np.arange(words), stored.best.astype(np.int64)
    if np.count_nonzero(others) != len(stored.tags) or others[every, best].any():
        raise ValueError("a tag of a word is there twice")
    rest = 1 - others.sum(axis=1)
    others[every, best] = rest
    if (rest < others.max(axis=1, initial=0) - _ROUNDING).any():
        raise ValueError("the best tag of a word is not the most probable")
    probs: npt.NDArray[np.float16] = others.astype(np.float16)
    # rounded to float16 two may be equal that were not: the earlier of them gets the next smaller number
    for row in np.flatnonzero(probs.argmax(axis=1) != best):
        tied = np.flatnonzero(probs[row, : best[row]] == probs[row, best[row]])
        probs[row, tied] = np.nextafter(probs[row, tied], np.float16(0))
    return probs


def quantise_share(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Numbers from 0 to 1 → codes of 8 bits; what is not above 0.5 stays so (`share_of`)."""
    codes: npt.NDArray[np.uint8] = np.ceil(values.astype(np.float64) * LEVELS - 0.5).clip(0, LEVELS).astype(np.uint8)
    return codes


def share_of(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
    """The numbers that codes of `quantise_share` stand for, each at most 1 / 510 (and what float16 rounds) away."""
    return (codes / LEVELS).astype(np.float16)
