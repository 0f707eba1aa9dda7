"""`label-unlabeled`: one teacher or several over raw text of any size → a soft-label store.

Shard k of the store is a function of the input sentences [k · shard_size, (k + 1) · shard_size), of the teachers and of
the settings alone. That is why a killed run continues without losing or doubling a row, and why a damaged shard
can be made again by itself.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.features.words import FILE as VOCABULARY
from ner_distill.data.formats.readers import count_sentences, input_files, read_raw, resumable
from ner_distill.data.sentence import Sentence, Unit
from ner_distill.data.store.manifest import InputFile, Manifest, StoreHeader, TeacherId
from ner_distill.data.store.writer import StoreWriter
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import sha256_of
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling.labeller import SEED, Labeller, min_votes_of
from ner_distill.runs.build import ENCODER, WEIGHTS, Built, load_teacher
from ner_distill.runs.heads import QUESTIONS
from ner_distill.runs.info import fold_teachers, read_info
from ner_distill.runs.knowledge import DIRECTORY as KNOWLEDGE
from ner_distill.runs.raw_text import cutting_for, said_where_cut
from ner_distill.teacher.model import Teacher
from ner_distill.training.labelled import TOO_LONG


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
    # Read when oneDNN is first used. It keeps what it compiled for each shape of a batch, 1024 of them unless told
    # otherwise: that grew with the text by some 150 MB, and hardly any shape beyond a few comes again soon.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    paths = _voting_teachers(options, reporter)
    teachers = [load_teacher(path) for path in paths]
    labeller = Labeller(teachers, options, seed=seed)
    cutting = cutting_for(paths[0], teachers[0].info, options.unit, reporter)
    header = _header(paths, teachers, labeller, options, cutting.unit)
    stream = said_where_cut(_sentences(options, cutting.unit, reporter), paths[0], cutting, reporter)
    stream = _not_empty(stream, options)
    # only now: whatever was wrong with the input, nothing has been made or replaced
    writer = _open_store(options, header, reporter)
    manifest = writer.finish(_write_shards(writer, labeller, stream, options, reporter))
    if left_out := manifest.counters().get(TOO_LONG, 0):
        reporter.warn(f"{left_out:,} sentences of more than `max_words` words are not in the store")
    return manifest


def _sentences(options: LabelUnlabeledOptions, unit: Unit, reporter: Reporter) -> Iterator[Sentence]:
    return read_raw(
        list(options.text), format=options.format, unit=unit, word_column=options.word_column, say=reporter.info
    )


def _not_empty(stream: Iterator[Sentence], options: LabelUnlabeledOptions) -> Iterator[Sentence]:
    """The first `limit` sentences of the stream. Raises DataError where there is none."""
    first = next(stream, None)
    if first is None:
        raise DataError(f"`text` {', '.join(map(str, options.text))}: no sentence in it")
    return islice(chain([first], stream), options.limit or None)


def _open_store(options: LabelUnlabeledOptions, header: StoreHeader, reporter: Reporter) -> StoreWriter:
    """Begin the store, or go on with it; says which shards are made again."""
    if not options.resume:
        return StoreWriter.create(options.out, header, overwrite=options.overwrite)
    writer = StoreWriter.resume(options.out, header)
    for line in writer.remade:
        reporter.warn(line)
    return writer


def _write_shards(
    writer: StoreWriter,
    labeller: Labeller,
    stream: Iterator[Sentence],
    options: LabelUnlabeledOptions,
    reporter: Reporter,
) -> int:
    """Label the sentences and write the shards that are not there yet. Returns how many shards the store has."""
    total = count_sentences(list(options.text), format=options.format)
    if total is not None and options.limit:
        total = min(total, options.limit)
    shard = labelled = 0
    started = time.monotonic()
    with reporter.progress("labelling", total=total, unit="sentences") as progress:

        def advance(sentences: int, words: int) -> None:
            nonlocal labelled
            labelled += words
            progress.advance(sentences, **{"words/s": f"{labelled / (time.monotonic() - started):,.0f}"})

        while sentences := list(islice(stream, options.shard_size)):
            if writer.needed(shard):
                before = labeller.counts()
                short = [one for one in sentences if not 0 < options.max_words < len(one.words)]
                blocks = labeller.blocks(short, shard, advance)
                counted = {key: value - before[key] for key, value in labeller.counts().items()}
                if left_out := len(sentences) - len(short):
                    counted[TOO_LONG] = left_out
                    progress.advance(left_out)
                writer.write_shard(shard, blocks, counted)
            else:
                progress.advance(len(sentences))
            shard += 1
    return shard


def _voting_teachers(options: LabelUnlabeledOptions, reporter: Reporter) -> Sequence[Path]:
    """Returns the fold teachers of the one teacher, where votes are asked of it and it has some; else the teachers."""
    votes = min_votes_of(options)
    if set(votes.values) == {1} or len(options.teacher) != 1:
        return options.teacher
    (teacher,) = options.teacher
    read_info(teacher)  # raises RunError where there is no run
    folds = fold_teachers(teacher)
    if folds and not (teacher / "metrics.json").is_file():
        raise ConfigError(f"`teacher` {teacher}: its training is not finished; go on with train-teacher and `resume`")
    if not folds:
        raise ConfigError(
            f"`min_votes` {max(votes.values)}: {teacher} is one teacher without fold teachers; give several "
            "`teacher`, or one trained with `folds`"
        )
    reporter.info(f"{len(folds)} fold teachers of {teacher} answer and vote")
    return folds


def fingerprint(run: Path) -> str:
    """Returns a hash of everything that decides what a teacher answers."""
    digest = hashlib.sha256()
    features = [run / VOCABULARY] if (run / VOCABULARY).is_file() else sorted((run / ENCODER).iterdir())
    asked = [run / QUESTIONS] if (run / QUESTIONS).is_file() else []
    known = sorted(path for path in (run / KNOWLEDGE).rglob("*") if path.is_file())
    for path in (run / WEIGHTS, run / "labels.json", run / "config.toml", *features, *asked, *known):
        digest.update(sha256_of(path).encode())
    return digest.hexdigest()


def _header(
    paths: Sequence[Path],
    teachers: Sequence[Built[Teacher]],
    labeller: Labeller,
    options: LabelUnlabeledOptions,
    unit: Unit,
) -> StoreHeader:
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
        **_similarity(teachers),  # what the student's γ compares with
    }
    inputs = [
        InputFile(name=str(path), size=path.stat().st_size, sha256=sha256_of(path))
        for path in input_files(list(options.text))
    ]
    return StoreHeader(
        labels=teachers[0].info.labels,
        unit=unit,
        teachers=tuple(TeacherId(name=str(path), fingerprint=fingerprint(path)) for path in paths),
        inputs=tuple(inputs),
        shard_size=settled.shard_size,
        block_size=labeller.block_size,
        span_floor=settled.span_floor if labeller.finds_spans else None,
        settings=settings,
    )


def _similarity(teachers: Sequence[Built[Teacher]]) -> dict[str, Any]:
    """What the teachers' similarity says. Raises ConfigError where they do not all say the same."""
    said = {
        (teacher.config.similarity.target, teacher.config.similarity.scale)
        for teacher in teachers
        if isinstance(teacher.config, TeacherConfig) and teacher.model.similarity is not None
    }
    if len(said) > 1:
        found = " and ".join(f'"{target}", scale "{scale}"' for target, scale in sorted(said))
        raise ConfigError(f"`teacher`: their similarities say different things: similarity.target {found}")
    target, scale = said.pop() if said else ("type", "learned")
    return {"similarity_target": target, "similarity_scale": scale}
