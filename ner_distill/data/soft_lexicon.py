"""What a lexicon says of each word, as features: soft-lexicon, softword and ex-softword."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ner_distill.data.lexicon import Match, Matcher
from ner_distill.data.vocab import Vocab, read_vocabs, write_vocabs
from ner_distill.errors import RunError

SETS = ("B", "M", "E", "S")
"""Where a word stands in a lexicon word that covers it: at its begin, in its middle, at its end, alone."""
NONE = 0
"""The entry id of an empty set. Entries are a flat list without padding, so that 0 is free."""
_OUTSIDE = len(SETS)  # the mark O of softword: no lexicon word covers this one

SoftwordKind = Literal["softword", "ex-softword"]
Ids = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]


def count_matches(matcher: Matcher, sentences: Iterable[Sequence[str]]) -> Counter[str]:
    """How often each lexicon word stands in the sentences, 0 for one that only stands inside others.

    An occurrence that lies within a longer match is not counted: otherwise no word could be more frequent
    than its parts (Ma et al. 2020). We decide that by place; the authors' code by spelling, in the whole
    sentence. Words with count 0 are in the result, so that a vocabulary can be made of everything
    that matched: `Vocab.of_counts(counts, min_count=0)`.
    """
    counts = Counter[str]()
    for words in sentences:
        end = 0
        # Of two that begin at one place the longer comes first: then a match is covered exactly when
        # something before it reaches as far.
        for match in sorted(matcher.matches(words), key=lambda one: (one.start, -one.end)):
            counts[match.form] += match.end > end
            end = max(end, match.end)
    return counts


def longest_from_left(matches: Iterable[Match]) -> list[Match]:
    """One segmentation: from the left, at each place the longest match, what overlaps it left out."""
    chosen: list[Match] = []
    end = 0
    for match in sorted(matches, key=lambda one: (one.start, -one.end)):
        if match.start >= end:
            chosen.append(match)
            end = match.end
    return chosen


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


class SoftLexicon:
    """For each word the lexicon words that it stands in, in the four sets B, M, E and S, weighted by frequency.

    The weight of entry w of a word is 4 · z(w) / Z, Z the sum of z over the word's four sets. z is the
    frequency, at least 1 (a word that was never counted is no reason to forget that it matched). An empty
    set holds the NONE word with z = 1, which counts in Z, as in the authors' code: beside frequent matches
    it says little, and where nothing matches it is all there is.
    vocab: the lexicon words that have a vector of their own; the others share the unknown word's.
    Source: Ma et al., ACL 2020, "Simplify the Usage of Lexicon in Chinese NER".
    """

    name = "soft_lexicon"
    file = "soft_lexicon.json"

    def __init__(self, matcher: Matcher, vocab: Vocab, frequencies: Mapping[str, int]) -> None:
        self.matcher = matcher
        self.vocab = vocab
        self.frequencies = frequencies

    @classmethod
    def counted(
        cls, matcher: Matcher, sentences: Iterable[Sequence[str]], raw: Iterable[Sequence[str]] = (), *,
        limit: int | None = None,
    ) -> SoftLexicon:
        """Vocabulary: what matches in `sentences`, the most frequent `limit`. Frequencies: there and in `raw`."""
        counts = count_matches(matcher, sentences)
        vocab = Vocab.of_counts(counts, min_count=0, limit=limit)
        return cls(matcher, vocab, counts + count_matches(matcher, raw))  # `+` leaves out the zeros

    def features(self, words: Sequence[str]) -> SoftLexiconFeatures:
        """One sentence of words."""
        matches = self.matcher.matches(words)
        of_match, slots = _slots_of(matches)
        ids = np.array([self.vocab.id(match.form) for match in matches], dtype=np.int64)
        counts = np.array([max(1, self.frequencies.get(match.form, 0)) for match in matches], dtype=np.float64)
        empty = np.setdiff1d(np.arange(len(words) * len(SETS)), slots)
        ids = np.concatenate([ids[of_match], np.full(len(empty), NONE)])
        counts = np.concatenate([counts[of_match], np.ones(len(empty))])
        slots = np.concatenate([slots, empty])
        totals = np.bincount(slots // len(SETS), weights=counts, minlength=len(words))
        weights = len(SETS) * counts / totals[slots // len(SETS)]
        return SoftLexiconFeatures(
            ids.astype(np.int32), weights.astype(np.float32), slots.astype(np.int32), len(words)
        )

    def collate(self, batch: Sequence[SoftLexiconFeatures], length: int) -> dict[str, Tensor]:
        """Tensors of a batch whose longest sentence has `length` words.

        soft_lexicon_ids (entries,) long, soft_lexicon_weights (entries,) float, soft_lexicon_slots
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
        """Write vocabulary and frequencies into a run; the matcher is saved by who made it."""
        frequencies = Vocab(self.frequencies.keys(), self.frequencies.values())
        write_vocabs(directory / self.file, {"words": self.vocab, "frequencies": frequencies})

    @classmethod
    def load(cls, directory: Path, matcher: Matcher) -> SoftLexicon:
        """Read what `save` wrote. Raises RunError naming the file."""
        vocabs = read_vocabs(directory / cls.file)
        if missing := {"words", "frequencies"} - vocabs.keys():
            raise RunError(
                f"{directory / cls.file}: expected 'words' and 'frequencies', found no {' and no '.join(missing)}; "
                "the run is damaged"
            )
        frequencies = vocabs["frequencies"]
        return cls(matcher, vocabs["words"], dict(zip(frequencies.forms, frequencies.counts, strict=True)))


class Softword:
    """For each word its place in lexicon words, as marks B, M, E, S and O (no lexicon word covers it).

    softword:    one mark a word, of one segmentation: a segmenter's, or of a lexicon the longest match
                 from the left.
    ex-softword: the marks of all matches.
    Source: Ma et al. 2020, who compare them with soft-lexicon.
    """

    name = "softword"
    marks = len(SETS) + 1

    def __init__(self, kind: SoftwordKind, matcher: Matcher) -> None:
        self.kind = kind
        self.matcher = matcher

    def features(self, words: Sequence[str]) -> Marks:
        """One sentence of words: (words, 5) bool."""
        matches = self.matcher.matches(words)
        _, slots = _slots_of(matches if self.kind == "ex-softword" else longest_from_left(matches))
        marks = np.zeros((len(words), self.marks), dtype=np.bool_)
        marks[slots // len(SETS), slots % len(SETS)] = True
        marks[:, _OUTSIDE] = ~marks.any(axis=1)
        return marks

    def collate(self, batch: Sequence[Marks], length: int) -> dict[str, Tensor]:
        """softword_marks (batch, words, 5) float, 0 or 1, all 0 at padding."""
        return {"softword_marks": pad_marks(batch, length, self.marks)}

    def save(self, directory: Path) -> None:
        """Nothing: the matcher is all that it knows, and is saved by who made it."""

    @classmethod
    def load(cls, directory: Path, kind: SoftwordKind, matcher: Matcher) -> Softword:
        """As the constructor; nothing of it is in the run."""
        return cls(kind, matcher)


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
