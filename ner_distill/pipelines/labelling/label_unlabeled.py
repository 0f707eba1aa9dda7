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
from statistics import fmean
from typing import Any

from ner_distill.console import Reporter
from ner_distill.data.features.words import FILE as VOCABULARY
from ner_distill.data.formats.readers import count_sentences, input_files, read_raw, resumable
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.manifest import InputFile, Manifest, StoreHeader, TeacherId
from ner_distill.data.store.writer import StoreWriter
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import sha256_of
from ner_distill.pipelines.labelling.labeller import Labeller, LabelOptions
from ner_distill.runs.build import ENCODER, WEIGHTS, Built, load_teacher
from ner_distill.runs.heads import QUESTIONS
from ner_distill.runs.info import fold_teachers, read_info
from ner_distill.runs.knowledge import DIRECTORY as KNOWLEDGE
from ner_distill.teacher.model import Teacher


def label_unlabeled(
    teachers: Sequence[Path],
    text: Sequence[str | Path],
    out: Path,
    *,
    options: LabelOptions | None = None,
    format: str = "auto",
    limit: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Manifest:
    """Label text and write a store. `limit` > 0 stops after so many sentences.

    Where more than one vote is asked of a single teacher that was trained with folds, its fold teachers answer in its
    place: their probabilities are averaged, and they vote.

    Raises NerDistillError for wrong input; whole shards are kept whatever happens, and `resume` continues.
    """
    options, reporter = options or LabelOptions(), reporter or Reporter()
    if resume:
        resumable(text)
    # Read when oneDNN is first used. It keeps what it compiled for each shape of a batch, 1024 of them unless told
    # otherwise: that grew with the text by some 150 MB, and hardly any shape beyond a few comes again soon.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    teachers = _voters(teachers, options, reporter)
    built = [load_teacher(teacher) for teacher in teachers]
    labeller = Labeller(built, options)
    header = _header(teachers, built, text, labeller, format, limit)
    stream: Iterator[Sentence] = read_raw(list(text), format=format, unit=built[0].info.unit)
    first = next(stream, None)
    if first is None:
        raise DataError(f"--text {', '.join(map(str, text))}: no sentence in it")
    stream = islice(chain([first], stream), limit or None)
    # only now: whatever was wrong with the input, nothing has been made or replaced
    writer = StoreWriter.resume(out, header) if resume else StoreWriter.create(out, header, overwrite=overwrite)
    for line in writer.remade:
        reporter.warn(line)
    total = count_sentences(text, format=format)
    if total is not None and limit:
        total = min(total, limit)
    shard = labelled = 0
    started = time.monotonic()
    with reporter.progress("labelling", total=total, unit="sentences") as progress:

        def answered(rows: int, words: int) -> None:
            nonlocal labelled
            labelled += words
            progress.advance(rows, **{"words/s": f"{labelled / (time.monotonic() - started):,.0f}"})

        while sentences := list(islice(stream, options.shard_size)):
            if writer.needed(shard):
                before = labeller.counts()
                blocks = labeller.blocks(sentences, shard, answered)
                counted = {key: value - before.get(key, 0) for key, value in labeller.counts().items()}
                writer.write_shard(shard, blocks, counted)
            else:
                progress.advance(len(sentences))
            shard += 1
    return writer.finish(shard)


def _voters(teachers: Sequence[Path], options: LabelOptions, reporter: Reporter) -> Sequence[Path]:
    """The fold teachers of the one teacher, where votes are asked of it and it has some; else the teachers."""
    if options.min_votes == 1 or len(teachers) != 1:
        return teachers
    read_info(teachers[0])
    folds = fold_teachers(teachers[0])
    if folds and not (teachers[0] / "metrics.json").is_file():
        raise ConfigError(f"--teacher {teachers[0]}: its training is not finished; go on with train-teacher --resume")
    if not folds:
        raise ConfigError(
            f"--min-votes {options.min_votes}: {teachers[0]} is one teacher without fold teachers; give several "
            "--teacher, or one trained with --folds"
        )
    reporter.info(f"{len(folds)} fold teachers of {teachers[0]} answer and vote")
    return folds


def fingerprint(run: Path) -> str:
    """A hash of everything that decides what a teacher answers."""
    digest = hashlib.sha256()
    features = [run / VOCABULARY] if (run / VOCABULARY).is_file() else sorted((run / ENCODER).iterdir())
    asked = [run / QUESTIONS] if (run / QUESTIONS).is_file() else []
    known = sorted(path for path in (run / KNOWLEDGE).rglob("*") if path.is_file())
    for path in (run / WEIGHTS, run / "labels.json", run / "config.toml", *features, *asked, *known):
        digest.update(sha256_of(path).encode())
    return digest.hexdigest()


def _header(
    teachers: Sequence[Path],
    built: Sequence[Built[Teacher]],
    text: Sequence[str | Path],
    labeller: Labeller,
    format: str,
    limit: int,
) -> StoreHeader:
    options = labeller.options
    similarities = [one.model.similarity for one in built if one.model.similarity is not None]
    settings: dict[str, Any] = {
        "pairs_per_sentence": options.pairs_per_sentence,
        "min_votes": options.min_votes,
        "min_confidence": options.min_confidence,
        "batch_words": options.batch_words,
        "precision": options.precision,
        "seed": options.seed,
        "format": format,
        "limit": limit,
        # a and b of the teachers' similarity, the mean of several: the student's γ compares with them
        "similarity_scale": fmean(similarity.scale.item() for similarity in similarities) if similarities else 1.0,
        "similarity_shift": fmean(similarity.shift.item() for similarity in similarities) if similarities else 0.0,
    }
    inputs = tuple(
        InputFile(name=str(path), size=path.stat().st_size, sha256=sha256_of(path)) for path in input_files(list(text))
    )
    return StoreHeader(
        labels=built[0].info.labels,
        unit=built[0].info.unit,
        teachers=tuple(TeacherId(name=str(path), fingerprint=fingerprint(path)) for path in teachers),
        inputs=inputs,
        shard_size=options.shard_size,
        block_size=options.block_size,
        span_floor=options.span_floor if labeller.finds_spans else None,
        settings=settings,
    )
