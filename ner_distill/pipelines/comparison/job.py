"""The pieces of work of a comparison, each done in a process of its own.

A process of its own makes the peak of memory that of one training, and lets a training fail alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ner_distill.config import StudentConfig, TeacherConfig
from ner_distill.console import Reporter
from ner_distill.directories import OutputKind
from ner_distill.errors import NerDistillError, RunError
from ner_distill.executing.base import Executor
from ner_distill.executing.each import run_each
from ner_distill.executing.local import LocalExecutor
from ner_distill.executing.opening import executor_of
from ner_distill.files import read_json, write_json
from ner_distill.options import Files, ReadOptions
from ner_distill.options.models import EvaluateOptions
from ner_distill.options.training import StudentOptions, TeacherOptions
from ner_distill.pipelines.comparison.figures import Figures, Run
from ner_distill.runs.heads import with_bound_of
from ner_distill.runs.info import STUDENT_RUN, TEACHER_RUN, RunInfo, clear_finished


class Job(ABC):
    """One piece of work, which leaves alone what is done and goes on with what was stopped. name: of its row."""

    name: str

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is, for messages."""

    @property
    def ready(self) -> bool:
        """Is there what it needs of other jobs?"""
        return True

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Is nothing left to do?"""

    @abstractmethod
    def do(self) -> None:
        """Do it, in its own process. Raises NerDistillError."""

    @abstractmethod
    def outcome(self, error: str | None = None) -> Run | None:
        """What came of it: its figures, or the error. None where it is done and has no figures of its own."""


@dataclass(frozen=True)
class TrainingJob(Job):
    """One training, and its scores on test files.

    config:  of this run, its seed included. options: of the training; their `out` is the run.
    test:    files to score it on. reading: how these are read; None: as they look.
    needs:   a file that another job makes first.
    """

    name: str
    config: TeacherConfig | StudentConfig
    options: TeacherOptions | StudentOptions
    test: Files = ()
    reading: ReadOptions | None = None
    needs: Path | None = None

    @abstractmethod
    def read(self, reporter: Reporter) -> RunInfo:
        """Read the files as the training will. Raises NerDistillError for what cannot be trained on."""

    @abstractmethod
    def settled(self) -> TeacherConfig | StudentConfig:
        """The configuration with the bound of spans that the begun run took, where it says none."""

    @abstractmethod
    def _train(self) -> None:
        """Train, or go on."""

    @property
    def seed(self) -> int:
        return self.config.seed

    @property
    def title(self) -> str:
        return f"{self.name}, seed {self.seed}"

    @property
    def run(self) -> Path:
        return self.options.out

    @property
    def kind(self) -> OutputKind:
        return TEACHER_RUN if isinstance(self.config, TeacherConfig) else STUDENT_RUN

    @property
    def begun(self) -> bool:
        return self.kind.state(self.run) != "absent"

    @property
    def trained(self) -> bool:
        """Whether nothing or only the scoring is left to do."""
        return self.kind.state(self.run) == "finished"

    @property
    def ready(self) -> bool:
        return self.needs is None or self.needs.is_file()

    @property
    def finished(self) -> bool:
        measured = self.measured()
        return self.trained and "peak_mib" in measured and ("test" in measured or not self.test)

    def measured(self) -> dict[str, Any]:
        """Returns what its process wrote into `measured.json`; {} before."""
        path = self.run / "measured.json"
        return dict(read_json(path, "")) if path.is_file() else {}

    def figures(self) -> Figures:
        """Returns the figures of a finished run. Raises RunError where it is damaged."""
        metrics, measured = read_json(self.run / "metrics.json", "the run is damaged"), self.measured()
        try:
            return Figures(
                dev=metrics["dev"]["micro"]["f1"],
                test=measured["test"]["micro"]["f1"] if self.test else None,
                seconds=metrics["seconds"],
                epochs=len((self.run / "metrics.jsonl").read_text("utf-8").splitlines()),
                peak_mib=measured["peak_mib"],
                gpu_mib=measured["gpu_mib"],
                parameters=metrics["parameters"],
            )
        except (KeyError, TypeError, OSError) as error:
            raise RunError(f"{self.run}: the run is damaged ({error!r}); remove it to train it again") from None

    def outcome(self, error: str | None = None) -> Run:
        try:
            return Run(self.name, self.seed, error=error) if error else Run(self.name, self.seed, self.figures())
        except NerDistillError as damage:
            return Run(self.name, self.seed, error=str(damage))

    def do(self) -> None:
        from ner_distill.pipelines.evaluate import evaluate

        measured = self.measured()
        if not self.trained:
            self._train()
            measured = {"peak_mib": peak_mib(), "gpu_mib": gpu_mib()}
        else:
            clear_finished(self.run)  # killed before it did
        measured.setdefault("peak_mib", None)  # killed between the last line of training and the measuring: not known
        measured.setdefault("gpu_mib", None)
        write_json(self.run / "measured.json", measured)
        if self.test and "test" not in measured:
            reading = asdict(self.reading or ReadOptions())
            del reading["flatten"]  # entities that overlap all count
            scores = evaluate(EvaluateOptions(model=[self.run], data=self.test, **reading))
            write_json(self.run / "measured.json", measured | {"test": scores.to_json()})


@dataclass(frozen=True)
class TeacherJob(TrainingJob):
    """The training of a teacher."""

    config: TeacherConfig
    options: TeacherOptions

    def read(self, reporter: Reporter) -> RunInfo:
        from ner_distill.pipelines.train_teacher import read_teacher_data

        return read_teacher_data(self.config, self.options, reporter).info

    def settled(self) -> TeacherConfig:
        return with_bound_of(self.config, self.run)

    def _train(self) -> None:
        from ner_distill.pipelines.train_teacher import train_teacher

        train_teacher(self.config, self.options, resume="auto")


@dataclass(frozen=True)
class StudentJob(TrainingJob):
    """The training of a student."""

    config: StudentConfig
    options: StudentOptions

    def read(self, reporter: Reporter) -> RunInfo:
        from ner_distill.pipelines.train_student import check_student, read_student_data

        check_student(self.config, self.options)
        return read_student_data(self.config, self.options, reporter).info

    def settled(self) -> StudentConfig:
        return with_bound_of(self.config, self.run)

    def _train(self) -> None:
        from ner_distill.pipelines.train_student import train_student

        train_student(self.config, self.options, resume="auto")


Runner = Callable[[Sequence[Job], Callable[[Job], None], int, bool], Generator[tuple[Job, str | None], None, None]]
"""Does jobs: these, calling this before each, so many at once; True: in silence.

