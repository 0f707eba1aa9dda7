"""What a lexicon says of each word, as features: soft-lexicon, softword and ex-softword."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ner_distill.data.features.base import Source
from ner_distill.data.features.vocab import Vocab, read_vocabs, write_vocabs
from ner_distill.data.lexicon.lexicon import Match, Matcher, longest_from_left

SETS = ("B", "M", "E", "S")
"""Where a word stands in a lexicon word that covers it: at its begin, in its middle, at its end, alone."""
NONE = 0
"""The entry id of an empty set. Entries are a flat list without padding, so that 0 is free."""
_OUTSIDE = len(SETS)  # the mark O of softword: no lexicon word covers this one

SoftwordKind = Literal["softword", "ex-softword"]
Ids = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]
Frequency = Callable[[str], int]


@runtime_checkable
class Segmenting(Protocol):
    """A matcher that has one segmentation of every sentence, of which its matches are only some."""

    def segmentation(self, words: Sequence[str]) -> list[Match]:
        """All words of the sentence, those of one character too; no two overlap."""


def count_matches(matcher: Matcher, sentences: Iterable[Sequence[str]]) -> tuple[Counter[str], Counter[str]]:
    """How often each lexicon word matches in the sentences, and how often it stands there by itself.

    An occurrence that lies within a longer match is a match, but is not one of the second: otherwise no word
    could be more frequent than its parts (Ma et al. 2020). We decide that by place; the authors' code by
    spelling, in the whole sentence.
    """
    matched, alone = Counter[str](), Counter[str]()
    for words in sentences:
        end = 0
        # Of two that begin at one place the longer comes first: a match is covered where one before reaches as far.
        for match in sorted(matcher.matches(words), key=lambda match: (match.start, -match.end)):
            matched[match.form] += 1
            if match.end > end:
                alone[match.form] += 1
                end = match.end
    return matched, alone


@dataclass(frozen=True, slots=True)
class SoftLexiconFeatures:
    """One sentence. Three arrays of one length: an entry is a lexicon word (or NONE) in a set of a word.

    ids:     of the vocabulary, NONE for an empty set.
    weights: 4 · z / Z; those of a word's four sets add up to 4.
    slots:   word · 4 + set.
    words:   of the sentence.
    """

    ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    slots: npt.NDArray[np.int32]
    words: int


class SoftLexicon(Source[SoftLexiconFeatures]):
    """For each word the lexicon words that it stands in, in the four sets B, M, E and S, weighted by frequency.

    The weight of entry w of a word is 4 · z(w) / Z, Z the sum of z over the word's four sets. z(w) is the
    frequency of w in all text that was ever counted: what the lexicon's own file says, plus what stands in our
    text; at least 1 (a word that was never counted is no reason to forget that it matched). An empty
    set holds the NONE word with z = 1, which counts in Z, as in the authors' code: beside frequent matches
    it says little, and where nothing matches it is all there is.
    vocab:       the lexicon words that have a vector of their own; the others share the unknown word's, but
                 weigh what they weigh.
    frequencies: of lexicon words in our text.
    given:       the frequency of any lexicon word in the lexicon's file, 0 where it says none; also asked
                 about words that are met for the first time after training. Usually `Lexicon.frequency`.
    Source: Ma et al., ACL 2020, "Simplify the Usage of Lexicon in Chinese NER".
    """

    name = "soft_lexicon"
    file = "soft_lexicon.json"

    def __init__(
        self, matcher: Matcher, vocab: Vocab, frequencies: Mapping[str, int], given: Frequency | None = None
    ) -> None:
        self.matcher = matcher
        self.vocab = vocab
        self.frequencies = frequencies
        self.given = given

    @classmethod
    def counted(
        cls,
        matcher: Matcher,
        sentences: Iterable[Sequence[str]],
        raw: Iterable[Sequence[str]] = (),
        *,
        min_count: int = 1,
        given: Frequency | None = None,
    ) -> SoftLexicon:
        """Vocabulary: what matches `min_count` times or more in `sentences`, also inside of longer matches.

        Frequencies: in `sentences` and `raw`, without those inside of longer matches.
        """
        matched, alone = count_matches(matcher, sentences)
        vocab = Vocab.of_counts(matched, min_count=min_count)
        return cls(matcher, vocab, alone + count_matches(matcher, raw)[1], given)

    def weight(self, form: str) -> int:
        """How much a form counts: how often it was seen, at least 1."""
        return max(1, self.frequencies.get(form, 0) + (self.given(form) if self.given is not None else 0))

    def features(self, words: Sequence[str]) -> SoftLexiconFeatures:
        matches = self.matcher.matches(words)
        of_match, slots = _slots_of(matches)
        ids = np.array([self.vocab.id(match.form) for match in matches], dtype=np.int64)
        counts = np.array([self.weight(match.form) for match in matches], dtype=np.float64)
        empty = np.setdiff1d(np.arange(len(words) * len(SETS)), slots)
        ids = np.concatenate([ids[of_match], np.full(len(empty), NONE)])
        counts = np.concatenate([counts[of_match], np.ones(len(empty))])
        slots = np.concatenate([slots, empty])
        totals = np.bincount(slots // len(SETS), weights=counts, minlength=len(words))
        weights = len(SETS) * counts / totals[slots // len(SETS)]
        return SoftLexiconFeatures(ids.astype(np.int32), weights.astype(np.float32), slots.astype(np.int32), len(words))

    def cut(self, features: SoftLexiconFeatures, start: int, end: int) -> SoftLexiconFeatures:
        first, last = start * len(SETS), end * len(SETS)
        inside = (features.slots >= first) & (features.slots < last)
        return SoftLexiconFeatures(
            features.ids[inside], features.weights[inside], features.slots[inside] - first, end - start
        )

    def collate(self, batch: Sequence[SoftLexiconFeatures], length: int) -> dict[str, Tensor]:
        """soft_lexicon_ids (entries,) long, soft_lexicon_weights (entries,) float, soft_lexicon_slots
        (entries,) long: the flat index into batch · length · 4. Padding has no entries.
        """
        step = length * len(SETS)
        slots = [features.slots.astype(np.int64) + row * step for row, features in enumerate(batch)]
        ids = [features.ids.astype(np.int64) for features in batch]
        weights = [features.weights for features in batch]
        return {
            "soft_lexicon_ids": torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *ids])),
            "soft_lexicon_weights": torch.from_numpy(np.concatenate([np.zeros(0, np.float32), *weights])),
            "soft_lexicon_slots": torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *slots])),
        }

    def save(self, directory: Path) -> None:
        """Write vocabulary and our text's frequencies into a run; matcher and lexicon are saved by who made them."""
        frequencies = Vocab(self.frequencies.keys(), self.frequencies.values())
        write_vocabs(directory / self.file, {"words": self.vocab, "frequencies": frequencies})

    @classmethod
    def load(cls, directory: Path, matcher: Matcher, given: Frequency | None = None) -> SoftLexicon:
        """Read what `save` wrote. `given` must say what it said in training. Raises RunError naming the file."""
        vocabs = read_vocabs(directory / cls.file, "words", "frequencies")
        frequencies = vocabs["frequencies"]
        return cls(matcher, vocabs["words"], dict(zip(frequencies.forms, frequencies.counts, strict=True)), given)


