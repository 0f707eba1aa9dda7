"""Which sentences of raw text a person should label first: those with most doubt about words that are new.

Doubt about a word is the entropy of the teacher's probabilities (token entropy; Settles & Craven 2008), and what a
sentence is worth is the sum over its words, so that a sentence with many doubtful words comes before one with a single
one (their total token entropy). Two things keep the queue from asking the same over and over:

- A word form that was asked about already counts less, each time by `REPEATED`. So the worth of a set of sentences has
  diminishing returns (it is submodular; Lin & Bilmes 2011, Wei et al. 2015), and taking greedily what adds most is near
  the best set: at least 1 - 1/e of it (Nemhauser et al. 1978).
- Where several teachers voted, words on which they did not agree (`keep`) are in full doubt: query by committee.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ner_distill.data.store.columns import SoftRow
from ner_distill.options.labels import Order

REPEATED = 0.5
"""What is left of a doubt about a word form each time that it was asked about before."""


@dataclass(frozen=True)
class Ranked:
    """A sentence in the order in which it should be asked about.

    number: of the sentence, from 0. worth: what it adds to those before it, in words of full doubt (order "doubt": the
    mean doubt of its words).
    """

    number: int
    worth: float


def doubts(row: SoftRow) -> npt.NDArray[np.float64]:
    """(words,): how much a teacher doubts each word, 0 to 1: entropy of its tags over the largest that there can be.

    Words that voting or a threshold dropped (`keep` False) have 1.
    """
    probs = row.probs.astype(np.float64)
    probs /= np.maximum(probs.sum(1, keepdims=True), 1e-12)
    entropy = -(probs * np.log(np.maximum(probs, 1e-12))).sum(1) / np.log(probs.shape[1])
    return np.where(row.keep, np.clip(entropy, 0.0, 1.0), 1.0)


def ranked(rows: Iterable[SoftRow], *, order: Order = "useful", limit: int = 0) -> list[Ranked]:
    """The sentences that a person should label first, best first.

    order: "useful": what adds most, per sentence; "short": what adds most per word to be read; "doubt": the mean doubt
           of the words alone, whatever was asked before.
    limit: at most so many; 0: all. Sentences without a word are left out.
    """
    sentences = _Sentences.of(rows)
    if order == "doubt":
        means = [float(own.mean()) if len(own) else -1.0 for own in sentences.doubts]
        best = sorted((number for number in range(len(means)) if means[number] >= 0), key=lambda one: -means[one])
        return [Ranked(number, means[number]) for number in best[: limit or None]]
    return _greedy(sentences, limit, per_word=order == "short")


@dataclass(frozen=True)
class _Sentences:
    """forms: (words,) int32, a number for each word form; doubts: (words,) float32, of each word."""

    forms: Sequence[npt.NDArray[np.int32]]
    doubts: Sequence[npt.NDArray[np.float32]]
    distinct: int

    @classmethod
    def of(cls, rows: Iterable[SoftRow]) -> _Sentences:
        numbers: dict[str, int] = {}
        forms, doubted = [], []
        for row in rows:
            forms.append(np.array([numbers.setdefault(word, len(numbers)) for word in row.words], np.int32))
            doubted.append(doubts(row).astype(np.float32))
        return cls(forms, doubted, len(numbers))


def _greedy(sentences: _Sentences, limit: int, *, per_word: bool) -> list[Ranked]:
    """Take what adds most, again and again.

    What a sentence adds only falls while others are taken. So its last known worth is a bound, and only the first of
    the heap has to be worked out anew (the lazy greedy of Minoux 1978).
    """
    left = np.ones(sentences.distinct)  # of the doubt about each form
    own = [_within(forms) * doubted for forms, doubted in zip(sentences.forms, sentences.doubts, strict=True)]

    def worth(number: int) -> float:
        forms = sentences.forms[number]
        return float(own[number] @ left[forms]) / (len(forms) if per_word else 1)

    heap = [(-worth(number), number, 0) for number, forms in enumerate(sentences.forms) if len(forms)]
    heapq.heapify(heap)
    taken: list[Ranked] = []
    while heap and (not limit or len(taken) < limit):
        bound, number, known_at = heapq.heappop(heap)
        if known_at < len(taken):
            heapq.heappush(heap, (-worth(number), number, len(taken)))
            continue
        taken.append(Ranked(number, -bound))
        np.multiply.at(left, sentences.forms[number], REPEATED)
    return taken


def _within(forms: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """(words,): what is left of the doubt about each word after the same form earlier in its sentence."""
    seen: dict[int, int] = {}
    before = np.zeros(len(forms))
    for place, form in enumerate(forms.tolist()):
        before[place] = seen.get(form, 0)
        seen[form] = seen.get(form, 0) + 1
    return REPEATED**before
