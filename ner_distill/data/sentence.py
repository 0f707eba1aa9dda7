"""Spans and sentences."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Unit = Literal["word", "character", "blank"]
"""What a word of the data is, and how raw text is cut into such words (`segment`).

"word": a token as CoNLL files have them. "character": each character. "blank": what stands between white space.
"""
UNITS: tuple[Unit, ...] = ("word", "character", "blank")


def unit_named(name: str) -> Unit | None:
    """The unit of this name; None where it is none ("auto")."""
    return next((unit for unit in UNITS if unit == name), None)


def separator(unit: Unit) -> str:
    """What stands between two words of a text: a space, between characters nothing."""
    return "" if unit == "character" else " "


def words_called(unit: Unit) -> str:
    """What the words of a text are called where they are counted: words, or characters."""
    return "characters" if unit == "character" else "words"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """An entity: the words `start` to `end`, half-open, and its type."""

    start: int
    end: int
    label: str

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a span needs 0 <= start < end, found start={self.start}, end={self.end}")

    def to_json(self) -> dict[str, Any]:
        """`{"start_word", "end_word", "label"}`, as our JSON files name an entity by its words."""
        return {"start_word": self.start, "end_word": self.end, "label": self.label}

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


ScoredSpan = tuple[Span, float]
"""A span and how sure a model is of it, 0..1."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of words, with its entities where they are known.

    words:   the units that are labelled; in Chinese text one character each.
    spans:   sorted by start; None where nobody labelled the sentence, () where it has no entity.
    text:    the original text where there was one.
    offsets: for each word its (start, end) in `text`, characters, end exclusive; given exactly when
             `text` is.
    keep:    for each word, does its label count in a loss? None = all do. The encoder reads all words alike.
    weight:  of the whole sentence in the losses of training.
    inside_words: for each entity that begins or ends inside a word, the words that hold it. `spans` has these, to learn
             from; but they are wider than the entity, and scores count that as one that cannot be found.
    negative: for each word, did somebody say that it is surely part of no entity? None = of none. Words of `spans` are
             none of these: where both are said, the entity counts (`sure_negatives`).
    """

    id: str
    words: tuple[str, ...]
    spans: tuple[Span, ...] | None = None
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    lang: str | None = None
    keep: tuple[bool, ...] | None = None
    weight: float = 1.0
    inside_words: tuple[Span, ...] = ()
    negative: tuple[bool, ...] | None = None

    def __post_init__(self) -> None:
        if (self.text is None) != (self.offsets is None):
            raise ValueError(f"sentence {self.id}: text and offsets are given together or not at all")
        if self.offsets is not None and len(self.offsets) != len(self.words):
            raise ValueError(f"sentence {self.id}: {len(self.words)} words but {len(self.offsets)} offsets")
        if self.keep is not None and len(self.keep) != len(self.words):
            raise ValueError(f"sentence {self.id}: {len(self.words)} words but {len(self.keep)} values of keep")
        if self.negative is not None and len(self.negative) != len(self.words):
            raise ValueError(f"sentence {self.id}: {len(self.words)} words but {len(self.negative)} values of negative")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise ValueError(f"sentence {self.id}: weight must be a number of 0 or more, found {self.weight}")
        for span in self.spans or ():
            if span.end > len(self.words):
                raise ValueError(f"sentence {self.id}: {span} ends beyond its {len(self.words)} words")

    @property
    def exact(self) -> tuple[Span, ...]:
        """The entities that begin and end with words; () where nobody labelled the sentence."""
        spans = self.spans or ()
        return tuple(span for span in spans if span not in self.inside_words) if self.inside_words else spans

    @property
    def widened(self) -> tuple[Span, ...]:
        """Of `inside_words` those that `spans` still has: labels may have been taken away since."""
        return tuple(span for span in self.inside_words if span in (self.spans or ()))

    @property
    def counted(self) -> tuple[bool, ...]:
        """For each word, does its label count? `keep`, or True for all."""
        return self.keep or (True,) * len(self.words)

    @property
    def sure_negatives(self) -> tuple[bool, ...]:
        """For each word, is it surely part of no entity? `negative`, but for the words of `spans`."""
        if self.negative is None:
            return (False,) * len(self.words)
        inside = covered(self.spans or ())
        return tuple(sure and word not in inside for word, sure in enumerate(self.negative))


def labels_of(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """The entity types of the sentences, sorted by name: the fixed order of a run."""
    return tuple(sorted({span.label for sentence in sentences for span in sentence.spans or ()}))


def longest_entity(sentences: Iterable[Sentence]) -> int:
    """Words of the longest entity; 0 where there is none."""
    return max((span.end - span.start for sentence in sentences for span in sentence.spans or ()), default=0)


def covered(spans: Iterable[Span]) -> set[int]:
    return {word for span in spans for word in range(span.start, span.end)}


def without_overlap(spans: Iterable[Span], *, shortest: bool = False) -> tuple[Span, ...]:
    """Spans of which no two share a word, sorted: the longest stay (or the shortest), of equals the first."""
    sign = 1 if shortest else -1
    return disjoint(sorted(set(spans), key=lambda span: (sign * (span.end - span.start), span)))


def disjoint(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Of spans in the order of their precedence those that share no word with an earlier one, sorted."""
    kept: list[Span] = []  # sorted; as no two overlap, only the neighbours of a place can overlap what goes there
    for span in spans:
        place = bisect_left(kept, span)
        if not any(map(span.overlaps, kept[max(place - 1, 0) : place + 1])):
            kept.insert(place, span)
    return tuple(kept)


