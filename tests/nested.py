"""The tiny corpora with entities inside of entities: first names in persons, places in organizations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, Span
from tests import corpora

LABELS = ("FIRST", *corpora.LABELS)


def sentences(count: int, *, seed: int = 0) -> list[Sentence]:
    """As `corpora.sentences`; about every other sentence has an entity in an entity."""
    return [_with_inner(sentence) for sentence in corpora.sentences(count, seed=seed)]


def _with_inner(sentence: Sentence) -> Sentence:
    spans = list(sentence.spans or ())
    for span in sentence.spans or ():
        if span.label == "PER" and span.end - span.start > 1:
            spans.append(Span(span.start, span.start + 1, "FIRST"))
        if span.label == "ORG" and sentence.words[span.end - 1] == "Oslo":
            spans.append(Span(span.end - 1, span.end, "LOC"))
    return replace(sentence, spans=tuple(sorted(spans)))


def write_all(directory: Path, *, train: int = 60, dev: int = 20) -> Path:
    """`train.jsonl` and `dev.jsonl`, other sentences in each."""
    directory.mkdir(parents=True, exist_ok=True)
    write_jsonl(sentences(train, seed=1), directory / "train.jsonl")
    write_jsonl(sentences(dev, seed=2), directory / "dev.jsonl")
    return directory
