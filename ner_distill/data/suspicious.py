"""Entities that look wrong: several labels for one surface, labelled here and not there, odd borders."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ner_distill.data.sentence import Sentence, Span

SHOWN = 10
"""How many conflicts are given of each kind."""

Surface = tuple[str, ...]
"""The words of an entity."""


@dataclass(frozen=True)
class Conflict:
    """A surface and how often it has each label; the label "O" is: in no entity."""

    surface: str
    labels: dict[str, int]


@dataclass(frozen=True)
class Suspect:
    """One entity that looks wrong, and where it is."""

    sentence: str
    surface: str
    label: str
    reason: str


def covered(spans: Iterable[Span]) -> set[int]:
    """The words that lie in a span."""
    return {word for span in spans for word in range(span.start, span.end)}


def surface_counts(sentences: Iterable[Sentence]) -> dict[Surface, Counter[str]]:
    """For each surface how often it has which label."""
    counts: dict[Surface, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        for span in sentence.spans or ():
            counts[sentence.words[span.start : span.end]][span.label] += 1
    return counts


def conflicts(counts: dict[Surface, Counter[str]]) -> tuple[Conflict, ...]:
    """Surfaces with several labels, those with the most occurrences beside their commonest label first."""
    found = [
        (sum(labels.values()) - max(labels.values()), surface, labels)
        for surface, labels in counts.items()
        if len(labels) > 1
    ]
    found.sort(key=lambda one: (-one[0], one[1]))
    return tuple(Conflict(_text(surface), dict(labels.most_common())) for _, surface, labels in found[:SHOWN])


def missed(sentences: Iterable[Sentence], counts: dict[Surface, Counter[str]]) -> tuple[Conflict, ...]:
    """Surfaces that are an entity at least twice and stand outside all entities as well, the most doubtful first.

    Surfaces of one character are left out: single letters and ideographs mean too many things.
    """
    wanted = {surface for surface, labels in counts.items() if sum(labels.values()) > 1 and len("".join(surface)) > 1}
    lengths: dict[str, set[int]] = defaultdict(set)
    for surface in wanted:
        lengths[surface[0]].add(len(surface))
    outside: Counter[Surface] = Counter()
    for sentence in sentences:
        inside = covered(sentence.spans or ())
        for start, word in enumerate(sentence.words):
            for length in lengths.get(word, ()):
                surface = sentence.words[start : start + length]
                if surface in wanted and inside.isdisjoint(range(start, start + length)):
                    outside[surface] += 1
    found = sorted(outside, key=lambda surface: (-min(outside[surface], sum(counts[surface].values())), surface))
    return tuple(
        Conflict(_text(surface), {**dict(counts[surface].most_common()), "O": outside[surface]})
        for surface in found[:SHOWN]
    )


def suspects(sentences: Sequence[Sentence]) -> Iterator[Suspect]:
    """Entities with odd borders, and those longer than three times what 95 % of all entities stay below."""
    lengths = [span.end - span.start for sentence in sentences for span in sentence.spans or ()]
    limit = max(8, 3 * sorted(lengths)[int(0.95 * (len(lengths) - 1))]) if lengths else 0
    for sentence in sentences:
        for span in sentence.spans or ():
            words = sentence.words[span.start : span.end]
            if reason := _oddity(words, limit):
                yield Suspect(sentence.id, _text(words), span.label, reason)


_PAIRS = dict(zip("(（[【《〈“‘「«\"'", ")）]】》〉”’」»\"'", strict=True))


def _oddity(words: Surface, limit: int) -> str | None:
    """What looks wrong with an entity: brackets and quotes that belong together do not."""
    text = "".join(words)
    if not words[0].strip() or not words[-1].strip():
        return "begins or ends with white space"
    if not any(char.isalnum() for char in text):
        return "has no letter and no digit"
    paired = _PAIRS.get(words[0][0]) is not None and _PAIRS[words[0][0]] in text[1:]
    if not words[0][0].isalnum() and not paired and _is_mark(words[0]):
        return "begins with a punctuation mark"
    closes = any(text[-1] == close and opener in text[:-1] for opener, close in _PAIRS.items())
    if _is_mark(words[-1]) and not closes:
        return "ends with a punctuation mark"
    return f"is longer than {limit} words" if len(words) > limit else None


def _is_mark(word: str) -> bool:
    """Is the word nothing but marks? (`U.S.` ends with a dot of its own.)"""
    return not any(char.isalnum() for char in word)


def _text(words: Surface) -> str:
    return ("" if all(len(word) == 1 for word in words) else " ").join(words)
