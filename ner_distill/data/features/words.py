"""The input of the scratch encoder: ids of words, of their characters, and of character bigrams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ner_distill.data.batching import pad_rows
from ner_distill.data.features.base import Featurizer
from ner_distill.data.features.vocab import PADDING, Vocab, read_vocabs, write_vocabs
from ner_distill.data.features.windows import Window, cut_windows, index_windows
from ner_distill.data.sentence import Unit
from ner_distill.tagger import EDGE, normal, shortened

FILE = "vocabulary.json"
FORMS_KEPT = 40_000

__all__ = ["EDGE", "FORMS_KEPT", "WordFeatures", "WordFeaturizer", "normal"]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WordFeatures:
    """One sentence. `forms` only where characters are features; `bigrams` (2, words) only for Chinese."""

    words: Ids
    bigrams: Ids | None
    forms: tuple[str, ...]


class WordFeaturizer(Featurizer[WordFeatures]):
    """Words → ids of the scratch encoder.

    units "word" and "blank": word ids (lower-cased: the spelling's case is the character CNN's to see) and, for every
    distinct form of a batch once, its characters. unit "character": character ids and the bigrams of
    character i with i + 1 and with i - 1.
    """

    def __init__(self, unit: Unit, vocabs: dict[str, Vocab], *, max_words: int = 512) -> None:
        self.unit = unit
        self.vocabs = vocabs
        self.max_words = max_words
        remembering = lru_cache(FORMS_KEPT)
        self._word_id, self._pair_id = remembering(self._word), remembering(self._pair)
        self._spelling_of = remembering(self._spelling)

    @classmethod
    def counted(
        cls,
        sentences: Iterable[Sequence[str]],
        unit: Unit,
        *,
        min_count: int = 2,
        max_forms: int | None = None,
        max_words: int = 512,
        bigrams: bool = True,
    ) -> WordFeaturizer:
        """Vocabularies of these sentences, read once; `max_forms` caps words and bigrams (a small model's size)."""
        words, chars, pairs = Counter[str](), Counter[str](), Counter[str]()
        for sentence in sentences:
            words.update(map(normal, sentence))
            if unit != "character":
                chars.update("".join(sentence))
                chars[EDGE] += 2 * len(sentence)
            elif bigrams:
                padded = [EDGE, *map(normal, sentence), EDGE]
                pairs.update(first + second for first, second in pairwise(padded))
        vocabs = {"words": Vocab.of_counts(words, min_count=min_count, limit=max_forms)}
        if chars:
            vocabs["chars"] = Vocab.of_counts(chars, min_count=3)
        if pairs:
            vocabs["bigrams"] = Vocab.of_counts(pairs, min_count=min_count, limit=max_forms)
        return cls(unit, vocabs, max_words=max_words)

    def features(self, words: Sequence[str]) -> WordFeatures:
        ids = np.fromiter(map(self._word_id, words), np.int64, len(words))
        bigrams = None
        if "bigrams" in self.vocabs:
            pairs = np.fromiter(map(self._pair_id, pairwise((EDGE, *words, EDGE))), np.int64, len(words) + 1)
            bigrams = np.stack([pairs[1:], pairs[:-1]])  # with the next word and with the one before
        return WordFeatures(ids, bigrams, tuple(words) if "chars" in self.vocabs else ())

    def _word(self, word: str) -> int:
        return self.vocabs["words"].id(normal(word))

    def _pair(self, pair: tuple[str, str]) -> int:
        return self.vocabs["bigrams"].id(normal(pair[0]) + normal(pair[1]))

    def cut(self, features: WordFeatures, start: int, end: int) -> WordFeatures:
        bigrams = None if features.bigrams is None else features.bigrams[:, start:end]
        return WordFeatures(features.words[start:end], bigrams, features.forms[start:end])

    def windows(self, features: WordFeatures, *, reserved: int = 0) -> Sequence[Window]:
        length, limit = len(features.words), max(self.max_words - reserved, self.max_words // 2)
        return cut_windows(length, limit) if length > limit else [Window(0, length, 0, length)]

    def in_windows(self, features: WordFeatures) -> bool:
        return len(features.words) > self.max_words

    def size(self, features: WordFeatures) -> int:
        length = len(features.words)
        return len(cut_windows(length, self.max_words)) * self.max_words if self.in_windows(features) else length

    def collate(self, batch: Sequence[WordFeatures]) -> dict[str, Tensor]:
        """Tensors of a batch.

        words (batch, words) long; mask (batch, words) bool; bigrams (batch, 2, words) long;
        spellings (forms, chars) long and forms (batch, words) long, the row of each word's spelling;
        for sentences beyond `max_words` also what `index_windows` gives.
        """
        lengths = [len(features.words) for features in batch]
        length = max(lengths, default=0)
        inputs = {
            "words": pad_rows([features.words for features in batch], length),
            "mask": torch.arange(length) < torch.tensor(lengths, dtype=torch.long)[:, None],
        }
        if "bigrams" in self.vocabs:
            bigrams = np.full((len(batch), 2, length), PADDING, dtype=np.int64)
            for row, features in enumerate(batch):
                if features.bigrams is not None:
                    bigrams[row, :, : len(features.words)] = features.bigrams
            inputs["bigrams"] = torch.from_numpy(bigrams)
        if "chars" in self.vocabs:
            inputs |= self._spell(batch, length)
        if length > self.max_words:
            inputs |= index_windows(lengths, length, self.max_words)
        return inputs

    def _spell(self, batch: Sequence[WordFeatures], length: int) -> dict[str, Tensor]:
        rows: dict[str, int] = {EDGE: 0}
        forms = [[rows.setdefault(form, len(rows)) for form in features.forms] for features in batch]
        spelled = [self._spelling_of(form) for form in rows]
        return {"spellings": pad_rows(spelled, max(map(len, spelled))), "forms": pad_rows(forms, length)}

    def _spelling(self, form: str) -> list[int]:
        """Characters between edges."""
        return [self.vocabs["chars"].id(char) for char in (EDGE, *shortened(form), EDGE)]

    def save(self, directory: Path) -> None:
        write_vocabs(directory / FILE, self.vocabs)

    @classmethod
    def load(cls, directory: Path, unit: Unit, *, max_words: int = 512) -> WordFeaturizer:
        """Read what `save` wrote; the limit is the caller's. Raises RunError naming the file."""
        return cls(unit, read_vocabs(directory / FILE, "words"), max_words=max_words)
