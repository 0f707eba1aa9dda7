"""How the words of a corpus are cut: which unit cuts raw text into such words, and how well.

A model that was trained on words meets raw text as `segment` cuts it. Words that it never gives are words that the
model cannot find again: so the words of the training data are joined as text, cut, and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, TypeVar

from ner_distill.data.formats.segment import Offsets, segment
from ner_distill.data.sentence import Sentence, Unit, count_unspaced

SAMPLE = 500  # sentences, spread evenly
NOTABLE = 0.02
"""From this share of other words on it is worth a warning: CoNLL files by people have less than 1 % (unit word)."""
ENOUGH = 200  # words: one-letter words in a script with blanks are characters only where there are many
FEW = 20  # words: so few Korean ones of one syllable each are characters

Item = TypeVar("Item")


class Given(NamedTuple):
    """The words of a sentence as a file gives them, with its text and their offsets where it has them."""

    words: Sequence[str]
    text: str | None = None
    offsets: Offsets | None = None

    @classmethod
    def of(cls, sentence: Sentence) -> Given:
        return cls(sentence.words, sentence.text, sentence.offsets)


@dataclass(frozen=True)
class Cutting:
    """How words are cut.

    unit:     the one that cuts raw text into such words, or the one that was asked for.
    mismatch: share of the words (0..1, of a sample) that text cut so would not give.
    example:  one of these words, and what the text gives in its place; None where there is none.
    """

    unit: Unit
    mismatch: float = 0.0
    example: tuple[str, tuple[str, ...]] | None = None

    @property
    def notable(self) -> bool:
        return self.mismatch >= NOTABLE

    @property
    def shown(self) -> str:
        """`'U.S.-led' → 'U.S.', '-', 'led'`; "" without an example."""
        if self.example is None:
            return ""
        word, pieces = self.example
        return f"{word!r} → {', '.join(map(repr, pieces)) or 'nothing'}"

    def warning(self) -> str:
        """What is wrong and what to do, for the training on such words."""
        return (
            f"raw text would be cut into other words than these: {self.mismatch:.1%} of the words come out otherwise "
            f"(`unit` {self.unit}), such as {self.shown}. What is trained on them finds little in raw text that is cut "
            "so: give it text that is cut already (CoNLL columns, JSON Lines with `words`, or blanks between the words "
            "and `unit` blank), or train on words that `unit` word, character or blank gives"
        )


def spread(items: Sequence[Item]) -> Sequence[Item]:
    """As many of the items as are looked at, evenly spread over them."""
    return items if len(items) <= SAMPLE else [items[n * len(items) // SAMPLE] for n in range(SAMPLE)]


def find_cutting(sentences: Sequence[Given], unit: Unit | None = None) -> Cutting:
    """The unit of words that files give, or with `unit` how well that one gives them.

    "character" where nearly all words are one character long, in a script with blanks only where there are many of
    them (twenty of Hangul). Else "word", unless that splits more words than there are marks standing alone (text that
    was cut at blanks: `(Oslo),`), or in a script without blanks another unit gives more of the words.
    """
    sample = spread([given for given in sentences if given.words])
    if unit is not None or not sample:
        return _compared(sample, unit or "word")
    words = [word for given in sample for word in given.words]
    single = sum(len(word) == 1 for word in words) / len(words)
    unspaced = sum(count_unspaced(word) > 0 for word in words) / len(words)
    if single > 0.98 and (unspaced > 0.3 or len(words) >= ENOUGH or _are_syllables(words)):
        return _compared(sample, "character")
    word = _compared(sample, "word")
    if word.mismatch == 0:
        return word
    if without_blanks(words):
        others: list[Unit] = ["blank", "character"] if single > 0.9 else ["blank"]
        return min([word, *(_compared(sample, other) for other in others)], key=lambda one: one.mismatch)
    if not word.notable or word.mismatch <= marks_alone(words):
        return word
    return min(word, _compared(sample, "blank"), key=lambda one: one.mismatch)


def differs(sentences: Sequence[Given], known: Cutting) -> str | None:
    """What is other about the words of these sentences than about words that are cut in a `known` way; None: nothing.

    Looks at nothing where there are too few words to tell.
    """
    sample = spread([given for given in sentences if given.words])
    words = [word for given in sample for word in given.words]
    if len(words) < ENOUGH // 4:
        return None
    own, as_known = find_cutting(sample), _compared(sample, known.unit)
    if as_known.mismatch < min(known.mismatch / 2, known.mismatch - 0.1):
        return f"raw text gives its words, but {known.mismatch:.1%} of those trained on it does not"
    if abs(as_known.mismatch - known.mismatch) <= known.mismatch / 2 and known.notable:
        return None  # as far from what raw text gives as those
    if own.unit != known.unit and (share := _share_between(words, own, as_known)) >= NOTABLE:
        return f"its words are cut by {own.unit}, those trained on by {known.unit}: {share:.1%} of them are others"
    if as_known.mismatch < known.mismatch + NOTABLE:
        return None
    other = f"{as_known.mismatch:.1%} of its words are not cut as those trained on"
    return f"{other} (unit {known.unit}), such as {as_known.shown}"


def _are_syllables(words: Sequence[str]) -> bool:
    """Are these the characters of a Korean text, each for itself? Of its words few have one alone."""
    return len(words) >= FEW and 2 * sum("\uac00" <= word <= "\ud7a3" for word in words) > len(words)


def without_blanks(words: Iterable[str]) -> bool:
    """Are the words of a script that has nothing between them: more than three in ten characters?"""
    text = "".join(words)
    return count_unspaced(text) > 0.3 * len(text)


def marks_alone(words: Sequence[str]) -> float:
    """Share of the words (0..1) that hold no letter or digit."""
    return sum(not any(map(str.isalnum, word)) for word in words) / max(1, len(words))


def _share_between(words: Sequence[str], own: Cutting, as_known: Cutting) -> float:
    """Share of words that the known unit would not have given."""
    if as_known.unit == "blank":  # gives whatever stands between blanks; but a mark alone is what it never saw
        return max(as_known.mismatch, marks_alone(words))
    return 1.0 if own.unit == "character" else as_known.mismatch


def _compared(sample: Sequence[Given], unit: Unit) -> Cutting:
    total = other = 0
    example = None
    between = "" if unit == "character" or without_blanks(w for given in sample for w in given.words) else " "
    for given in sample:
        text, offsets = (given.text, given.offsets) if given.offsets is not None else _joined(given.words, between)
        cut = segment(text or "", unit)[1]
        found = set(cut)
        total += len(offsets)
        for start, end in offsets:
            if (start, end) in found:
                continue
            other += 1
            if example is None and text is not None:
                pieces = [piece for piece in cut if piece[0] < end and start < piece[1]]
                example = text[start:end], tuple(text[first:last] for first, last in pieces)
    return Cutting(unit, round(other / max(1, total), 4), example)


def _joined(words: Sequence[str], between: str) -> tuple[str, Offsets]:
    ends = list(accumulate(len(word) + len(between) for word in words))
    starts = [0, *ends[:-1]]
    offsets = tuple((start, start + len(word)) for start, word in zip(starts, words, strict=True))
    return between.join(words), offsets
