"""`verdict`: is distillation worth it on these files? A teacher, and students that learn from it or do without.

OUT/verdict.json           the files it is about, with hashes; figures of every run; what was measured, and what it says
OUT/dev.jsonl              the development sentences, as students on hard labels read them
OUT/speed.json             megabytes of the models, and how fast they are
OUT/seed-13/teacher/       a run of train-teacher, with measured.json: memory, scores on the test files
OUT/seed-13/soft/          its answers on the raw text, and hard.jsonl beside it: the same as labelled sentences
OUT/seed-13/NAME-gold/     runs of train-student: a student's architecture on the labelled sentences alone,
OUT/seed-13/NAME-hard/     on hard.jsonl alone, NAME-soft: on soft, NAME-soft-gold: on soft and the labelled sentences
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ner_distill.config import StudentConfig, TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.readers import input_files, read_raw
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.formats.units import Cutting
from ner_distill.data.formats.writers import write_words
from ner_distill.data.sentence import Sentence, Unit
from ner_distill.data.store.manifest import MANIFEST
from ner_distill.data.store.pseudo_labels import labelled_row
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.directories import OutputKind
from ner_distill.errors import ConfigError, DataError
from ner_distill.executing.each import require_one_process
from ner_distill.executing.opening import executor_for
from ner_distill.files import write_json
from ner_distill.holding import until_done
from ner_distill.options import Files
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.options.training import StudentOptions, TeacherOptions, VerdictOptions
from ner_distill.pipelines.comparison.compare import FIRST_SEED
from ner_distill.pipelines.comparison.figures import Comparison, Run
from ner_distill.pipelines.comparison.findings import FILE, FORMAT, TEACHER, WAYS, Verdict
from ner_distill.pipelines.comparison.job import (
    Job,
    Runner,
    StudentJob,
    TeacherJob,
    TrainingJob,
    run_in_processes,
    runner_by,
)
from ner_distill.pipelines.comparison.jobs import begun_with, check_begun, do_jobs, read_data, require_files
from ner_distill.pipelines.comparison.speed import SpeedJob, costs_of
from ner_distill.runs.info import RunInfo
from ner_distill.runs.knowledge import require_named
from ner_distill.runs.record import fingerprints

VERDICT = OutputKind("verdict", "verdict", (FILE,), can_overwrite=False)
HARD, DEV, SPEED = "hard.jsonl", "dev.jsonl", "speed.json"


@until_done()
def verdict(
    teacher: TeacherConfig,
    students: Mapping[str, StudentConfig],
    options: VerdictOptions,
    reporter: Reporter | None = None,
    *,
    runner: Runner = run_in_processes,
) -> Verdict:
    """Train a teacher with each seed, let it label the text, train each student in four ways, and measure all.

    students: name → configuration. The seeds are 13, 14, ...

    With `resume` finished runs are reused, stopped ones continued, failed ones tried again. There may be more students
    and seeds than before, and test files if there were none.
    Returns: the verdict, also written to `out` as far as it has come. A run that failed has a message there, and
    the others went on.
    Raises NerDistillError for wrong input, before anything is trained.
    """
    reporter, out = reporter or Reporter(), options.out
    require_one_process("verdict starts the processes of its runs itself; start it without torchrun")
    executor = executor_for(options, options.jobs) if options.executor else None
    at_once = options.jobs if executor is None else executor.workers
    files = {"train": options.train, "dev": options.dev, "text": input_files(list(options.text))}
    files |= {"test": options.test} if options.test else {}
    _check(options, students, files)
    plan = _Plan(teacher, students, options)
    info = _read(plan)
    jobs = replace(plan, unit=info.unit).all_jobs()
    trainings = [job for job in jobs if isinstance(job, TrainingJob)]
    hashes = {role: fingerprints(paths) for role, paths in files.items()}
    inputs = begun_with(
        VERDICT, out, hashes, options.reading(), resume=options.resume, names=plan.names, seeds=plan.seeds
    )
    check_begun(trainings)
    found = _Findings(plan, {"format": FORMAT, "inputs": inputs, "reading": options.reading().recorded()})

    found.write([job.outcome() for job in trainings if job.finished])  # first: by it resuming knows the directory
    if not (out / DEV).is_file():
        write_words(_development(options, info.cutting), out / DEV)
    done = do_jobs(
        jobs,
        runner_by(executor, runner, reporter.warn),
        found.write,
        reporter,
        at_once=at_once,
    )
    if speed := _speed_job(trainings, options):
        done += do_jobs([speed], runner, lambda runs: None, reporter)
    return found.write(done)


@dataclass(frozen=True)
class _Findings:
    """What is written of a verdict. record: what it was begun with."""

    plan: _Plan
    record: Mapping[str, Any]

    def write(self, done: Sequence[Run]) -> Verdict:
        """Write and return the verdict, so far as these runs are done."""
        options, students = self.plan.options, tuple(self.plan.students)
        costs = costs_of(options.out / SPEED)
        found = Verdict(
            Comparison(self.plan.names, self.plan.seeds, tuple(done)), students, tuple(map(str, options.test)), costs
        )
        write_json(options.out / FILE, {**self.record, **found.to_json()})
        return found


# ---- before anything runs


def _check(options: VerdictOptions, students: Mapping[str, StudentConfig], files: dict[str, Files]) -> None:
    """Raise NerDistillError for options that make no sense, before files are read."""
    require_files(files | {"text": options.text})
    problems = [
        f"`{role}`: {what}"
        for role, what in (
            ("train", "labelled sentences to learn from are missing"),
            ("dev", "labelled sentences that choose the checkpoints are missing"),
            ("text", "raw text for the teacher to label is missing"),
        )
        if not files[role]
    ]
    problems += [
        f"`students` {name}: distill.gold_weight is 0, and a student learns from gold alone as well; leave it out"
        for name, config in students.items()
        if config.distill.gold_weight == 0
    ]
    if not students:
        problems.append("`students`: none is given, and there is nothing to compare the teacher with")
    names = [f"{name}-{way}" for name in students for way in WAYS]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"`students`: two runs would have the name {twice[0]}; rename a configuration")
    if problems:
        raise ConfigError.of(problems)
    for path in map(Path, files["text"]):
        if not path.is_file():
            raise DataError(f"`text` {path}: no such file")


def _read(plan: _Plan) -> RunInfo:
    """Read all files as the runs will. Returns what the teacher is. Raises NerDistillError where one is wrong."""
    options = plan.options
    first = [job for job in plan.jobs(FIRST_SEED) if isinstance(job, TrainingJob)]
    for job in first:  # of those too whose data are not there yet
        if not job.finished:
            require_named(job.config)
    read_data([job for job in first if isinstance(job, StudentJob) and job.needs is None], (), options.reading())
    info = read_data([job for job in first if isinstance(job, TeacherJob)], options.test, options.reading())
    if next(read_raw(list(options.text), unit=info.unit), None) is None:
        raise DataError(f"`text` {', '.join(map(str, options.text))}: no sentence in it")
    return info


def _development(options: VerdictOptions, known: Cutting) -> Sequence[Sentence]:
    """The development sentences. known: how the words are cut that are trained on."""
    quiet = Reporter(quiet=True)
    return read_labelled(options.dev, "`dev`", options.reading(), quiet, known=known, keep_nested=True)[0]


# ---- what is done


@dataclass(frozen=True)
class _Plan:
    """The jobs of a verdict. unit: how the words of the labelled files, and so those of the text, are cut, if known."""

    teacher: TeacherConfig
    students: Mapping[str, StudentConfig]
    options: VerdictOptions
    unit: Literal["auto"] | Unit = "auto"

    @property
    def names(self) -> tuple[str, ...]:
        return (TEACHER, *(f"{student}-{way}" for student in self.students for way in WAYS))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(range(FIRST_SEED, FIRST_SEED + self.options.seeds))

    def all_jobs(self) -> list[Job]:
        return [job for seed in self.seeds for job in self.jobs(seed)]

    def jobs(self, seed: int) -> Iterator[Job]:
        """The teacher, its labelling, and each student in each way."""
        options, reading = self.options, self.options.reading()
        out = options.out / f"seed-{seed}"
        teacher = TeacherOptions(train=options.train, dev=options.dev, out=out / TEACHER, **asdict(reading))
        seeded = self.teacher.model_copy(update={"seed": seed})
        yield TeacherJob(TEACHER, seeded, teacher, options.test, reading)
        yield LabellingJob("labelling", seed, out / TEACHER, options.text, out / "soft")
        for student, config in self.students.items():
            seeded_student = config.model_copy(update={"seed": seed})
            for way in WAYS:
                name = f"{student}-{way}"
                needs = None if way == "gold" else out / HARD
                learns = self._learns(way, out, out / name)
                yield StudentJob(name, seeded_student, learns, options.test, reading, needs)

    def _learns(self, way: str, seed: Path, out: Path) -> StudentOptions:
        """What a student learns from in one of the WAYS. seed: the directory of the seed; out: of the run."""
        if way == "hard":  # both files are of words, as they were cut
            dev = [self.options.out / DEV]
            flatten = self.options.flatten
            return StudentOptions(gold=[seed / HARD], dev=dev, out=out, format="jsonl", unit=self.unit, flatten=flatten)
        reading = asdict(self.options.reading())
        gold = self.options.train if way in ("gold", "soft-gold") else ()
        soft = seed / "soft" if way in ("soft", "soft-gold") else None
        return StudentOptions(soft=soft, gold=gold, dev=self.options.dev, out=out, **reading)


@dataclass(frozen=True)
class LabellingJob(Job):
    """A teacher's answers on raw text: a store, and HARD beside it, the best reading of each as a labelled sentence."""

    name: str
    seed: int
    teacher: Path
    text: Files
    store: Path

    @property
    def title(self) -> str:
        return f"{self.name}, seed {self.seed}"

    @property
    def ready(self) -> bool:
        return (self.teacher / "metrics.json").is_file()

    @property
    def hard(self) -> Path:
        return self.store.with_name(HARD)

    @property
    def finished(self) -> bool:
        return self.hard.is_file() and (self.store / MANIFEST).is_file()

    def do(self) -> None:
        from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled

        label_unlabeled(LabelUnlabeledOptions(teacher=[self.teacher], text=self.text, out=self.store, resume=True))
        write_hard_labels(self.store, self.hard)

    def outcome(self, error: str | None = None) -> Run | None:
        return Run(self.name, self.seed, error=error) if error else None


def write_hard_labels(store: Path, out: Path) -> None:
    """Write the best reading of each sentence of a store as JSON Lines. Raises NerDistillError."""
    opened = SoftLabelStore.open(store)
    rows = (labelled_row(row, opened.tagset) for row in opened.iter_rows())
    write_words((row for row in rows if row is not None), out)


def _speed_job(jobs: Sequence[TrainingJob], options: VerdictOptions) -> SpeedJob | None:
    """What measures the models of the first seed that is finished of each row; None where there is none."""
    models: dict[str, Path] = {}
    for job in jobs:
        if job.finished:
            models.setdefault(job.name, job.run)
    sentences = options.test or options.dev
    return SpeedJob(models, sentences, options.reading(), options.out / SPEED) if models else None