def whole_entities(spans: Iterable[Span], keep: Sequence[bool]) -> tuple[tuple[bool, ...], int]:
    """`keep` with False for all words of an entity of which one has False, and how many entities that concerns.

    Half an entity is another one. Of entities that overlap, all that this reaches.
    """
    kept = list(keep)
    entities = sorted(set(spans))
    count = 0
    while cut := [span for span in entities if 0 < sum(kept[span.start : span.end]) < span.end - span.start]:
        for span in cut:
            kept[span.start : span.end] = [False] * (span.end - span.start)
        count += len(cut)
    return tuple(kept), count


def kept_words(sentences: Sequence[Sentence]) -> tuple[int, list[tuple[bool, ...]] | None]:
    """How many entities are only partly kept, and for each sentence the words that count; None where all do."""
    if all(sentence.keep is None or all(sentence.keep) for sentence in sentences):
        return 0, None
    whole = [whole_entities(sentence.spans or (), sentence.counted) for sentence in sentences]
    return sum(cut for _, cut in whole), [keep for keep, _ in whole]


def unit_of(sentences: Sequence[Sentence]) -> Unit:
    """ "character" where the words are characters of a script without blanks (all but a few one character long).

    It tells how words are joined; how raw text is cut is for `find_cutting` to say.
    """
    words = [word for sentence in sentences[:2000] for word in sentence.words]
    if not words:
        return "word"
    single = sum(len(word) == 1 for word in words) / len(words)
    unspaced = sum(count_unspaced(word) > 0 for word in words) / len(words)
    return "character" if single > 0.98 and unspaced > 0.3 else "word"


# Han (the blocks of `is_chinese`, and the marks that repeat a character), kana, Thai, Lao, Myanmar, Khmer.
_UNSPACED = re.compile(
    "[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002ceaf\uf900-\ufaff\U0002f800-\U0002fa1f\u3005-\u3007"
    "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f\u0e01-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff]"
)


def count_unspaced(text: str) -> int:
    """How many characters are of a script that puts no blanks between words (Han, kana, Thai, Lao, Myanmar, Khmer)."""
    return len(_UNSPACED.findall(text))


def is_chinese(char: str) -> bool:
    """Is this one of the CJK ideographs (the blocks that BERT's tokenizer splits at)?"""
    code = ord(char)
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2CEAF
        or 0xF900 <= code <= 0xFAFF
        or 0x2F800 <= code <= 0x2FA1F
    )
