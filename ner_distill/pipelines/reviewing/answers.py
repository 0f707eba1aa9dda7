"""`apply-review` of a store: sentences that a person accepted or corrected on the page → labelled sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ner_distill.console import Reporter
from ner_distill.data.formats.report import counted
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, Span, disjoint
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import files_of_store
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import refuse_existing
from ner_distill.options.labels import ApplyReviewOptions
from ner_distill.pipelines.reviewing.sentences import named
from ner_distill.pipelines.show import entities_of
from ner_distill.pipelines.voting.review_files import Record, SpanRecord, hash_of, read_lines, some

OF_FILES = ("format", "word_column", "unit", "scheme", "tag_column", "strict")
"""Options of reading labelled files, which a store has no use for."""


class SentenceAnswer(Record):
    """A line of the file that the page of a store exports: a sentence, and all entities that a person says it has."""

    id: str
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    entities: list[SpanRecord]

    def spans(self) -> tuple[Span, ...]:
        """The entities, sorted, each once."""
        return tuple(sorted({record.span for record in self.entities}))


@dataclass(frozen=True)
class Labelled:
    """What the answers made, in numbers.

    sentences: that were written; corrected: those of them that have other entities than the teacher found; empty: those
    without any entity. entities, words: in them. undecided: sentences of the store that nobody answered. skipped:
    answers that were left out with `skip_changed`.
    """

    sentences: int
    corrected: int
    empty: int
    entities: int
    words: int
    undecided: int
    skipped: int = 0

    def summary(self) -> str:
        """Returns the numbers in a line."""
        entities = counted(self.entities, "entity", "entities")
        skipped = f"; {counted(self.skipped, 'answer')} left out" if self.skipped else ""
        return (
            f"{counted(self.sentences, 'sentence')} with {entities} in {self.words:,} words: "
            f"{self.sentences - self.corrected:,} as the teacher has them, {self.corrected:,} corrected, "
            f"{self.empty:,} without an entity; {self.undecided:,} of the store not answered, and not in it{skipped}"
        )


Key = tuple[str, str]
"""The id of a sentence and the hash of its words."""


def apply_answers(options: ApplyReviewOptions, reporter: Reporter | None = None) -> Labelled:
    """Write the sentences of a store that a person answered as labelled JSON Lines, in the order of the store.

    A sentence is in the result only as a whole: every entity in it is what the person said, and so is every word that
    is none. Sentences that nobody answered are not in it. They are found by id and by the hash of their words: a store
    that another teacher made of the same text does as well.

    Raises DataError, with nothing written, where an answer is malformed, where two files answer differently, where none
    is on this store, and (without `skip_changed`) where one is on a sentence that it does not have with these words;
    ConfigError for options that are about files; RunError where the store is damaged, and where `out` exists (and not
    `overwrite`) or cannot be written.
    """
    assert options.store is not None
    reporter = reporter or Reporter()
    read = [*options.decisions, *files_of_store(options.store)]
    refuse_existing(options.out, overwrite=options.overwrite, read=read)
    if wrong := options.changed(*OF_FILES):
        raise ConfigError(f"{named(wrong)} says how labelled files are read; with `store` leave it out")
    store = SoftLabelStore.open(options.store, cached_shards=1)
    answers = _read_answers(options.decisions)
    sentences, corrected = [], 0
    missing = dict(answers)
    other_words: set[str] = set()
    ids = {id for id, _ in answers}
    for row in store.iter_rows():
        if row.id not in ids:
            continue
        key = (row.id, hash_of(row.words))
        if key not in answers:
            other_words.add(row.id)
        elif key in missing:  # the same sentence under the same id may be in a store twice
            spans = missing.pop(key)
            _check_inside(row.id, spans, len(row.words))
            corrected += spans != tuple(sorted(span for span, _ in entities_of(row, store.tagset)))
            sentences.append(Sentence(row.id, row.words, spans, lang=row.lang))
    _refuse_missing(options, missing, other_words, len(answers), reporter)
    write_jsonl(sentences, options.out, overwrite=options.overwrite)
    overlapping = [one.id for one in sentences if len(disjoint(one.spans or ())) < len(one.spans or ())]
    if overlapping and not store.has_spans:
        which = f"{counted(len(overlapping), 'sentence')} ({some(overlapping)})"
        reporter.warn(f"entities overlap in {which}: a BIO tag has no both")
    return Labelled(
        sentences=len(sentences),
        corrected=corrected,
        empty=sum(not sentence.spans for sentence in sentences),
        entities=sum(len(sentence.spans or ()) for sentence in sentences),
        words=sum(len(sentence.words) for sentence in sentences),
        undecided=store.rows - len(sentences),
        skipped=len(missing),
    )


def _read_answers(paths: Sequence[Path]) -> dict[Key, tuple[Span, ...]]:
    answers: dict[Key, tuple[Span, ...]] = {}
    first_at: dict[Key, str] = {}
    for path, number, line in _lines(paths):
        key, here = (line.id, line.hash), f"{path}:{number}"
        there = first_at.setdefault(key, here)
        if answers.setdefault(key, line.spans()) != line.spans():
            raise DataError(
                f"{here}: sentence {line.id}: {_said(line.spans())}, but {there} says {_said(answers[key])}: agree on "
                "one, and remove the other"
            )
    if not answers:
        raise DataError(f"{', '.join(map(str, paths))}: no answer in it; accept sentences on the page and export them")
    return answers


def _lines(paths: Sequence[Path]) -> Iterator[tuple[Path, int, SentenceAnswer]]:
    for path in paths:
        for number, line in read_lines(path, SentenceAnswer, "an answer, as the page of a store exports it"):
            yield path, number, line


def _said(spans: Sequence[Span]) -> str:
    return some([f"{span.label} {span.start}-{span.end}" for span in spans]) or "no entity"


def _check_inside(id: str, spans: Sequence[Span], words: int) -> None:
    if (end := max((span.end for span in spans), default=0)) > words:
        raise DataError(f"sentence {id}: an entity reaches word {end}, expected at most {words}; export again")


def _refuse_missing(
    options: ApplyReviewOptions, missing: dict[Key, tuple[Span, ...]], changed: set[str], total: int, reporter: Reporter
) -> None:
    """Raise DataError where answers are on sentences that the store does not have, unless they may be skipped."""
    if not missing:
        return
    which = some([f"{id}: {'other words' if id in changed else 'not there'}" for id, _ in missing])
    many = f"{counted(len(missing), 'answer')} on sentences that the store does not have as reviewed"
    if len(missing) == total:
        raise DataError(f"{options.store}: this is a review of another store: all {many} ({which}); give the one")
    if not options.skip_changed:
        raise DataError(
            f"{options.store}: {many} ({which}); nothing was written. Give the store that was reviewed, or "
            "`skip_changed` to leave these answers out"
        )
    reporter.warn(f"{many} ({which}): left out")
