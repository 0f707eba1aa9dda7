"""One run of a comparison: what it is, and its training in a process of its own.

A process of its own makes the peak of memory that of one run, and lets a run fail alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ner_distill.config import TeacherConfig
from ner_distill.errors import RunError
from ner_distill.files import read_json, write_json
from ner_distill.options.models import EvaluateOptions
from ner_distill.options.training import CompareOptions, TeacherOptions
from ner_distill.pipelines.comparison.figures import Figures
from ner_distill.runs.info import TEACHER_RUN
from ner_distill.training.workers import run_processes


@dataclass(frozen=True)
class Job:
    """One training. config: of this run, its seed included. options: of the comparison."""

    name: str
    config: TeacherConfig
    options: CompareOptions

    @property
    def seed(self) -> int:
        return self.config.seed

    @property
    def run(self) -> Path:
        return self.options.out / self.name / f"seed-{self.seed}"

    @property
    def begun(self) -> bool:
        return TEACHER_RUN.state(self.run) != "absent"

    @property
    def trained(self) -> bool:
        """Whether nothing or only the scoring is left to do."""
        return TEACHER_RUN.state(self.run) == "finished"

    @property
    def finished(self) -> bool:
        measured = self.measured()
        return self.trained and "peak_mib" in measured and ("test" in measured or not self.options.test)

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
                test=measured["test"]["micro"]["f1"] if self.options.test else None,
                seconds=metrics["seconds"],
                epochs=len((self.run / "metrics.jsonl").read_text("utf-8").splitlines()),
                peak_mib=measured["peak_mib"],
                gpu_mib=measured["gpu_mib"],
                parameters=metrics["parameters"],
            )
        except (KeyError, TypeError, OSError) as error:
            raise RunError(f"{self.run}: the run is damaged ({error!r}); remove it to train it again") from None


Runner = Callable[[Job, bool], str | None]
"""Does a job; True: in silence. Returns None, or the message of its failure."""


def run_in_process(job: Job, quiet: bool) -> str | None:
    """Do a job in a process of its own, which keeps a checkpoint and stops when this one ends or is interrupted."""
    ((_, reason),) = run_processes(do_job, [job], quiet=quiet)
    return reason


# ---- in the process of a run


def do_job(job: Job) -> None:
    """Train, or go on, and measure. Raises NerDistillError."""
    from ner_distill.pipelines.evaluate import evaluate
    from ner_distill.pipelines.train_teacher import train_teacher

    options, measured = job.options, job.measured()
    if not job.trained:
        teacher = TeacherOptions(train=options.train, dev=options.dev, out=job.run, **asdict(options.reading()))
        train_teacher(job.config, teacher, resume="auto")
        measured = {"peak_mib": peak_mib(), "gpu_mib": gpu_mib()}
    measured.setdefault("peak_mib", None)  # killed between the last line of training and the measuring: not known
    measured.setdefault("gpu_mib", None)
    write_json(job.run / "measured.json", measured)
    if options.test and "test" not in measured:
        reading = asdict(options.reading())
        del reading["flatten"]  # entities that overlap all count
        scores = evaluate(EvaluateOptions(model=job.run, data=options.test, **reading))
        write_json(job.run / "measured.json", measured | {"test": scores.to_json()})


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
