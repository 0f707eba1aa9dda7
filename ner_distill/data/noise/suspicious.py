"""What looks wrong: several labels for one surface, labelled here and not there, odd borders; sentences that repeat.

The ids of the sentences are the places that are given.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ner_distill.data.sentence import Sentence, Unit, covered

SHOWN = 10
"""How many conflicts are given of each kind."""

TWINS = 3
"""How many sentences that repeat are given."""

Surface = tuple[str, ...]
"""The words of an entity."""


@dataclass(frozen=True)
class Conflict:
    """A surface and how often it has each label; the label "O" is: in no entity.

    rarest: the label that it has least often. place: the first sentence where it has that.
    """

    surface: str
    labels: dict[str, int]
    rarest: str
    place: str


@dataclass(frozen=True)
class Twin:
    """A sentence that stands twice, and the first places where it does."""

    text: str
    place: str
    other: str


@dataclass(frozen=True)
class Suspect:
    """One entity that looks wrong, and where it is."""

    place: str
    surface: str
    label: str
    reason: str


def surface_counts(sentences: Iterable[Sentence]) -> dict[Surface, Counter[str]]:
    """For each surface how often it has which label."""
    counts: dict[Surface, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        for span in sentence.spans or ():
            counts[sentence.words[span.start : span.end]][span.label] += 1
    return counts


def conflicts(sentences: Iterable[Sentence], counts: dict[Surface, Counter[str]]) -> tuple[Conflict, ...]:
    """Surfaces with several labels, those with the most occurrences beside their commonest label first."""
    doubt = {surface: sum(labels.values()) - max(labels.values()) for surface, labels in counts.items()}
    doubtful = sorted((surface for surface in doubt if doubt[surface]), key=lambda surface: (-doubt[surface], surface))
    return _placed(sentences, {surface: dict(counts[surface].most_common()) for surface in doubtful[:SHOWN]})


def missed(sentences: Sequence[Sentence], counts: dict[Surface, Counter[str]]) -> tuple[Conflict, ...]:
    """Surfaces that are an entity at least twice and stand outside all entities as well, the most doubtful first.

    Surfaces of one character are left out: single letters and ideographs mean too many things.
    """
    wanted = {surface for surface, labels in counts.items() if sum(labels.values()) > 1 and len("".join(surface)) > 1}
    outside = Counter(surface for surface, _ in _outside(sentences, wanted))
    doubtful = sorted(outside, key=lambda surface: (-min(outside[surface], sum(counts[surface].values())), surface))
    labels = {surface: {**dict(counts[surface].most_common()), "O": outside[surface]} for surface in doubtful[:SHOWN]}
    return _placed(sentences, labels)


def _outside(sentences: Iterable[Sentence], wanted: Collection[Surface]) -> Iterator[tuple[Surface, str]]:
    """Each occurrence of these surfaces that touches no entity, and its place."""
    lengths: dict[str, set[int]] = defaultdict(set)
    for surface in wanted:
        lengths[surface[0]].add(len(surface))
    for sentence in sentences:
        inside = covered(sentence.spans or ())
        for start, word in enumerate(sentence.words):
            for length in lengths.get(word, ()):
                surface = sentence.words[start : start + length]
                if surface in wanted and inside.isdisjoint(range(start, start + length)):
                    yield surface, sentence.id


def _placed(sentences: Iterable[Sentence], surfaces: dict[Surface, dict[str, int]]) -> tuple[Conflict, ...]:
    """Conflicts with the place of the rarest label; of labels that are equally rare the last."""
    rarest = {surface: min(reversed(labels), key=labels.__getitem__) for surface, labels in surfaces.items()}
    places: dict[Surface, str] = {}
    unlabelled = {surface for surface, label in rarest.items() if label == "O"}
    sentences = list(sentences)
    for surface, place in _outside(sentences, unlabelled):
        places.setdefault(surface, place)
    for sentence in sentences:
        for span in sentence.spans or ():
            surface = sentence.words[span.start : span.end]
            if rarest.get(surface) == span.label:
                places.setdefault(surface, sentence.id)
    return tuple(
        Conflict(_text(surface), labels, rarest[surface], places[surface]) for surface, labels in surfaces.items()
    )


def twins(sentences: Iterable[Sentence], others: Iterable[Sentence] | None = None) -> tuple[Twin, ...]:
    """The longest sentences that stand in both, or that stand twice in the first where there is no second."""
    first: dict[Surface, str] = {}
    second: dict[Surface, str] = {}
    for sentence in sentences:
        if sentence.words not in first:
            first[sentence.words] = sentence.id
        elif others is None:
            second.setdefault(sentence.words, sentence.id)
    for sentence in others or ():
        if sentence.words in first:
            second.setdefault(sentence.words, sentence.id)
    longest = sorted(second, key=lambda words: -len(words))[:TWINS]
    return tuple(Twin(_text(words), first[words], second[words]) for words in longest)


def suspects(sentences: Sequence[Sentence], unit: Unit = "word") -> Iterator[Suspect]:
    """Entities with odd borders, and those longer than three times what 95 % of all entities stay below.

    unit: what their words are called.
    """
    lengths = [span.end - span.start for sentence in sentences for span in sentence.spans or ()]
    limit = max(8, 3 * sorted(lengths)[int(0.95 * (len(lengths) - 1))]) if lengths else 0
    for sentence in sentences:
        for span in sentence.spans or ():
            words = sentence.words[span.start : span.end]
            if reason := _oddity(words, limit, unit):
                yield Suspect(sentence.id, _text(words), span.label, reason)


_PAIRS = dict(zip("(（[【《〈“‘「«\"'", ")）]】》〉”’」»\"'", strict=True))


def _oddity(words: Surface, limit: int, unit: Unit) -> str | None:
    """What looks wrong with an entity; brackets and quotes that belong together do not."""
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
    return f"is longer than {limit} {unit}s" if len(words) > limit else None


def _is_mark(word: str) -> bool:
    """Is the word nothing but marks? (`U.S.` ends with a dot of its own.)"""
    return not any(char.isalnum() for char in word)


def _text(words: Surface) -> str:
    return ("" if all(len(word) == 1 for word in words) else " ").join(words)
