"""`label-unlabeled`: one teacher or several over raw text of any size → a soft-label store.

Shard k of the store is a function of the input sentences [k · shard_size, (k + 1) · shard_size), of the teachers and of
the settings alone. That is why a killed run continues without losing or doubling a row, and why a damaged shard
can be made again by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ner_distill.console import Reporter
from ner_distill.data.formats.documents import Cut
from ner_distill.data.formats.readers import RawSources, input_files, raw_sources, resumable
from ner_distill.data.formats.reading import unit_of_raw
from ner_distill.data.formats.report import ReadReport
from ner_distill.data.formats.units import Cutting
from ner_distill.data.sentence import Sentence, Unit
from ner_distill.data.store.manifest import (
    OUT_OF_FOLD,
    InputFile,
    Manifest,
    StoreHeader,
    StorePrecision,
    TeacherId,
    is_store,
    read_manifest,
)
from ner_distill.data.store.writer import StoreWriter, is_own
from ner_distill.errors import ConfigError, DataError
from ner_distill.executing.opening import executor_for
from ner_distill.holding import until_done
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling.answering import Answering, learn
from ner_distill.pipelines.labelling.asked import LoadedRuns, asked_runs, load_runs
from ner_distill.pipelines.labelling.driving import Plan, have_shards_written, write_shards
from ner_distill.pipelines.labelling.held_out import HeldOut
from ner_distill.pipelines.labelling.known import FEWER, UNANSWERED
from ner_distill.pipelines.labelling.labeller import SEED
from ner_distill.pipelines.labelling.panel import Panel, Weights
from ner_distill.pipelines.labelling.shards import LabelWork, set_environment
from ner_distill.pipelines.labelling.voices import Voice
from ner_distill.pipelines.labelling.weighing import NAME as WEIGHTS_NAME
from ner_distill.pipelines.labelling.weighing import (
    found_on,
    labelled_hashes,
    stored_weights,
    weights_by_labelled,
    weights_by_text,
)
from ner_distill.places.urls import is_url, last_part, require_shared
from ner_distill.runs.raw_text import cutting_for, said_where_cut
from ner_distill.training.labelled import TOO_LONG


@until_done()
def label_unlabeled(options: LabelUnlabeledOptions, reporter: Reporter | None = None, *, seed: int = SEED) -> Manifest:
    """Label raw text and write a store.

    Where more than one vote is asked of a single teacher that was trained with folds, its fold teachers answer in its
    place: their probabilities are averaged, and they vote.

    Sentences of more than `max_words` words are left out and counted. It is no part of what a store is made with, so
    that `resume` may go on with another: shards that are whole stay as they are.

    seed: decides which pairs of words are sampled.
    Raises NerDistillError for wrong input; whole shards are kept whatever happens, and `resume` continues.
    """
    reporter = reporter or Reporter()
    if options.resume:
        resumable(list(options.text))
    set_environment()
    if options.executor:
        require_shared(options.out, "`executor` starts others")
    executor = executor_for(options)
    asked = load_runs(options, reporter)
    text = _Text.of(options, asked, reporter)
    learn(options, asked, text.cutting, reporter)
    # what can be read from anywhere is read by the workers of an executor
    by_ranges = executor is not None and text.sources.begin_anywhere
    stream = iter(()) if by_ranges else text.sentences(options, reporter)
    weights, stream = _weights(options, asked, text.cutting, stream, reporter)
    answering = Answering.of(options, asked, weights, seed)
    header = _header(asked, answering, options, text.cutting.unit, weights)
    plan = Plan(text.sources, options, header) if by_ranges else None
    ranges = None if plan is None else plan.ranges(reporter)
    if ranges is not None and not ranges.sentences:
        raise _no_sentence(options)
    # only now: whatever was wrong with the input, nothing has been made or replaced
    writer = _open_store(options, header, reporter)
    if executor is None:
        shards = write_shards(writer, answering.shards, stream, options, reporter)
    else:
        if plan is not None and ranges is not None:
            plan.keep(ranges)
        by_device = answering.labeller.options
        work = LabelWork(
            replace(options, batch_words=by_device.batch_words, precision=by_device.precision),
            weights,
            seed,
            text.cutting,
            text.cuttings if by_ranges else (),
            writer.files,
            text.sources,
        )
        shards = have_shards_written(executor, work, stream if ranges is None else ranges, writer, reporter)
    manifest = writer.finish(shards)
    if plan is not None:
        plan.forget()
    _say_counted(manifest, asked, options, reporter)
    return manifest


@dataclass(frozen=True)
class _Text:
    """The raw text. cutting: how it is cut into words; cuttings: how those of each run are, as the text is."""

    sources: RawSources
    cutting: Cutting
    cuttings: tuple[tuple[Path, Cutting], ...]

    @classmethod
    def of(cls, options: LabelUnlabeledOptions, asked: LoadedRuns, reporter: Reporter) -> _Text:
        cut = Cut.of(options)
        cuttings = [(run, cutting_for(run, info, options.unit, reporter)) for run, info in asked.infos()]
        if cuttings:
            cutting = cuttings[0][1]
        else:
            cutting = Cutting(unit_of_raw(options.text, options.format, options.unit, options.word_column, cut=cut))
        sources = raw_sources(
            list(options.text),
            cut,
            format=options.format,
            unit=cutting.unit,
            word_column=options.word_column,
            say=reporter.info,
        )
        return cls(sources, cutting, tuple(cuttings))

    def sentences(self, options: LabelUnlabeledOptions, reporter: Reporter) -> Iterator[Sentence]:
        """Its sentences. Says of each run what is other about the words that it was trained on."""
        documents = self.sources.documents(ReadReport(say=reporter.info))
        stream: Iterator[Sentence] = (part.sentence for document in documents for part in document.parts)
        for run, own in self.cuttings:
            stream = said_where_cut(stream, run, own, reporter)
        return _not_empty(stream, options)


def _not_empty(stream: Iterator[Sentence], options: LabelUnlabeledOptions) -> Iterator[Sentence]:
    """The first `limit` sentences of the stream. Raises DataError where there is none."""
    first = next(stream, None)
    if first is None:
        raise _no_sentence(options)
    return islice(chain([first], stream), options.limit or None)


def _no_sentence(options: LabelUnlabeledOptions) -> DataError:
    return DataError(f"`text` {', '.join(map(str, options.text))}: no sentence in it")


def _open_store(options: LabelUnlabeledOptions, header: StoreHeader, reporter: Reporter) -> StoreWriter:
    """Begin the store, or go on with it; says which shards are made again."""
    if not options.resume:
        if options.overwrite:
            _require_kept(options)
        return StoreWriter.create(options.out, header, overwrite=options.overwrite)
    writer = StoreWriter.resume(options.out, header, verify=options.verify)
    for line in writer.remade:
        reporter.warn(line)
    return writer


def _require_kept(options: LabelUnlabeledOptions) -> None:
    """Raise ConfigError where a file that is read is one of the store that is to be replaced."""
    answers = [asked.run for asked in asked_runs("teacher", options.teacher) if asked.kind == "answers"]
    out = str(options.out) if is_url(options.out) else Path(options.out).resolve()
    for file in input_files([*options.text, *options.labelled, *answers]):
        folder: str | Path = file.rpartition("/")[0] if isinstance(file, str) else file.resolve().parent
        if folder == out and is_own(last_part(str(file))):
            raise ConfigError(
                f"{file}: is read, and `overwrite` would remove it with the store {options.out}; write to another `out`"
            )


def _weights(
    options: LabelUnlabeledOptions,
    asked: LoadedRuns,
    cutting: Cutting,
    stream: Iterator[Sentence],
    reporter: Reporter,
) -> tuple[Weights, Iterator[Sentence]]:
    """The weights that were given, found, or of a resumed store those that it was begun with; and the stream."""
    if options.teacher_weights == "given":
        return asked.weights, stream
    weights = _begun_with(options, asked)
    if weights is None and options.labelled:
        weights = weights_by_labelled(options, asked.teachers, cutting, reporter)
    if weights is None:
        weights, stream = weights_by_text(options, asked.teachers, cutting, stream, reporter)
    for number, teacher in enumerate(asked.teachers):
        own = weights.one(number)
        of_types = "".join(f", {label} {value:.3f}" for label, value in own.of_types.items())
        reporter.info(f"weight of {teacher.name}: {own.general:.3f}{of_types}")
    return weights, stream


def _begun_with(options: LabelUnlabeledOptions, asked: LoadedRuns) -> Weights | None:
    """The weights of the store that is resumed, if they were found for the same teachers on the same sentences."""
    if not options.resume or not is_store(options.out):
        return None
    manifest, wanted = read_manifest(options.out), found_on(options)
    same = [one.fingerprint for one in manifest.teachers] == [one.fingerprint() for one in asked.teachers]
    if not same or any(manifest.settings.get(name) != value for name, value in wanted.items()):
        return None  # resuming is refused, and says what differs
    return stored_weights(manifest, len(asked.teachers))


def _header(
    asked: LoadedRuns, answering: Answering, options: LabelUnlabeledOptions, unit: Unit, weights: Weights
) -> StoreHeader:
    panel, labeller = answering.panel, answering.labeller
    settled = labeller.options
    settings: dict[str, Any] = {
        "pairs_per_sentence": settled.pairs_per_sentence,
        "min_votes": votes if isinstance(votes := labeller.min_votes.plain, int) else tuple(votes),
        "min_confidence": settled.min_confidence,
        "batch_words": settled.batch_words,
        "precision": settled.precision,
        "seed": labeller.seed,
        "format": options.format,
        "limit": options.limit,
        **({} if options.word_column is None else {"word_column": options.word_column}),
        **Cut.of(options).recorded(),
        **({"calibrated": tuple(one.temperature for one in panel.tagging)} if options.calibrated else {}),
        **_weighing(options, asked, weights, answering.folds),
        **_similarity(panel, settled.pairs_per_sentence),  # what the student's γ compares with
    }
    inputs = [InputFile.of(path) for path in input_files(list(options.text))]
    return StoreHeader(
        labels=panel.labels,
        unit=unit,
        teachers=_ids(asked.teachers),
        evaluators=_ids(asked.evaluators),
        inputs=tuple(inputs),
        shard_size=settled.shard_size,
        block_size=labeller.block_size,
        span_floor=settled.span_floor if labeller.finds_spans else None,
        store_precision=_store_precision(options),
        settings=settings,
    )


def _store_precision(options: LabelUnlabeledOptions) -> StorePrecision:
    """The form of the shards: as asked, else that of the store that is resumed, else compact."""
    if options.store_precision != "auto":
        return options.store_precision
    if options.resume and is_store(options.out):
        return read_manifest(options.out).store_precision
    return "compact"


def _ids(voices: Sequence[Voice]) -> tuple[TeacherId, ...]:
    return tuple(TeacherId(name=one.name, fingerprint=one.fingerprint()) for one in voices)


def _weighing(
    options: LabelUnlabeledOptions, asked: LoadedRuns, weights: Weights, folds: Sequence[HeldOut]
) -> dict[str, Any]:
    """What settings say of who answers with which weight; nothing of a plain mean of teachers that all answer alone."""
    own = asked.evaluator_weights
    return {
        **weights.recorded(WEIGHTS_NAME),
        **found_on(options),
        **(own.recorded("evaluator_weights") if own is not None else {}),
        **({"out_of_fold": tuple(one.fingerprint() for one in folds)} if folds else {}),
        **_foreign(options, asked),
    }


def _foreign(options: LabelUnlabeledOptions, asked: LoadedRuns) -> dict[str, Any]:
    """What settings say of somebody else's models: how their types are read, and what their answers are trusted by."""
    confidence = options.confidence
    given = (str(confidence),) if isinstance(confidence, int | float) else tuple(confidence)
    estimated = options.labelled and not given and any(one.knows_some for one in asked.teachers)
    return {
        **({"map": tuple(sorted(options.map))} if options.map else {}),
        **({"types": tuple(options.types)} if options.types else {}),
        **({"confidence": given} if given else {}),
        **({"confidence_by": labelled_hashes(options)} if estimated else {}),
    }


