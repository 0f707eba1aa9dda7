"""`predict`: the entities of text, as it comes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path
from queue import Queue
from threading import Event, Thread

from ner_distill.console import Reporter
from ner_distill.data.formats.documents import Answer, Conversation, Cut, Document
from ner_distill.data.formats.lines import STDIN
from ner_distill.data.formats.readers import read_documents, read_texts
from ner_distill.data.lexicon.lexicon import Match
from ner_distill.data.sentence import ScoredSpan, Sentence, Span, Unit, unit_named
from ner_distill.errors import ConfigError, RunError
from ner_distill.options.models import PredictOptions
from ner_distill.pipelines.floors import Floors, read_floors
from ner_distill.pipelines.foreign import foreign_settings
from ner_distill.runs.answering import is_single_run, open_model
from ner_distill.runs.build import load_run
from ner_distill.runs.calibration import read_calibration
from ner_distill.runs.knowledge import NO_WORDS
from ner_distill.runs.raw_text import cutting_for, said_where_cut
from ner_distill.runtime.inference import device_named, predict_sentences

WINDOW = 2048


@dataclass(frozen=True)
class Prediction:
    """A sentence, the entities that the model finds in it, and the words of its lexicon where they are asked for.

    parts: of a document that was cut into sentences, these, with their entities.
    """

    sentence: Sentence
    spans: Sequence[ScoredSpan]
    matches: Sequence[Match] | None
    parts: Sequence[Answer] = ()


def predict(options: PredictOptions, reporter: Reporter | None = None) -> Iterator[Prediction]:
    """The sentences of the text with their entities, in order and as they come: one for every line and record of it.

    One without a word, or of over `max_words` words, has no entities. Where `split_sentences` cuts documents, their
    sentences are asked about one by one, and each document is given as it was, with all their entities. Memory is
    constant, but for a document. Standard input is answered
    as it comes: what is there is answered before more is waited for. Scores are calibrated where the run is.
    Raises NerDistillError for wrong input.
    """
    reporter = reporter or Reporter()
    if options.text and options.texts:
        raise ConfigError("`texts` and `text`: expected text itself or files of it, found both")
    if not is_single_run(options.models):
        yield from _of_others(options, reporter)
        return
    (run,) = options.models
    device = device_named(options.device)
    built = load_run(run)
    matcher = built.knowledge.matcher if options.lattice and built.knowledge is not None else None
    if options.lattice and matcher is None:
        raise ConfigError(f"{run}: {NO_WORDS}")
    calibration = read_calibration(run, built.info.labels)
    floors = read_floors(run, options.min_score, built.info.labels, reporter)
    tagger = built.tagger.to(device)
    cutting = cutting_for(run, built.info, options.unit, reporter)
    asked_about = Conversation(_read(options, cutting.unit, reporter))
    sentences = said_where_cut(asked_about.sentences(), run, cutting, reporter)

    def find(asked: Iterable[Sentence]) -> Iterator[tuple[Sentence, Sequence[ScoredSpan]]]:
        found = predict_sentences(tagger, built.featurizer, built.info.tagset, asked, window=WINDOW)
        return ((sentence, calibration.applied(spans)) for sentence, spans in found)

    for document, found in asked_about.documents(_answers(options, sentences, find, reporter)):
        matches = None if matcher is None else matcher.matches(document.whole.words)
        yield _prediction(document, found, floors, matches)


def _of_others(options: PredictOptions, reporter: Reporter) -> Iterator[Prediction]:
    """As `predict`, of an exported model, of somebody else's, or of several models."""
    model = open_model(options.models, foreign=foreign_settings(options), device=options.device)
    if options.lattice:
        raise ConfigError(f"{options.named}: {NO_WORDS}")
    floors = read_floors(model, options.min_score, model.labels, reporter)
    unit = unit_named(options.unit) or unit_named(model.unit)
    if unit is None:
        raise RunError(f"{options.named}: expected the unit word, character or blank, found {model.unit!r}")
    if unit != model.unit:
        reporter.warn(f"`unit` {unit}: text is cut so, though {options.named} was trained on words cut by {model.unit}")

    def find(asked: Iterable[Sentence]) -> Iterator[tuple[Sentence, Sequence[ScoredSpan]]]:
        sentences = list(asked)
        found = model.found([sentence.words for sentence in sentences])
        spans = ([(Span(start, end, label), score) for start, end, label, score in own] for own in found)
        return zip(sentences, spans, strict=True)

    asked_about = Conversation(_read(options, unit, reporter))
    for document, found in asked_about.documents(_answers(options, asked_about.sentences(), find, reporter)):
        yield _prediction(document, found, floors, None)


