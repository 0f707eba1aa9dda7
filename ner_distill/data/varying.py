"""Labelled sentences once more, with other entities of the same types in them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from ner_distill.data.sentence import Sentence, Span

Words = tuple[str, ...]
VAIN = 1_000
"""After so many drawn sentences in a row that are there already no more are drawn."""


def forms_of(sentences: Iterable[Sentence]) -> dict[str, list[Words]]:
    """type → the words of its entities, each form once, sorted.

    Of sentences all in capitals they are taken only for types that have no others: elsewhere they are spelt otherwise.
    """
    forms: dict[str, set[Words]] = {}
    shouted: dict[str, set[Words]] = {}
    for sentence in sentences:
        kind = shouted if is_shouted(sentence.words) else forms
        for span in sentence.exact:
            kind.setdefault(span.label, set()).add(sentence.words[span.start : span.end])
    all_forms = {**shouted, **forms}
    return {label: sorted(all_forms[label]) for label in sorted(all_forms)}


def can_be_varied(sentence: Sentence) -> bool:
    """Has it entities, all of which are known to be right and apart from one another?"""
    spans = sentence.spans or ()
    apart = all(one.end <= other.start for one, other in pairwise(spans))
    return bool(spans) and apart and all(sentence.counted) and not sentence.inside_words


def vary(
    sentences: Sequence[Sentence], forms: Mapping[str, Sequence[Words]], number: int, seed: int
) -> Iterator[Sentence]:
    """At most so many other sentences, each of whose entities is replaced by one of its type, drawn at random.

    Mention replacement (Dai & Adel, COLING 2020, "An Analysis of Simple Data Augmentation for Named Entity
    Recognition"), here as text for a teacher to answer. Of each type all forms are as likely, and each sentence is.
    Fewer come where `VAIN` draws in a row gave nothing new.

    sentences: such that `can_be_varied`; what words they have is not given again.
    """
    draw = random.Random(seed)
    seen = {sentence.words for sentence in sentences}
    made = vain = 0
    while sentences and made < number and vain < VAIN:
        sentence = draw.choice(sentences)
        other = _varied(sentence, forms, draw)
        vain += 1
        if other.words not in seen:
            seen.add(other.words)
            made, vain = made + 1, 0
            yield replace(other, id=f"{sentence.id}~{made}")


def _varied(sentence: Sentence, forms: Mapping[str, Sequence[Words]], draw: random.Random) -> Sentence:
    words: list[str] = []
    spans: list[Span] = []
    end = 0
    shouted = is_shouted(sentence.words)
    for span in sentence.spans or ():
        form = draw.choice(forms[span.label])
        words += sentence.words[end : span.start]
        spans.append(Span(len(words), len(words) + len(form), span.label))
        words += [word.upper() for word in form] if shouted else form
        end = span.end
    words += sentence.words[end:]
    return Sentence(sentence.id, tuple(words), tuple(spans), lang=sentence.lang)


def is_shouted(words: Words) -> bool:
    """Is it all in capitals, as headlines are?"""
    text = "".join(words)
    return text == text.upper() != text.lower()
