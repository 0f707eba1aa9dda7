"""`show`: the facts of a soft-label store, and sentences with the teacher's entities."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ner_distill.data.formats.writing.base import About, Labelled
from ner_distill.data.lexicon.lexicon import Match, Matcher
from ner_distill.data.sentence import ScoredSpan, Span, Unit
from ner_distill.data.store.columns import SoftRow
from ner_distill.data.store.decoding import decode_probs
from ner_distill.data.store.pseudo_labels import labelled_row, with_least_confidence
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, closest
from ner_distill.options.models import ShowOptions

SAMPLE_ROWS = 4000
"""About how many sentences the entities are counted in."""


@dataclass
class TypeCounts:
    """Entities of each type in the sentences that were looked at, and the sum of their confidences."""

    rows: int = 0
    entities: Counter[str] = field(default_factory=Counter)
    confidence: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, entities: list[ScoredSpan]) -> None:
        """Count one sentence."""
        self.rows += 1
        for span, confidence in entities:
            self.entities[span.label] += 1
            self.confidence[span.label] += confidence


@dataclass(frozen=True)
class ShownSentence:
    """A sentence to show.

    number:   its number in the store, from 0.
    entities: the teacher's entities, which may nest, with its confidence, 0..1.
    possible: all spans that the store has of the sentence, with their probabilities, each before those that lie in it;
              None where the store has no spans.
    matches:  the lexicon words in the sentence; None where they are not asked for.
    """

    number: int
    row: SoftRow
    entities: list[ScoredSpan]
    possible: list[ScoredSpan] | None
    matches: list[Match] | None


@dataclass(frozen=True)
class Excerpt:
    """A store, entities by type in a sample of it, and the sentences to show, from number `start` on."""

    store: SoftLabelStore
    counts: TypeCounts
    start: int
    sentences: Iterator[ShownSentence]


def show(options: ShowOptions) -> Excerpt:
    """The store's facts, and sentences of it with the teacher's entities.

    An unfinished store is shown as far as it goes. Raises RunError where the store is missing or damaged, ConfigError
    for a type that it does not have and for a teacher of other units.
    """
    store = _open(options)
    matcher = _matcher(options.lattice, store.unit) if options.lattice is not None else None
    sentences = islice(_sentences(store, options, matcher), options.limit or None)
    return Excerpt(store, count_types(store, SAMPLE_ROWS), options.start, sentences)


def _open(options: ShowOptions) -> SoftLabelStore:
    store = SoftLabelStore.open(options.store, allow_incomplete=True, cached_shards=1)
    if options.type is not None and options.type not in store.labels:
        close = closest(options.type, store.labels)
        hint = f"; did you mean {close}?" if close else ""
        raise ConfigError(f"type {options.type!r} is not in the store; it has {', '.join(store.labels)}{hint}")
    return store


@dataclass
class Export:
    """What a store says, as labelled sentences.

    left_out: how many sentences so far have no word that is kept.
    """

    about: About
    store: SoftLabelStore
    records: Iterator[Labelled]
    left_out: int = 0


def export(options: ShowOptions) -> Export:
    """Sentences of a store as labelled ones: entities that the store keeps whole, with their confidence; see
    `labelled_row`. All other words are masked (`keep`), those below `min_confidence` as well.

    Raises as `show` does, and ConfigError for a lattice.
    """
    if options.lattice is not None:
        raise ConfigError("`lattice` is drawn below the table; expected no `format` beside it")
    store = _open(options)
    teachers = ", ".join(teacher.name for teacher in store.manifest.teachers)
    made = Export(About(teachers, store.unit), store, iter(()))

    def records() -> Iterator[Labelled]:
        for shown in _sentences(store, options, None):
            row = with_least_confidence(shown.row, options.min_confidence)
            sentence = labelled_row(row, store.tagset)
            if sentence is None:
                made.left_out += 1
                continue
            scores = dict(shown.entities)
            yield Labelled(sentence, [(span, scores[span]) for span in sentence.spans or ()])

    made.records = islice(records(), options.limit or None)
    return made


def _sentences(store: SoftLabelStore, options: ShowOptions, matcher: Matcher | None) -> Iterator[ShownSentence]:
    for number, row in enumerate(store.iter_rows(options.start), start=options.start):
        entities = entities_of(row, store.tagset)
        labels = {span.label for span, _ in entities}
        if options.type in labels if options.type is not None else labels or not options.entities_only:
            possible = None if row.spans is None else _possible_spans(row, store.labels)
            matches = None if matcher is None else matcher.matches(row.words)
            yield ShownSentence(number, row, entities, possible, matches)


def count_types(store: SoftLabelStore, sample_rows: int) -> TypeCounts:
    """Count entities in whole shards, spread evenly over the store, until `sample_rows` sentences were seen."""
    counts = TypeCounts()
    for shard in store.spread(sample_rows):
        for block in store.read_shard(shard):
            for row in block.rows:
                counts.add(entities_of(row, store.tagset))
    return counts


def entities_of(row: SoftRow, tagset: TagSet) -> list[ScoredSpan]:
    """The entities of a sentence with their confidence: spans that are more probable than not, or the best tags'."""
    if row.spans is None:
        return decode_probs(row.probs, tagset)
    return [(span, score) for span, score in _possible_spans(row, tagset.labels) if score > 0.5]


def _possible_spans(row: SoftRow, labels: tuple[str, ...]) -> list[ScoredSpan]:
    assert row.spans is not None
    spans = [(Span(start, end, labels[label]), score) for start, end, label, score in row.spans.tolist()]
    return sorted(spans, key=lambda item: (item[0].start, -item[0].end, -item[1], item[0].label))


def _matcher(run: Path, unit: Unit) -> Matcher:
    from ner_distill.runs.info import read_info
    from ner_distill.runs.knowledge import matcher_of

    if (other := read_info(run).unit) != unit:
        raise ConfigError(
            f"`lattice` {run}: reads text cut by {other}; expected a teacher of text cut by {unit}, as the store's is"
        )
    return matcher_of(run)
