"""All shards of a store that are not there yet: made by this process, or by the workers of an executor."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path

from ner_distill import __version__
from ner_distill.console import Progress, Reporter
from ner_distill.data.formats.documents import Cut
from ner_distill.data.formats.ranges import Ranges, find_ranges
from ner_distill.data.formats.readers import RawSources, count_sentences
from ner_distill.data.formats.report import SHOWN_PLACES, ReadReport
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.manifest import StoreHeader
from ner_distill.data.store.writer import StoreWriter, is_own
from ner_distill.errors import TrainingError
from ner_distill.executing.base import Executor, Failure, Terms
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling.labeller import ShardLabeller
from ner_distill.pipelines.labelling.shards import LabelWork, Shard, make_shard
from ner_distill.places import LocalPlace, place_of

NAMED = 10  # shards


def write_shards(
    writer: StoreWriter,
    labeller: ShardLabeller,
    stream: Iterator[Sentence],
    options: LabelUnlabeledOptions,
    reporter: Reporter,
) -> int:
    """Label the sentences and write the shards that are not there yet. Returns how many shards the store has."""
    with _progress(_total(options), reporter) as seen:
        cut = _CutOff(options.shard_size, writer, seen)
        for shard in cut.shards(stream):
            entry = make_shard(
                labeller, writer.files, shard.index, shard.sentences, options.max_words, seen.advance, writer.advice
            )
            writer.add(entry)
    return cut.number


def have_shards_written(
    executor: Executor,
    work: LabelWork,
    parts: Ranges | Iterator[Sentence],
    writer: StoreWriter,
    reporter: Reporter,
) -> int:
    """As `write_shards`, by an executor. parts: where the sentences of each shard stand, or else all sentences.

    Raises TrainingError where a shard failed as often as it is tried, when all others are made.
    """
    reporter.info(f"{executor.workers} workers label the text")
    with _progress(parts.sentences if isinstance(parts, Ranges) else _total(work.options), reporter) as seen:
        if isinstance(parts, Ranges):
            _make(executor, work, _planned(parts, writer, seen), writer, seen, reporter)
            return len(parts.starts)
        cut = _CutOff(work.options.shard_size, writer, seen)
        _make(executor, work, cut.shards(parts), writer, seen, reporter)
    return cut.number


def _planned(ranges: Ranges, writer: StoreWriter, seen: _Seen) -> Iterator[Shard]:
    """The shards that are needed, by where their sentences stand."""
    for index, start in enumerate(ranges.starts):
        if writer.needed(index):
            yield Shard(index, start=start, count=ranges.count(index))
        else:
            seen.advance(ranges.count(index), 0)


class _CutOff:
    """Cuts a stream into shards. number: how many there were."""

    def __init__(self, size: int, writer: StoreWriter, seen: _Seen) -> None:
        self._size, self._writer, self._seen, self.number = size, writer, seen, 0

    def shards(self, stream: Iterator[Sentence]) -> Iterator[Shard]:
        """Those that are needed, with their sentences."""
        while sentences := tuple(islice(stream, self._size)):
            self.number += 1
            if self._writer.needed(self.number - 1):
                yield Shard(self.number - 1, sentences)
            else:
                self._seen.advance(len(sentences), 0)


class _Seen:
    """Shows how far a labelling has come."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._words, self._began = progress, 0, time.monotonic()

    def advance(self, sentences: int, words: int) -> None:
        self._words += words
        rate = self._words / max(1e-9, time.monotonic() - self._began)
        self._progress.advance(sentences, **{"words/s": f"{rate:,.0f}"} if self._words else {})


@contextmanager
def _progress(total: int | None, reporter: Reporter) -> Iterator[_Seen]:
    with reporter.progress("labelling", total=total, unit="sentences") as progress:
        yield _Seen(progress)


def _total(options: LabelUnlabeledOptions) -> int | None:
    """About how many sentences there are; None where nobody knows."""
    total = None if options.split_sentences else count_sentences(list(options.text), format=options.format)
    return min(total, options.limit) if total is not None and options.limit else total


def _make(
    executor: Executor,
    work: LabelWork,
    shards: Iterable[Shard],
    writer: StoreWriter,
    seen: _Seen,
    reporter: Reporter,
) -> None:
    """Have shards made by workers; those that are whole are listed in the store at once."""
    warned, report, failed = set[str](), ReadReport(), dict[int, Failure]()

    def troubled(shard: Shard, failure: Failure, times: int) -> None:
        of = terms.losses if failure.died else terms.tries
        reporter.warn(f"shard {shard.index}: {failure.reason}; it is tried again ({times} of {of} failed)")

    terms = Terms[Shard](advance=seen.advance, troubled=troubled, waits=reporter.warn)
    with closing(executor.run(work, shards, terms)) as outcomes:
        for outcome in outcomes:
            if outcome.failure is not None:
                failed[outcome.piece.index] = outcome.failure
                log = f"\n{outcome.failure.log}" if outcome.failure.log else ""
                reporter.warn(f"shard {outcome.piece.index} is left out: {outcome.failure.reason}{log}")
            elif (made := outcome.result) is not None:
                writer.add(made.entry)
                for message in made.warnings:
                    if message not in warned:
                        warned.add(message)
                        reporter.warn(message)
                _add_to(report, made.report)
    writer.place.remove_unfinished(is_own)  # of workers that died
    if not report.clean:
        reporter.info(report.summary())
    if failed:
        names = [str(index) for index in sorted(failed)[:NAMED]] + ["..."] * (len(failed) > NAMED)
        reasons = Counter(failure.reason for failure in failed.values())
        raise TrainingError(
            f"{writer.place.shown}: {len(failed)} shards could not be made ({', '.join(names)}): "
            f"{reasons.most_common(1)[0][0]}. All others are kept: mend the cause, then run again with `resume`"
        )


def _add_to(report: ReadReport, other: ReadReport) -> None:
    for finding, count in other.counts.items():
        report.counts[finding] = report.counts.get(finding, 0) + count
        places = report.places.setdefault(finding, [])
        places += other.places[finding][: SHOWN_PLACES - len(places)]


# ---- where the sentences of each shard stand


class Plan:
    """Where the sentences of each shard stand, kept in a file beside the store until that is complete."""

    def __init__(self, sources: RawSources, options: LabelUnlabeledOptions, header: StoreHeader) -> None:
        self._sources, self._options = sources, options
        made_of = [
            __version__,  # another one may cut text otherwise
            [one.sha256 for one in header.inputs],
            [one.format for one in sources.sources],
            sources.unit,
            sources.word_column,
            Cut.of(options).recorded(),
            options.lang,
            options.shard_size,
            options.limit,
        ]
        self._key = sha256(json.dumps(made_of).encode()).hexdigest()
        place = place_of(options.out)
        self._path: Path | None = None  # of a store that lies in no directory of this machine none is kept
        if isinstance(place, LocalPlace):
            self._path = place.path.with_name(f"{place.path.name}.plan")

    def ranges(self, reporter: Reporter) -> Ranges:
        """Those that were kept for this text, or found by a pass over it."""
        if self._path is not None and (kept := Ranges.saved(self._path, self._key)) is not None:
            return kept
        with reporter.progress("looking through the text", unit="sentences") as progress:
            return find_ranges(
                self._sources,
                self._options.shard_size,
                self._options.limit,
                say=reporter.info,
                advance=progress.advance,
            )

    def keep(self, ranges: Ranges) -> None:
        if self._path is not None:
            ranges.save(self._path, self._key)

    def forget(self) -> None:
        """Remove the file, which nothing needs any more."""
        if self._path is not None:
            Ranges.forget(self._path)
