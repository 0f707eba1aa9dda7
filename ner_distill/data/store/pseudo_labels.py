"""Rows of a soft-label store → labelled sentences: labels are what teachers agree on, and the rest is masked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

import numpy as np

from ner_distill.data.sentence import Sentence, Span, whole_entities
from ner_distill.data.store.columns import SoftRow
from ner_distill.data.store.decoding import decode_probs
from ner_distill.data.tagset import TagSet

LIKELY = 0.5
"""Spans of a store that are more probable are entities, as a head that finds spans takes them."""


def labelled_row(row: SoftRow, tagset: TagSet, *, weight: float = 1.0) -> Sentence | None:
    """The sentence with the entities of the best reading; None where no word of it is kept.

    Entities: of a store with spans those above LIKELY, else those of the best tag sequence. Of one that the store does
    not keep whole no word is kept: that is what teachers disagree on, and nobody knows what is there.
    """
    if row.spans is None:
        spans = [span for span, _ in decode_probs(row.probs, tagset)]
    else:
        likely = row.spans[row.spans["score"] > LIKELY]
        spans = [Span(start, end, tagset.labels[label]) for start, end, label, _ in likely.tolist()]
    keep, _ = whole_entities(spans, row.keep.tolist())
    if not any(keep):
        return None
    kept = tuple(sorted(span for span in spans if all(keep[span.start : span.end])))
    return Sentence(row.id, row.words, kept, lang=row.lang, keep=None if all(keep) else keep, weight=weight)


def with_least_confidence(row: SoftRow, least: float) -> SoftRow:
    """The row in which words that the teacher is less sure of are not kept.

    How sure: the probability of the word's best tag; in a store with spans the least max(p, 1 − p) of those that hold
    the word, as `label-unlabeled` takes it. What the store does not list it is sure of.
    """
    if not least:
        return row
    if row.spans is None:
        sure = row.probs.max(axis=1, initial=0).astype(np.float64)
    else:
        sure = np.ones(len(row.words))
        for start, end, _, score in row.spans.tolist():
            sure[start:end] = np.minimum(sure[start:end], max(score, 1 - score))
    return replace(row, keep=row.keep & (sure >= least))


def longest_of_row(row: SoftRow) -> int:
    """Words of the longest entity, kept or not: of a likely span, or in a store without spans of a B and its I's."""
    if row.spans is not None:
        likely = row.spans[row.spans["score"] > LIKELY]
        return int((likely["end"] - likely["start"]).max(initial=0))
    tags = row.probs.argmax(axis=1)
    others = np.flatnonzero(np.concatenate([[True], (tags == 0) | (tags % 2 == 1), [True]]))
    inside = int(np.diff(others).max()) - 1  # the most I's in a row
    return inside + 1 if inside else int(bool(tags.any()))


def worth_training_on(
    sentences: Iterable[Sentence], known: Collection[tuple[str, ...]], empty: float
) -> Iterator[Sentence]:
    """Those that a teacher can learn from.

    known: words of sentences that are left out: they are labelled already, or are what it is scored on.
    empty: so many sentences without an entity, all words of which are kept, for each one with some: as many as labelled
           data has. More would teach it that there is nothing to find.
    Of sentences of the same words the first stays.
    """
    seen = set(known)
    full = bare = 0
    for sentence in sentences:
        if sentence.words in seen:
            continue
        if sentence.spans:
            full += 1
        elif sentence.keep is None and bare < empty * full:
            bare += 1
        else:
            continue
        seen.add(sentence.words)
        yield sentence