Yields each with None, or the message of its failure; those that never become ready it leaves out.
"""


def run_in_processes(
    jobs: Sequence[Job], begins: Callable[[Job], None], at_once: int, quiet: bool
) -> Generator[tuple[Job, str | None], None, None]:
    """A `Runner`: each job in a process of its own, which keeps a checkpoint and stops when this one ends."""
    return runner_by(executor_of("", jobs=at_once) or LocalExecutor(1))(jobs, begins, at_once, quiet)


def runner_by(
    executor: Executor | None, otherwise: Runner = run_in_processes, waits: Callable[[str], None] = lambda why: None
) -> Runner:
    """A `Runner`: jobs are done by the workers of an executor; where there is none, otherwise. waits: as of `Terms`."""
    if executor is None:
        return otherwise
    return lambda jobs, begins, at_once, quiet: run_each(
        do_job, jobs, executor, quiet=quiet, ready=lambda job: job.ready, begins=begins, waits=waits
    )


def do_job(job: Job) -> None:
    """What the process of a job does. Raises NerDistillError."""
    job.do()


def peak_mib() -> float | None:
    """The most memory that this process ever held, in MiB; None where the system does not say it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def gpu_mib() -> float | None:
    """The most memory that tensors of this process took on the GPU, in MiB; None without one."""
    import torch

    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None
