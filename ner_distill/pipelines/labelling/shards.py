"""A shard of a labelling: what is done for one, whoever does it, and the work of those who do nothing else."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import RawSources, Start
from ner_distill.data.formats.report import ReadReport
from ner_distill.data.formats.units import Cutting
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.entries import ShardEntry
from ner_distill.data.store.writer import ShardFiles
from ner_distill.errors import ConfigError, DataError
from ner_distill.executing.base import Advance, Work
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling.answering import Answering, learn
from ner_distill.pipelines.labelling.asked import LoadedRuns, load_runs
from ner_distill.pipelines.labelling.labeller import ShardLabeller
from ner_distill.pipelines.labelling.panel import Weights
from ner_distill.runs.raw_text import said_where_cut
from ner_distill.training.labelled import TOO_LONG


@dataclass(frozen=True)
class Shard:
    """A shard that is to be made, and its sentences: themselves, or where they stand and how many there are."""

    index: int
    sentences: tuple[Sentence, ...] = ()
    start: Start | None = None
    count: int = 0


@dataclass(frozen=True)
class Made:
    """A shard whose file is whole. warnings: what was said of its text; report: what had to be repaired in it."""

    entry: ShardEntry
    warnings: tuple[str, ...] = ()
    report: ReadReport = field(default_factory=ReadReport)


def make_shard(
    labeller: ShardLabeller,
    files: ShardFiles,
    index: int,
    sentences: Sequence[Sentence],
    max_words: int,
    advance: Advance,
    advice: str = "",
) -> ShardEntry:
    """Label the sentences of a shard and write its file. Sentences of more than `max_words` words (not 0) are counted.

    Raises as `ShardFiles.write` does.
    """
    before = labeller.counts()
    short = [one for one in sentences if not 0 < max_words < len(one.words)]
    blocks = labeller.blocks(short, index, advance)
    # what came to nothing depends on what was labelled before by the same process
    counted = {key: value - before[key] for key, value in sorted(labeller.counts().items()) if value > before[key]}
    if left_out := len(sentences) - len(short):
        counted[TOO_LONG] = left_out
        advance(left_out, 0)
    return files.write(index, blocks, counted, advice=advice)


@dataclass(frozen=True)
class LabelWork(Work[Shard, Made]):
    """What a worker needs to make shards.

    options: settled: what depends on the device is said.
    weights: of the teachers. sources: where the text is read.
    cuttings: how the words of each run are cut, as the text is, to say so; () where that was said.
    """

    options: LabelUnlabeledOptions
    weights: Weights
    seed: int
    cutting: Cutting
    cuttings: Sequence[tuple[Path, Cutting]]
    files: ShardFiles
    sources: RawSources

    def open(self) -> Callable[[Shard, Advance], Made]:
        set_environment()
        quiet = Reporter(quiet=True)
        asked = load_runs(self.options, quiet)
        learn(self.options, asked, self.cutting, quiet)
        self._require_same(asked)
        return _Maker(self, Answering.of(self.options, asked, self.weights, self.seed)).make

    def _require_same(self, asked: LoadedRuns) -> None:
        """Raise ConfigError where the teachers here are not those that the store says: it would hold two kinds of rows.

        A machine of a cluster may have other files under the same paths, and a run may be trained again meanwhile.
        """
        header = self.files.header
        for known, here in zip(
            [*header.teachers, *header.evaluators], [*asked.teachers, *asked.evaluators], strict=True
        ):
            if here.fingerprint() != known.fingerprint:
                raise ConfigError(
                    f"{here.name} on {platform.node()} is not the run that the store was begun with (fingerprint "
                    f"{known.fingerprint}, found {here.fingerprint()}): copy it there, and leave it as it is"
                )


class _Listening(Reporter):
    """Keeps warnings, for another process to say."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@dataclass(frozen=True)
class _Maker:
    work: LabelWork
    answering: Answering

    def make(self, shard: Shard, advance: Advance) -> Made:
        work, report, listening = self.work, ReadReport(), _Listening()
        sentences: Iterable[Sentence] = shard.sentences
        if shard.start is not None:
            sentences = self._read(shard.start, shard.count, report)
        for run, cutting in work.cuttings:
            sentences = said_where_cut(sentences, run, cutting, listening)
        entry = make_shard(
            self.answering.shards, work.files, shard.index, list(sentences), work.options.max_words, advance
        )
        return Made(entry, tuple(listening.warnings), report)

    def _read(self, start: Start, count: int, report: ReadReport) -> list[Sentence]:
        """Raises DataError where the text is not what it was when the shards were planned: sentences would be lost."""
        sentences = self.work.sources.sentences(start, count, report)
        if len(sentences) != count:
            where = f"{self.work.sources.sources[start.source].path}:{start.line + 1}"
            raise DataError(
                f"{where}: expected {count} sentences from here on, as when the text was looked through, found "
                f"{len(sentences)}; is it being written to, or another file on this machine?"
            )
        return sentences


def set_environment() -> None:
    """What labelling asks of libraries, before they are used.

    oneDNN keeps what it compiled for each shape of a batch, 1024 of them unless told otherwise: that grew with the text
    by some 150 MB, and hardly any shape beyond a few comes again soon.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
