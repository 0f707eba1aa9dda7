"""The labelled English of the sample with other labels: wrong ones, decisions that mend them, nested entities."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ner_distill.data.sample.en import ENGLISH
from ner_distill.data.sentence import Sentence, Span

NOISE = 0.12
"""Share of the entities that get a wrong label."""
LABELS = ("PER", "LOC", "ORG", "MISC")
_INNER = {"city.one": "LOC", "city.own": "LOC", "country": "LOC", "country.own": "LOC", "nat": "MISC"}


def with_wrong_labels(sentences: Sequence[Sentence], rng: random.Random) -> list[Sentence]:
    """The sentences with `NOISE` of their entities wrong: of another type (half), forgotten, or a word too short."""
    return [
        replace(sentence, spans=tuple(span for given in sentence.spans or () for span in _wrong(given, rng)))
        for sentence in sentences
    ]


def _wrong(span: Span, rng: random.Random) -> Iterator[Span]:
    if rng.random() >= NOISE:
        yield span
        return
    kind = rng.random()
    if kind < 0.5:
        yield replace(span, label=rng.choice([label for label in LABELS if label != span.label]))
    elif kind < 0.75 and span.end - span.start > 1:
        yield replace(span, end=span.end - 1)


def decisions(name: str, noisy: Sequence[Sentence], right: Sequence[Sentence]) -> str:
    """JSON Lines as the page of `review` exports them: what somebody who knows the right labels decides on all others.

    name: of the file that holds `noisy` in columns; a sentence is found by it and the line that it begins on.
    """
    written, line = [], 1
    for sentence, truth in zip(noisy, right, strict=True):
        given, wanted = sentence.spans or (), truth.spans or ()
        decided = [_decision(span, wanted) for span in given if span not in wanted]
        missed = (span for span in wanted if not any(span.overlaps(other) for other in given))
        decided += [{**span.to_json(), "decision": "accept"} for span in missed]
        if decided:
            digest = hashlib.sha256("\x1f".join(sentence.words).encode()).hexdigest()
            record = {"id": f"{name}:{line}", "hash": digest, "decisions": decided}
            written.append(json.dumps(record, ensure_ascii=False) + "\n")
        line += len(sentence.words) + 1
    return "".join(written)


def _decision(span: Span, wanted: Sequence[Span]) -> dict[str, Any]:
    """What is decided on a wrong entity: the right ones that it overlaps stand in its place."""
    right = [other.to_json() for other in wanted if other.overlaps(span)]
    return {**span.to_json(), "decision": "correct", "spans": right}


def nested(sentences: Sequence[Sentence]) -> list[Sentence]:
    """The sentences with the places and nationalities that stand in longer entities: Bank of [LOC Chile] is an ORG."""
    inner = {
        tuple(production.split()): label
        for symbol, label in _INNER.items()
        for production in ENGLISH[symbol]
        if "<" not in production
    }
    return [
        replace(sentence, spans=tuple(sorted({*(sentence.spans or ()), *_inside(sentence, inner)})))
        for sentence in sentences
    ]


def _inside(sentence: Sentence, inner: dict[tuple[str, ...], str]) -> Iterator[Span]:
    for span in sentence.spans or ():
        for start in range(span.start, span.end):
            for end in range(start + 1, span.end + 1):
                label = inner.get(sentence.words[start:end])
                if label is not None and end - start < span.end - span.start and span.label in ("ORG", "MISC"):
                    yield Span(start, end, label)