def _say_counted(manifest: Manifest, asked: LoadedRuns, options: LabelUnlabeledOptions, reporter: Reporter) -> None:
    counters = manifest.counters()
    if unknown := counters.get(UNANSWERED, 0):
        reporter.warn(f"{unknown:,} sentences that no teacher has an answer to are not in the store")
    of_foreign = {name for one in asked.foreign for name in one.counts} | {FEWER}
    for name, number in counters.items():
        if name in of_foreign:
            reporter.info(f"{name}: {number:,}")
    if manifest.total("rows") and not manifest.total("kept"):
        reporter.warn("no word is kept: a student learns nothing from it; lower `min_votes` or `min_confidence`")
    if left_out := counters.get(TOO_LONG, 0):
        reporter.warn(f"{left_out:,} sentences of more than `max_words` words are not in the store")
    if options.out_of_fold:
        answered, all_rows = counters.get(OUT_OF_FOLD, 0), manifest.total("rows")
        said = f"{answered:,} of {all_rows:,} sentences stand in training text: fold teachers answered them"
        reporter.info(said) if answered else reporter.warn(f"`out_of_fold`: {said}; is a training text in `text`?")


def _similarity(panel: Panel, pairs: int) -> dict[str, Any]:
    """What the similarities say, and whose they are where only some of the teachers compare words.

    Raises ConfigError where there are pairs, and the similarities do not all say the same.
    """
    target, scale = panel.statement(compares=pairs > 0)
    able = tuple(one.similarity is not None for one in panel.members)
    some = pairs > 0 and all(one.weights is not None for one in panel.members) and any(able) and not all(able)
    return {"similarity_target": target, "similarity_scale": scale, **({"teacher_compares": able} if some else {})}