class Softword(Source[Marks]):
    """For each word its place in lexicon words, as marks B, M, E, S and O (no lexicon word covers it).

    softword:    one mark a word, of one segmentation: that of a matcher which has one (`Segmenting`: then only
                 words that a cut goes through are outside), else the longest match from the left.
    ex-softword: the marks of all matches.
    Source: Ma et al. 2020, who compare them with soft-lexicon.
    """

    name = "softword"
    marks = len(SETS) + 1

    def __init__(self, kind: SoftwordKind, matcher: Matcher) -> None:
        self.kind = kind
        self.matcher = matcher

    def features(self, words: Sequence[str]) -> Marks:
        """(words, 5) bool."""
        if self.kind == "ex-softword":
            matches = self.matcher.matches(words)
        elif isinstance(self.matcher, Segmenting):
            matches = self.matcher.segmentation(words)
        else:
            matches = longest_from_left(self.matcher.matches(words))
        _, slots = _slots_of(matches)
        marks = np.zeros((len(words), self.marks), dtype=np.bool_)
        marks[slots // len(SETS), slots % len(SETS)] = True
        marks[:, _OUTSIDE] = ~marks.any(axis=1)
        return marks

    def cut(self, features: Marks, start: int, end: int) -> Marks:
        return features[start:end]

    def collate(self, batch: Sequence[Marks], length: int) -> dict[str, Tensor]:
        """softword_marks (batch, words, 5) float, 0 or 1, all 0 at padding."""
        return {"softword_marks": pad_marks(batch, length, self.marks)}


def pad_marks(batch: Sequence[Marks], length: int, marks: int) -> Tensor:
    """Marks of sentences, each (words, marks) → (batch, length, marks) float, 0 at padding."""
    padded = np.zeros((len(batch), length, marks), dtype=np.float32)
    for row, sentence in enumerate(batch):
        padded[row, : len(sentence)] = sentence
    return torch.from_numpy(padded)


def _slots_of(matches: Sequence[Match]) -> tuple[Ids, Ids]:
    """Each word of each match once: which match it is of, and word · 4 + set."""
    starts = np.array([match.start for match in matches], dtype=np.int64)
    lengths = np.array([match.end for match in matches], dtype=np.int64) - starts
    of_match = np.repeat(np.arange(len(matches)), lengths)
    place = np.arange(len(of_match)) - (np.cumsum(lengths) - lengths)[of_match]
    begin, middle, end, single = range(len(SETS))
    inside = np.where(place == 0, begin, np.where(place == lengths[of_match] - 1, end, middle))
    sets = np.where(lengths[of_match] == 1, single, inside)
    return of_match, (starts[of_match] + place) * len(SETS) + sets
