"""What share of all words a type has, where only some of its words are labelled: the class prior of PU learning.

After TIcE (Bekker and Davis, AAAI 2018, "Estimating the Class Prior in Positive and Unlabeled Data Through Decision
Tree Induction"): if a share c of the positives is labelled wherever they stand, then nowhere is a greater share of
words labelled, and about c where all words are positive. So c is the greatest labelled share of any kind of place, and
π = (labelled share of all words) / c. Dictionaries label by form, not by context; so in each context (place) the
distinct forms are counted. A place is described by the words and spellings around it, never by the word itself.
Words that somebody said to be of no entity are no positives, and their forms are not counted.
A place of few forms may be all labelled by chance; so c is the lower end of Hoeffding's interval.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from ner_distill.data.sentence import Sentence, whole_entities

DELTA = 0.01
"""Chance that the true share of a place is below its lower bound."""
UNKNOWN = 0.5
"""c where no place has forms enough to say anything: that half of the words are labelled."""
EDGE = "<>"  # beyond the sentence
Place = tuple[str, ...]


def labelled_shares(sentences: Sequence[Sentence]) -> dict[str, float]:
    """Of each type, by name: the share of all words that are labelled with it.

    Of words that count in a loss, each with the weight of its sentence: what the loss sums.
    """
    counts: defaultdict[str, float] = defaultdict(float)
    total = 0.0
    for sentence in sentences:
        kept, _ = whole_entities(sentence.spans or (), sentence.counted)
        total += sentence.weight * sum(kept)
        for label, counted in zip(_labels(sentence), kept, strict=True):
            if label and counted:
                counts[label] += sentence.weight
    return {label: counts[label] / total for label in sorted(counts)}


def negative_share(sentences: Sequence[Sentence]) -> float:
    """The share of all words that are surely of no entity, counted as in `labelled_shares`; 0 without words."""
    sure = total = 0.0
    for sentence in sentences:
        kept, _ = whole_entities(sentence.spans or (), sentence.counted)
        total += sentence.weight * sum(kept)
        sure += sentence.weight * sum(map(min, kept, sentence.sure_negatives))
    return sure / total if total else 0.0


def estimate_priors(sentences: Sequence[Sentence]) -> dict[str, float]:
    """Of each type, by name: the estimated share of all words that are of it, labelled or not; at most ½.

    Never below the share that is labelled. On CoNLL-2003 with labels of dictionaries (a fifth to a half of the words)
    the estimates are half to one time the truth; a prior that is known is better.
    """
    forms: defaultdict[Place, set[str]] = defaultdict(set)
    labelled: defaultdict[str, defaultdict[Place, set[str]]] = defaultdict(lambda: defaultdict(set))
    for sentence in sentences:
        said = zip(sentence.words, _labels(sentence), _places(sentence.words), sentence.sure_negatives, strict=True)
        for form, label, places, sure in said:
            for place in places if not sure else ():
                forms[place].add(form)
                if label:
                    labelled[label][place].add(form)
    priors = {}
    for label, share in labelled_shares(sentences).items():
        coverage = 0.0
        for place, found in labelled[label].items():
            count = len(forms[place])
            coverage = max(coverage, len(found) / count - math.sqrt(-math.log(DELTA) / (2 * count)))
        priors[label] = min(share / (coverage or UNKNOWN), max(0.5, share))
    return priors


def _labels(sentence: Sentence) -> list[str]:
    """The type of each word, "" where none; of entities that overlap the later."""
    labels = [""] * len(sentence.words)
    for span in sentence.spans or ():
        labels[span.start : span.end] = [span.label] * (span.end - span.start)
    return labels


def _places(words: Sequence[str]) -> Iterator[tuple[Place, ...]]:
    """For each word the kinds of place in which it stands: its neighbours, alone and in pairs, and their spelling."""
    lower = [EDGE, EDGE, *(word.lower() for word in words), EDGE, EDGE]
    spelt = [EDGE, EDGE, *map(_spelling, words), EDGE, EDGE]
    for index in range(2, len(words) + 2):
        own, (second, first, _, after, later) = spelt[index], lower[index - 2 : index + 3]
        yield (
            ("before", own, first),
            ("after", own, after),
            ("around", own, first, after),
            ("two before", own, second, first),
            ("two after", own, after, later),
            ("spelling", *spelt[index - 2 : index + 3]),
        )


def _spelling(word: str) -> str:
    """Capital letters, a capital first one, small ones, digits; a mark is itself."""
    if any(char.isdigit() for char in word):
        return "0"
    if not any(char.isalpha() for char in word):
        return word
    if word.isupper() and len(word) > 1:
        return "AA"
    return "Aa" if word[0].isupper() else "a"
