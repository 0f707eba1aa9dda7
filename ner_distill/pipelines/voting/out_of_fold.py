"""Out-of-fold predictions: what a teacher says of sentences that it was not trained on, entity by entity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ner_distill.data.batching import plan_batches
from ner_distill.data.features.windows import Window
from ner_distill.data.noise.doubts import Probs, span_doubts, tag_doubts
from ner_distill.data.noise.votes import OutOfFoldPrediction
from ner_distill.data.sentence import Sentence, Span
from ner_distill.nn.heads import AnyHead, SpanHead
from ner_distill.nn.spans import span_probs_of_tags, spans_above
from ner_distill.runs.build import AnyBuilt
from ner_distill.runtime.inference import best_device, budget_of, find_entities

FLOOR = 0.01
"""Spans that are less probable are not stored, unless they are given or found."""
TABLE = 2**24
"""Numbers of a table of spans that are computed at once, where one sentence has no more."""


class EntityAnswer(NamedTuple):
    """What a teacher says of a span: its probability, how much speaks against the data, and whether it is predicted."""

    start: int
    end: int
    label: str
    prob: float
    doubt: float
    found: bool


class SentenceAnswer(NamedTuple):
    """What a teacher says of a sentence. words: how probable it is of each that it is part of an entity."""

    entities: list[EntityAnswer]
    words: list[float]


def answers_of(teacher: AnyBuilt, sentences: Sequence[Sentence]) -> list[SentenceAnswer]:
    """Returns for each sentence an answer on the entities that are predicted, given, or likelier than FLOOR.

    The probability is that of exactly this span and type: a span head's own; of a tag head what its marginals say
    (`span_probs_of_tags`). An entity of a type that the teacher does not know is left out.
    """
    device = best_device()
    teacher.model.to(device).eval()
    tagset, featurizer = teacher.info.tagset, teacher.featurizer
    features = [featurizer.features(sentence.words) for sentence in sentences]
    entities = find_entities(teacher.tagger, featurizer, tagset, features, scores=False)
    rows = [(index, window) for index, own in enumerate(features) for window in featurizer.windows(own)]
    cut = [featurizer.cut(features[index], window.start, window.end) for index, window in rows]
    predicted = [{span for span, _ in own} for own in entities]
    given = [{span for span in one.spans or () if span.label in tagset.labels} for one in sentences]
    said = [_Said({}, {}) for _ in sentences]
    for row, table, tags in _tables(teacher, cut, device):
        index, window = rows[row]
        said[index].add(window, table, tags, predicted[index] | given[index], tagset.labels)
    answers = []
    for sentence, own, found, labelled in zip(sentences, said, predicted, given, strict=True):
        probs = own.probs | dict.fromkeys((found | labelled) - own.probs.keys(), 0.0)
        tags = np.concatenate([own.tags[first] for first in sorted(own.tags)]) if own.tags else None
        doubts = span_doubts(probs, labelled) if tags is None else tag_doubts(tags, probs, labelled, tagset)
        answered = [
            EntityAnswer(span.start, span.end, span.label, round(prob, 6), round(doubts[span], 6), span in found)
            for span, prob in sorted(probs.items())
        ]
        answers.append(SentenceAnswer(answered, _words(len(sentence.words), probs, tags)))
    return answers


class _Said(NamedTuple):
    """What is known so far of a sentence: probabilities of spans, and of tags by the first word that they are of."""

    probs: dict[Span, float]
    tags: dict[int, Probs]

    def add(self, window: Window, table: Tensor, tags: Probs | None, asked: set[Span], labels: Sequence[str]) -> None:
        """Add what a window says of the spans that begin where words are taken from it; see `_tables`.

        asked: spans that are wanted however improbable; where they begin in no such place that holds them whole, what
        another window says of them counts.
        """
        places, values = spans_above(table[None], FLOOR)
        for (_, start, end, kind), prob in zip(places.places.tolist(), values.tolist(), strict=True):
            if window.take_start <= start + window.start < window.take_end:
                self.probs[Span(start + window.start, end + window.start, labels[kind])] = prob
        for span in asked:
            whole = window.start <= span.start and span.end <= window.end
            if whole and (window.take_start <= span.start < window.take_end or span not in self.probs):
                place = labels.index(span.label), span.start - window.start, span.end - 1 - window.start
                self.probs[span] = float(table[place])
        if tags is not None:
            self.tags[window.take_start] = tags[window.take_start - window.start : window.take_end - window.start]


def prediction_of(
    entities: Sequence[EntityAnswer], labels: frozenset[str], words: Sequence[float]
) -> OutOfFoldPrediction:
    """Returns the answers on a sentence as votes are counted; `labels` are the types that the teacher was shown."""
    spans = {Span(entity.start, entity.end, entity.label): entity for entity in entities}
    return OutOfFoldPrediction(
        found=frozenset(span for span, entity in spans.items() if entity.found),
        probs={span: float(entity.prob) for span, entity in spans.items()},
        doubts={span: float(entity.doubt) for span, entity in spans.items()},
        labels=labels,
        words=tuple(map(float, words)),
    )


def _words(count: int, probs: Mapping[Span, float], tags: Probs | None) -> list[float]:
    """Returns how probable it is of each word that it is part of an entity; of a span head: as its likeliest entity."""
    if tags is not None:
        return [round(1 - float(prob), 4) for prob in tags[:, 0]]
    words = [0.0] * count
    for span, prob in probs.items():
        for word in range(span.start, span.end):
            words[word] = max(words[word], round(prob, 4))
    return words


def _tables(
    teacher: AnyBuilt, features: Sequence[Any], device: torch.device
) -> Iterator[tuple[int, Tensor, Probs | None]]:
    """Yield for each row of features its number, its (types, words, words) table of span probabilities, both words
    inclusive, and of a tag head the (words, tags) probabilities of tags; on the CPU.
    """
    tagger, featurizer, types = teacher.tagger, teacher.featurizer, len(teacher.info.labels)
    sizes = [featurizer.size(item) for item in features]
    with torch.inference_mode():
        for indices in plan_batches(sizes, budget=budget_of(device), seed=None):
            collated = featurizer.collate([features[index] for index in indices])
            inputs = {key: value.to(device) for key, value in collated.items()}
            vectors, mask = tagger.vectors(inputs), inputs["mask"]
            rows = max(1, TABLE // (types * mask.shape[1] ** 2))
            for start in range(0, len(indices), rows):
                part = slice(start, start + rows)
                tables, tags = _probs(tagger.head, vectors[part], mask[part])
                for row, index in enumerate(indices[part]):
                    length = int(mask[start + row].sum())
                    own = None if tags is None else tags[row, :length].numpy()
                    yield index, tables[row, :, :length, :length], own


def _probs(head: AnyHead, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
    if isinstance(head, SpanHead):
        return head.span_probs(vectors, mask).cpu(), None
    logs = head.log_probs(vectors, mask)
    return span_probs_of_tags(logs, mask).cpu(), logs.exp().cpu()
