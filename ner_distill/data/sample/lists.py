"""Lists of the sample: names and words of no name in English, a word list and segmented text in Chinese."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ner_distill.data.sample.grammar import Rules
from ner_distill.data.sentence import Sentence, Span

LONGEST_WORD = 8
"""Characters of the longest word of a Chinese word list; teachers match none that is longer."""
_OUTSIDE_WORDS = re.compile(r"<[^<>]+>|[^\u4e00-\u9fff]+")
_RUN = re.compile(r"[0-9]+|.")


def names(sentences: Iterable[Sentence], counts: Mapping[str, int]) -> dict[str, list[str]]:
    """Names by type, sorted: as many different ones as `counts` says, in the order in which the sentences have them.

    sentences: as many as it takes; those that are all in capitals are passed over.
    """
    found: dict[str, set[str]] = {label: set() for label in counts}
    for sentence in sentences:
        if " ".join(sentence.words).isupper():
            continue
        for span in sentence.spans or ():
            if len(found.get(span.label, ())) < counts.get(span.label, 0):
                found[span.label].add(" ".join(sentence.words[span.start : span.end]))
        if all(len(found[label]) == count for label, count in counts.items()):
            break
    return {label: sorted(known) for label, known in found.items()}


def words_of_no_name(sentences: Sequence[Sentence], count: int) -> list[str]:
    """The `count` most frequent words in small letters that stand in no entity of the sentences."""
    outside: Counter[str] = Counter()
    inside: set[str] = set()
    for sentence in sentences:
        within = {place for span in sentence.spans or () for place in range(span.start, span.end)}
        inside.update(sentence.words[place] for place in within)
        outside.update(word for place, word in enumerate(sentence.words) if place not in within)
    known = [word for word in outside if word.isalpha() and word.islower() and word not in inside]
    return sorted(sorted(known), key=outside.__getitem__, reverse=True)[:count]


def vocabulary(rules: Rules) -> frozenset[str]:
    """The Chinese words of two characters and more that a grammar is written with."""
    pieces = {
        piece.lstrip("的了")
        for productions in rules.values()
        for production in productions
        for piece in _OUTSIDE_WORDS.split(production)
    }
    return frozenset(piece for piece in pieces if 2 <= len(piece) <= LONGEST_WORD)


def cut(sentence: Sentence, known: frozenset[str]) -> list[str]:
    """A Chinese sentence as words: a person's name is one, and so is what is left of another name beside known words;
    elsewhere the longest known word, a number, or a character."""
    spans = {span.start: span for span in sentence.spans or ()}
    words: list[str] = []
    place = 0
    while place < len(sentence.words):
        if span := spans.get(place):
            words += _cut_name("".join(sentence.words[place : span.end]), span, known)
            place = span.end
            continue
        end = min((start for start in spans if start > place), default=len(sentence.words))
        for word in _longest("".join(sentence.words[place:end]), known):
            words += [word] if word in known else _RUN.findall(word)
        place = end
    return words


def _cut_name(name: str, span: Span, known: frozenset[str]) -> Iterator[str]:
    if span.label == "NAME":
        yield name
    else:
        yield from _longest(name, known)


def _longest(text: str, known: frozenset[str]) -> Iterator[str]:
    """The longest known words from the left, and what stands between two of them."""
    start = place = 0
    while place < len(text):
        lengths = range(min(LONGEST_WORD, len(text) - place), 1, -1)
        length = next((length for length in lengths if text[place : place + length] in known), 0)
        if not length:
            place += 1
            continue
        if start < place:
            yield text[start:place]
        yield text[place : place + length]
        start = place = place + length
    if start < len(text):
        yield text[start:]


def word_list(sentences: Sequence[Sentence], known: frozenset[str], rng: random.Random) -> list[tuple[str, int]]:
    """Words of a Chinese text with their frequencies, the most frequent first: known ones, and every other name."""
    counts: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for sentence in sentences:
        counts.update(word for word in cut(sentence, known) if word in known)
        named.update("".join(sentence.words[span.start : span.end]) for span in sentence.spans or ())
    fitting = sorted(name for name in named if 2 <= len(name) <= LONGEST_WORD and name not in known)
    counts.update({name: named[name] for name in fitting if rng.random() < 0.5})
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
