"""One run of a comparison: what it is, and its training in a process of its own.

A process of its own makes the peak of memory that of one run, and lets a run fail alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ner_distill.config import TeacherConfig, load_config
from ner_distill.data.metrics import Scores
from ner_distill.errors import RunError
from ner_distill.files import read_json, write_json
from ner_distill.options import ReadOptions
from ner_distill.options.models import EvaluateOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.comparison.figures import Figures
from ner_distill.runs.info import TEACHER_RUN
from ner_distill.training.child import run_child, serve


@dataclass(frozen=True)
class Job:
    """One training: everything its process is told; all of it can be sent as JSON."""

    name: str
    seed: int
    out: str
    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]
    reading: ReadOptions

    @property
    def config(self) -> Path:
        """The configuration, whatever becomes of the file that it was read from."""
        return Path(self.out) / self.name / "config.toml"

    @property
    def directory(self) -> Path:
        """Of the run."""
        return self.config.parent / f"seed-{self.seed}"

    @property
    def begun(self) -> bool:
        """Is there a run to go on with?"""
        return TEACHER_RUN.state(self.directory) != "absent"

    @property
    def trained(self) -> bool:
        """Is only the scoring left to do, if anything?"""
        return TEACHER_RUN.state(self.directory) == "finished"

    @property
    def finished(self) -> bool:
        """Is nothing left to do?"""
        return self.trained and "peak_mib" in self.measured() and ("test" in self.measured() or not self.test)

    def measured(self) -> dict[str, Any]:
        """What its process noted beside the run; empty before it did."""
        path = self.directory / "measured.json"
        return dict(read_json(path, "")) if path.is_file() else {}

    def figures(self) -> Figures:
        """What a finished run came to. Raises RunError where it is damaged."""
        metrics, measured = read_json(self.directory / "metrics.json", "the run is damaged"), self.measured()
        try:
            return Figures(
                dev=metrics["dev"]["micro"]["f1"],
                test=measured["test"]["micro"]["f1"] if self.test else None,
                seconds=metrics["seconds"],
                epochs=len((self.directory / "metrics.jsonl").read_text("utf-8").splitlines()),
                peak_mib=measured["peak_mib"],
                gpu_mib=measured["gpu_mib"],
                parameters=metrics["parameters"],
            )
        except (KeyError, TypeError, OSError) as error:
            raise RunError(f"{self.directory}: the run is damaged ({error!r}); remove it to train it again") from None


Runner = Callable[[Job, bool], str | None]
"""Does a job, in silence if told so. Returns None, or the message where it failed."""


def run_in_process(job: Job, quiet: bool) -> str | None:
    """Do a job in a process of its own, which stops, keeping a checkpoint, as soon as this one ends or is interrupted.

    Returns: None, or the message where it failed.
    """
    return run_child(__name__, "do_job", asdict(job), quiet=quiet)


# ---- in the process of a run


def do_job(message: dict[str, Any]) -> None:
    """Do the job of the message in this process: see `serve`."""
    lists = {key: tuple(value) for key, value in message.items() if isinstance(value, list)}
    job = Job(**(message | lists | {"reading": ReadOptions(**message["reading"])}))
    serve(lambda: _train_and_measure(job))


def _train_and_measure(job: Job) -> None:
    from ner_distill.pipelines.train_teacher import train_teacher

    directory = job.directory
    measured = job.measured()
    if not job.trained:
        config = load_config(TeacherConfig, job.config, [f"seed={job.seed}"])
        options = TeacherOptions(train=job.train, dev=job.dev, out=directory, **asdict(job.reading))
        train_teacher(config, options, resume="auto")
        measured = {"peak_mib": peak_mib(), "gpu_mib": gpu_mib()}
    measured.setdefault("peak_mib", None)  # killed between the last line of training and the measuring: not known
    measured.setdefault("gpu_mib", None)
    _note(directory, measured)
    if job.test and "test" not in measured:
        _note(directory, measured | {"test": _scores(job).to_json()})


def _scores(job: Job) -> Scores:
    from ner_distill.pipelines.evaluate import evaluate

    reading = {name: value for name, value in asdict(job.reading).items() if name != "flatten"}
    return evaluate(EvaluateOptions(model=job.directory, data=job.test, **reading))


def _note(directory: Path, measured: dict[str, Any]) -> None:
    write_json(directory / "measured.json", measured)


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
