"""`learning-curve`: F1 with a quarter, half, three quarters and all of the labels, and what more of them would bring.

OUT/curve.json             the files it is about, with hashes; figures of every run, and the curve through them
OUT/dev.jsonl, test.jsonl  the development and test sentences, words as they were cut
OUT/seed-13/half.jsonl     a part of the labelled sentences; smaller parts of a seed lie in its larger ones
OUT/seed-13/half/          a run of train-teacher on it, with measured.json: memory, scores on the test files
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.writers import write_words
from ner_distill.data.sentence import Sentence, Unit
from ner_distill.directories import OutputKind, make_directory
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.executing.each import require_one_process
from ner_distill.executing.opening import executor_for
from ner_distill.files import read_json, write_json
from ner_distill.holding import until_done
from ner_distill.options import ReadOptions
from ner_distill.options.training import CurveOptions, TeacherOptions
from ner_distill.pipelines.comparison.compare import FIRST_SEED
from ner_distill.pipelines.comparison.figures import Comparison, Run, comparison_of
from ner_distill.pipelines.comparison.job import (
    Runner,
    TeacherJob,
    run_in_processes,
    runner_by,
)
from ner_distill.pipelines.comparison.jobs import begun_with, check_begun, do_jobs, read_data, require_files
from ner_distill.pipelines.comparison.power_law import PARAMETERS, PowerLaw, fit
from ner_distill.runs.info import RunInfo
from ner_distill.runs.record import fingerprints

FILE, FORMAT = "curve.json", 1
CURVE = OutputKind("learning-curve", "learning curve", (FILE,), can_overwrite=False)
PARTS = {"quarter": 0.25, "half": 0.5, "three-quarters": 0.75, "all": 1.0}
FEWEST = 8
"""Sentences of which there are four parts worth the name."""


@dataclass(frozen=True)
class LearningCurve:
    """Trainings on parts of the labels, and what they say of more.

    sizes: part → sentences. on_test: are scores those of the test files, or of the development set?
    words: of a labelled sentence, the mean.
    """

    comparison: Comparison
    sizes: Mapping[str, int]
    words: float
    on_test: bool

    @property
    def sentences(self) -> int:
        """All that are labelled."""
        return max(self.sizes.values())

    def scores(self, part: str) -> list[float]:
        """F1 of each finished run of a part."""
        return [score for name, score in self._scores() if name == part]

    @property
    def seeds_differ(self) -> float | None:
        """How far apart the runs of one part are, as a standard deviation over all parts; None of single runs."""
        of_parts = [scores for part in self.sizes if (scores := self.scores(part))]
        own = [[score - sum(scores) / len(scores) for score in scores] for scores in of_parts]
        freedom = sum(len(scores) - 1 for scores in own)
        return math.sqrt(sum(score**2 for scores in own for score in scores) / freedom) if freedom else None

    def law(self) -> PowerLaw:
        """The curve through the scores of all finished runs. Raises ConfigError where they are too few."""
        found = self._scores()
        return fit([self.sizes[name] for name, _ in found], [score for _, score in found])

    @property
    def flat(self) -> bool:
        """Have several trainings all the same score?"""
        found = [score for _, score in self._scores()]
        return len(found) > 1 and len(set(found)) == 1

    @property
    def drawable(self) -> bool:
        """Are there scores enough for a curve, and do any of them differ?"""
        found = self._scores()
        return not self.flat and len(found) > PARAMETERS and len({self.sizes[name] for name, _ in found}) >= PARAMETERS

    def _scores(self) -> list[tuple[str, float]]:
        figures = [(run.name, run.figures) for run in self.comparison.runs if run.figures is not None]
        scores = [(name, one.test if self.on_test else one.dev) for name, one in figures]
        return [(name, score) for name, score in scores if score is not None]

    def to_json(self) -> dict[str, Any]:
        """Returns what `curve.json` says of it."""
        own = {"sizes": dict(self.sizes), "words_per_sentence": self.words, "scores_of": ("dev", "test")[self.on_test]}
        return self.comparison.to_json() | own


@until_done()
def learning_curve(
    config: TeacherConfig,
    options: CurveOptions,
    reporter: Reporter | None = None,
    *,
    runner: Runner = run_in_processes,
) -> LearningCurve:
    """Train a teacher on a quarter, half, three quarters and all of the labelled sentences, with each seed.

    A seed draws its parts at random, each within the next larger one, and is that of its trainings. The seeds are 13,
    14, ... Scores are those of the test files where there are any, else of the development set, which chose the epochs.

    With `resume` finished runs are reused, stopped ones continued, failed ones tried again. There may be more seeds
    than before.
    Returns: the curve, also written to `out` as far as it has come. A run that failed has a message there, and the
    others went on.
    Raises NerDistillError for wrong input, before anything is trained.
    """
    reporter, out = reporter or Reporter(), options.out
    require_one_process("learning-curve starts the processes of its runs itself; start it without torchrun")
    executor = executor_for(options, options.jobs) if options.executor else None
    at_once = options.jobs if executor is None else executor.workers
    if not (options.train and options.dev):
        raise ConfigError("expected labelled sentences, `train`, and others that choose the epochs, `dev`")
    files = {"train": options.train, "dev": options.dev} | ({"test": options.test} if options.test else {})
    require_files(files)
    data = _read(config, options, reporter)
    seeds = tuple(range(FIRST_SEED, FIRST_SEED + options.seeds))
    jobs = [_job(part, config, seed, options, data.info.unit) for seed in seeds for part in PARTS]
    hashes = {role: fingerprints(paths) for role, paths in files.items()}
    inputs = begun_with(CURVE, out, hashes, options.reading(), resume=options.resume, names=tuple(PARTS), seeds=seeds)
    record = {"format": FORMAT, "inputs": inputs, "reading": options.reading().recorded()}

    def curve(done: Sequence[Run]) -> LearningCurve:
        words = sum(len(sentence.words) for sentence in data.train) / len(data.train)
        comparison = Comparison(tuple(PARTS), seeds, tuple(done))
        return LearningCurve(comparison, _sizes(len(data.train)), words, bool(options.test))

    def write(done: Sequence[Run]) -> None:
        write_json(out / FILE, record | curve(done).to_json())

    if not (out / FILE).is_file():
        write([])  # first: by this file resuming knows the directory
    _write_parts(data, out, seeds)
    check_begun(jobs)
    write([job.outcome() for job in jobs if job.finished])
    return curve(
        do_jobs(
            jobs,
            runner_by(executor, runner, reporter.warn),
            write,
            reporter,
            at_once=at_once,
        )
    )


def read_curve(out: Path) -> LearningCurve:
    """Returns the learning curve that a directory holds, as far as it has come. Raises RunError where there is none."""
    path = out / FILE
    content = read_json(path, "this is not a directory of `ner-distill learning-curve`")
    comparison = comparison_of(path, content, "learning curve")
    try:
        sizes = {str(part): int(size) for part, size in content["sizes"].items()}
        return LearningCurve(comparison, sizes, float(content["words_per_sentence"]), content["scores_of"] == "test")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{path}: not as it was written ({error!r}); go on with the learning curve (`resume`)") from None


@dataclass(frozen=True)
class _Data:
    train: Sequence[Sentence]
    dev: Sequence[Sentence]
    test: Sequence[Sentence]
    info: RunInfo


def _read(config: TeacherConfig, options: CurveOptions, reporter: Reporter) -> _Data:
    """Read all files as a training on all of them will. Raises NerDistillError where one is wrong."""
    reading, quiet = options.reading(), Reporter(quiet=True)
    whole = TeacherOptions(train=options.train, dev=options.dev, out=options.out, **asdict(reading))
    info = read_data([TeacherJob("all", config, whole)], options.test, reading)
    train, cutting = read_labelled(options.train, "`train`", reading, reporter, keep_nested=True)
    train = [sentence for sentence in train if sentence.words]
    if len(train) < FEWEST:
        raise DataError(f"`train`: {len(train)} sentences are too few for a curve; expected {FEWEST} or more")
    dev, test = (
        read_labelled(paths, name, reading, quiet, known=cutting, keep_nested=True)[0] if paths else []
        for name, paths in (("`dev`", options.dev), ("`test`", options.test))
    )
    return _Data(train, dev, test, info)


def _sizes(sentences: int) -> dict[str, int]:
    return {part: round(sentences * share) for part, share in PARTS.items()}


def _write_parts(data: _Data, out: Path, seeds: Sequence[int]) -> None:
    """Write what the runs read, where it is not there: they are the same in every run of the command."""
    for name, sentences in (("dev", data.dev), ("test", data.test)):
        if sentences and not (out / f"{name}.jsonl").is_file():
            write_words(sentences, out / f"{name}.jsonl")
    for seed in seeds:
        drawn = random.Random(seed).sample(data.train, len(data.train))
        make_directory(out / f"seed-{seed}")
        for part, size in _sizes(len(drawn)).items():
            if not (file := out / f"seed-{seed}" / f"{part}.jsonl").is_file():
                write_words(drawn[:size], file)


def _job(part: str, config: TeacherConfig, seed: int, options: CurveOptions, unit: Unit) -> TeacherJob:
    """The training on a part. The files are ours, of words as they were cut."""
    folder = options.out / f"seed-{seed}"
    reading = ReadOptions(format="jsonl", unit=unit, flatten=options.flatten)
    teacher = TeacherOptions(
        train=[folder / f"{part}.jsonl"], dev=[options.out / "dev.jsonl"], out=folder / part, **asdict(reading)
    )
    test = [options.out / "test.jsonl"] if options.test else []
    return TeacherJob(part, config.model_copy(update={"seed": seed}), teacher, test, reading)
