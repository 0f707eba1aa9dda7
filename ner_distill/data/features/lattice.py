"""The lattice of a sentence as ids: the lexicon words found in it, by width, each with the place of its head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ner_distill.data.features.base import Source
from ner_distill.data.features.vocab import PADDING, Vocab, read_vocabs, write_vocabs
from ner_distill.data.features.windows import cut_windows, index_windows
from ner_distill.data.lexicon.lexicon import Matcher

FILE = "lattice.json"
TOO_WIDE = "lexicon words in no window"
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LatticeFeatures:
    """One sentence of `length` words: heads, tails (inclusive) and vocabulary ids of its matches, (matches,) each."""

    length: int
    heads: Ids
    tails: Ids
    ids: Ids


class LatticeSource(Source[LatticeFeatures]):
    """Words → the lattice that FLAT reads.

    A match of one word (a character in Chinese) is no lattice word: the word itself stands there already.
    In a sentence that is read in windows, a match belongs to every window that holds it whole; as windows overlap by
    half, only a match longer than that can be in none; `counts` says how many were.
    """

    def __init__(self, matcher: Matcher, vocab: Vocab, *, max_words: int = 512) -> None:
        self.matcher, self.vocab, self.max_words = matcher, vocab, max_words
        self._counts = {TOO_WIDE: 0}

    @classmethod
    def counted(
        cls,
        matcher: Matcher,
        sentences: Iterable[Sequence[str]],
        *,
        min_count: int = 1,
        max_words: int = 512,
    ) -> LatticeSource:
        """The forms matched in these sentences `min_count` times or more have vectors."""
        counts = Counter(
            match.form for words in sentences for match in matcher.matches(words) if match.end - match.start > 1
        )
        return cls(matcher, Vocab.of_counts(counts, min_count=min_count), max_words=max_words)

    @property
    def counts(self) -> dict[str, int]:
        return self._counts

    def features(self, words: Sequence[str]) -> LatticeFeatures:
        found = [match for match in self.matcher.matches(words) if match.end - match.start > 1]
        count = len(found)
        if len(words) > self.max_words:
            windows = cut_windows(len(words), self.max_words)
            self._counts[TOO_WIDE] += sum(
                not any(window.start <= match.start and match.end <= window.end for window in windows)
                for match in found
                if match.end - match.start > self.max_words // 2
            )
        return LatticeFeatures(
            len(words),
            np.fromiter((match.start for match in found), np.int64, count),
            np.fromiter((match.end - 1 for match in found), np.int64, count),
            np.fromiter((self.vocab.id(match.form) for match in found), np.int64, count),
        )

    def cut(self, features: LatticeFeatures, start: int, end: int) -> LatticeFeatures:
        """The matches that lie whole between these words, counted from `start`."""
        whole = (features.heads >= start) & (features.tails < end)
        return LatticeFeatures(
            end - start, features.heads[whole] - start, features.tails[whole] - start, features.ids[whole]
        )

    def collate(self, batch: Sequence[LatticeFeatures], length: int) -> dict[str, Tensor]:
        """`lattice_W` (rows, 2, words) long for each width W = tail - head: ids (0 = padding) and heads.

        rows: the sentences of the batch, or where one is longer than `max_words` its windows, as `index_windows` cuts
        them; the tensors that it gives are here too. Widths in the keys and shapes let the layers work
        without asking the device for anything.
        """
        if length <= self.max_words:
            return self._by_width(batch)
        inputs = index_windows([features.length for features in batch], length, self.max_words)
        rows = [
            self.cut(features, window.start, window.end)
            for features in batch
            for window in cut_windows(features.length, self.max_words)
        ]
        return inputs | self._by_width(rows)

    def _by_width(self, rows: Sequence[LatticeFeatures]) -> dict[str, Tensor]:
        heads = np.concatenate([row.heads for row in rows])
        widths = np.concatenate([row.tails for row in rows]) - heads
        ids = np.concatenate([row.ids for row in rows])
        numbers = np.repeat(np.arange(len(rows)), [len(row.ids) for row in rows])
        inputs = {}
        for width in np.unique(widths).tolist():
            chosen = widths == width
            places = numbers[chosen]
            each = np.bincount(places, minlength=len(rows))
            before = np.concatenate([[0], np.cumsum(each)[:-1]])
            columns = np.arange(len(places)) - before[places]
            values = np.full((len(rows), 2, each.max()), PADDING, dtype=np.int64)
            values[places, 0, columns] = ids[chosen]
            values[places, 1, columns] = heads[chosen]
            inputs[f"lattice_{width}"] = torch.from_numpy(values)
        return inputs

    def save(self, directory: Path) -> None:
        write_vocabs(directory / FILE, {"lattice": self.vocab})

    @classmethod
    def load(cls, directory: Path, matcher: Matcher, *, max_words: int = 512) -> LatticeSource:
        """Read what `save` wrote. Raises RunError naming the file."""
        return cls(matcher, read_vocabs(directory / FILE, "lattice")["lattice"], max_words=max_words)
