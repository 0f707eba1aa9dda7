"""`predict`: the entities of text, as it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread

from ner_distill.console import Reporter
from ner_distill.data.formats.lines import STDIN
from ner_distill.data.formats.readers import read_raw
from ner_distill.data.lexicon.lexicon import Match
from ner_distill.data.sentence import ScoredSpan, Sentence
from ner_distill.errors import ConfigError
from ner_distill.options.models import PredictOptions
from ner_distill.runs.build import load_run
from ner_distill.runs.knowledge import NO_WORDS
from ner_distill.runs.raw_text import cutting_for, said_where_cut
from ner_distill.runtime.inference import best_device, predict_sentences

WINDOW = 2048


@dataclass(frozen=True)
class Prediction:
    """A sentence, the entities that the model finds in it, and the words of its lexicon where they are asked for."""

    sentence: Sentence
    spans: Sequence[ScoredSpan]
    matches: Sequence[Match] | None


def predict(options: PredictOptions, reporter: Reporter | None = None) -> Iterator[Prediction]:
    """The sentences of the text with their entities, as they come, but for those of over `max_words` words.

    Memory is constant. Standard input is answered as it comes: what is there is answered before more is waited for.
    Raises NerDistillError for wrong input.
    """
    reporter, built = reporter or Reporter(), load_run(options.model)
    matcher = built.knowledge.matcher if options.lattice and built.knowledge is not None else None
    if options.lattice and matcher is None:
        raise ConfigError(f"{options.model}: {NO_WORDS}")
    tagger = built.tagger.to(best_device())
    cutting = cutting_for(options.model, built.info, options.unit, reporter)
    sentences = read_raw(
        list(options.text),
        format=options.input_format,
        unit=cutting.unit,
        word_column=options.word_column,
        say=reporter.info,
    )
    sentences = said_where_cut(sentences, options.model, cutting, reporter)
    sentences = shorter(sentences, options.max_words, reporter)
    groups: Iterable[Iterable[Sentence]] = as_they_come(sentences) if STDIN in map(str, options.text) else [sentences]
    for group in groups:
        for sentence, spans in predict_sentences(tagger, built.featurizer, built.info.tagset, group, window=WINDOW):
            yield Prediction(sentence, spans, None if matcher is None else matcher.matches(sentence.words))


def shorter(sentences: Iterable[Sentence], max_words: int, reporter: Reporter) -> Iterator[Sentence]:
    """Those of no more words, where max_words is above 0; at the end says how many others there were, and the first."""
    left_out, first = 0, ""
    for sentence in sentences:
        if not 0 < max_words < len(sentence.words):
            yield sentence
            continue
        left_out, first = left_out + 1, first or sentence.id
    if left_out:
        reporter.warn(f"{left_out:,} sentences of more than `max_words` words left out, the first at {first}")


def as_they_come(sentences: Iterable[Sentence]) -> Iterator[list[Sentence]]:
    """The sentences in groups of those that are already there, 1 to WINDOW of them; another thread reads on.

    What reading them raises is raised after the sentences before it.
    """
    queue: Queue[Sentence | Exception | None] = Queue(2 * WINDOW)
    gone = Event()
    Thread(target=_read, args=(sentences, queue, gone, sys.stdin), daemon=True).start()
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


def _read(
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
