"""Masked words: which words of a sentence a model must guess, and what it sees in their place.

A masked word is replaced BEFORE features are made: whatever a featurizer derives from a word (its id, its spelling, the
bigrams that it is part of) is then derived from the replacement, and nothing of the word itself is left to read.
Source: Devlin et al., NAACL 2019 (shares); Cui et al. 2019 (whole words); Joshi et al., TACL 2020 (spans).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from ner_distill.data.lexicon.lexicon import Matcher

Kind = Literal["word", "span"]
Actions = npt.NDArray[np.int8]
Units = Sequence[tuple[int, int]]

LEFT, HIDDEN, RANDOM, KEPT = range(4)  # not masked; masked and hidden, replaced by a random word, left as it is
HIDDEN_SHARE, RANDOM_SHARE = 0.8, 0.1
LONGEST, STOP = 10, 0.2  # spans: units at most, and the parameter of the geometric distribution of their lengths
MASK = "\u0003"  # stands for a hidden word: a control character, which vocabularies of text do not know


def whole_words(words: Sequence[str], matcher: Matcher | None = None) -> list[tuple[int, int]]:
    """The units that are masked as one, (start, end) half-open: they cover all words in order.

    Without a matcher each word is one. With one, from left to right, the longest match that begins at a place; a place
    at which none begins is a unit of its own.
    """
    longest: dict[int, int] = {}
    for match in matcher.matches(words) if matcher is not None else ():
        longest[match.start] = max(match.end, longest.get(match.start, 0))
    units: list[tuple[int, int]] = []
    place = 0
    while place < len(words):
        end = longest.get(place, place + 1)
        units.append((place, end))
        place = end
    return units


def choose(units: Units, rng: np.random.Generator, *, kind: Kind = "word", share: float = 0.15) -> Actions:
    """What happens to each word of a sentence: LEFT, HIDDEN, RANDOM or KEPT. (words,)

    kind "word": units; "span": stretches of 1 to LONGEST units, their number from a geometric distribution cut there.
    All words of a unit or stretch are treated alike: eight in ten are hidden, one is replaced, one is left.
    On average exactly `share` of the words are masked, also of short sentences: the last stretch, which would go
    beyond, is taken with the chance that keeps the mean.
    """
    if not units:
        return np.zeros(0, dtype=np.int8)
    actions = np.zeros(units[-1][1], dtype=np.int8)
    wanted, masked = share * len(actions), 0
    free = np.ones(len(units), dtype=np.bool_)
    for _ in range(20 + 4 * len(units)):  # places that are taken are drawn again, though not forever
        length = min(_length(rng) if kind == "span" else 1, len(units))
        first = int(rng.integers(len(units) - length + 1))
        if not free[first : first + length].all():
            continue
        start, end = units[first][0], units[first + length - 1][1]
        words = end - start
        beyond = masked + words > wanted
        if beyond and rng.random() * words >= wanted - masked:
            break
        drawn = rng.random()
        actions[start:end] = HIDDEN if drawn < HIDDEN_SHARE else RANDOM if drawn < HIDDEN_SHARE + RANDOM_SHARE else KEPT
        free[first : first + length] = False
        masked += words
        if beyond:
            break
    return actions


def replaced(words: Sequence[str], actions: Actions, forms: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The words as the model sees them: MASK for hidden ones, any of `forms` for random ones."""
    seen = list(words)
    for place in np.flatnonzero(actions == HIDDEN).tolist():
        seen[place] = MASK
    random = np.flatnonzero(actions == RANDOM)
    for place, form in zip(random.tolist(), rng.integers(len(forms), size=len(random)).tolist(), strict=True):
        seen[place] = forms[form]
    return seen


def _length(rng: np.random.Generator) -> int:
    """1 to LONGEST: geometric, drawn again where it is longer, as by the inverse of the cut distribution."""
    inside = 1 - (1 - STOP) ** LONGEST
    return int(np.log1p(-rng.random() * inside) // np.log1p(-STOP)) + 1