def _prediction(
    document: Document, found: Sequence[Sequence[ScoredSpan]], floors: Floors, matches: Sequence[Match] | None
) -> Prediction:
    passing = [floors.passing(spans) for spans in found]
    parts = [(part.sentence, spans) for part, spans in zip(document.parts, passing, strict=True)]
    is_cut = document.parts[0].sentence is not document.whole
    return Prediction(document.whole, document.joined(passing), matches, parts if is_cut else ())


def _read(options: PredictOptions, unit: Unit, reporter: Reporter) -> Iterator[Document]:
    cut = Cut.of(options)
    if options.texts:
        for text in filter(_names_a_file, options.texts):
            reporter.warn(f"{text}: is a file, but its name is looked at; to read the file give it as `text`")
        return read_texts(options.texts, unit, cut.splitter)
    return read_documents(
        list(options.files),
        cut,
        format=options.input_format,
        unit=unit,
        word_column=options.word_column,
        say=reporter.info,
        every_line=True,
    )


def _names_a_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or a NUL in it
        return False


Find = Callable[[Iterable[Sentence]], Iterator[tuple[Sentence, Sequence[ScoredSpan]]]]
"""Sentences → the same with their entities."""


def _answers(
    options: PredictOptions, sentences: Iterable[Sentence], find: Find, reporter: Reporter
) -> Iterator[tuple[Sentence, Sequence[ScoredSpan]]]:
    """The sentences with their entities; at the end says what was not read."""
    groups: Iterable[Iterable[Sentence]] = as_they_come(sentences) if STDIN in map(str, options.files) else [sentences]
    answered, too_long = 0, TooLong(options.max_words)
    for group in groups:
        for one in _answered(group, find, too_long):
            answered += 1
            yield one
    if not answered:
        reporter.warn(f"`text` {', '.join(map(str, options.files))}: no line in it")
    too_long.warn(reporter)


@dataclass
class TooLong:
    """Sentences of more than `limit` words, where that is above 0: how many were met, and the id of the first."""

    limit: int
    count: int = 0
    first: str = ""

    def __call__(self, sentence: Sentence) -> bool:
        if not 0 < self.limit < len(sentence.words):
            return False
        self.count, self.first = self.count + 1, self.first or sentence.id
        return True

    def warn(self, reporter: Reporter) -> None:
        if self.count:
            reporter.warn(
                f"{self.count:,} sentences of more than `max_words` words are not read, the first at {self.first}: "
                "they are printed without entities"
            )


def _answered(
    sentences: Iterable[Sentence], find: Find, too_long: TooLong
) -> Iterator[tuple[Sentence, Sequence[ScoredSpan]]]:
    """The sentences with what the model finds; it is asked of those alone that have a word and are not too long."""
    stream = iter(sentences)
    while window := list(islice(stream, WINDOW)):
        asked = [bool(sentence.words) and not too_long(sentence) for sentence in window]
        read = compress(window, asked)
        found = find(read)
        for sentence, one in zip(window, asked, strict=True):
            yield next(found) if one else (sentence, ())


def as_they_come(sentences: Iterable[Sentence]) -> Iterator[list[Sentence]]:
    """The sentences in groups of those that are already there, 1 to WINDOW of them; another thread reads on.

    What reading them raises is raised after the sentences before it.
    """
    queue: Queue[Sentence | Exception | None] = Queue(2 * WINDOW)
    gone = Event()
    Thread(target=_read_on, args=(sentences, queue, gone, sys.stdin), daemon=True).start()
    try:
        while True:
            items = [queue.get()]
            while len(items) < WINDOW and not queue.empty():
                items.append(queue.get_nowait())  # never empty: nobody else takes from it
            if group := [item for item in items if isinstance(item, Sentence)]:
                yield group
            if isinstance(items[-1], Exception):
                raise items[-1]
            if items[-1] is None:
                return
    finally:
        gone.set()
        while not queue.empty():  # the thread may be waiting for room
            queue.get_nowait()


def _read_on(
    sentences: Iterable[Sentence], queue: Queue[Sentence | Exception | None], gone: Event, _stdin: object
) -> None:
    """Put the sentences into the queue, at last None or what was raised, until the consumer is gone.

    _stdin: kept alive by this frame. Were it closed when Python ends, while this thread still waits for a line of it,
    Python would abort.
    """
    try:
        for sentence in sentences:
            queue.put(sentence)
            if gone.is_set():
                return
        queue.put(None)
    except Exception as error:  # raised again by the consumer
        queue.put(error)
