"""A runner of jobs that leaves what trainings leave, without any."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from typing import Any

from ner_distill.pipelines.comparison.figures import Figures
from ner_distill.pipelines.comparison.job import Job, TrainingJob
from ner_distill.runs.info import RunInfo
from ner_distill.runs.record import RunRecord, fingerprints, open_directory
from tests import corpora

PRETENDED = Figures(dev=0.5, test=None, seconds=60.0, epochs=4, peak_mib=100.0, gpu_mib=None, parameters=1000)


class Pretend:
    """figures: of a job; errors: the message where it fails."""

    def __init__(
        self, figures: Callable[[TrainingJob], Figures] = lambda job: PRETENDED, errors: dict[str, str] | None = None
    ) -> None:
        self.figures, self.errors = figures, errors or {}
        self.jobs: list[Job] = []

    def __call__(
        self, jobs: Sequence[Job], begins: Callable[[Job], None], at_once: int, quiet: bool
    ) -> Generator[tuple[Job, str | None], None, None]:
        for job in jobs:
            if job.ready:
                begins(job)
                self.jobs.append(job)
                error = self.errors.get(job.name)
                if error is None:
                    self.do(job)
                yield job, error

    def do(self, job: Job) -> None:
        if isinstance(job, TrainingJob):
            self.train(job)

    def train(self, job: TrainingJob) -> None:
        if not job.begun:
            kind = "teacher" if job.kind.command == "train-teacher" else "student"
            files = {role: fingerprints(paths) for role, paths in job.options.files().items()}
            open_directory(job.kind, job.run, RunRecord(job.config, RunInfo(kind, "word", corpora.LABELS), files))
        figures = self.figures(job)
        metrics = {"dev": {"micro": {"f1": figures.dev}}, "seconds": figures.seconds, "parameters": figures.parameters}
        measured: dict[str, Any] = {"peak_mib": figures.peak_mib, "gpu_mib": figures.gpu_mib}
        if job.test:
            measured["test"] = {"micro": {"f1": figures.test or 0.25}}
        (job.run / "metrics.json").write_text(json.dumps(metrics))
        (job.run / "metrics.jsonl").write_text("{}\n" * figures.epochs)
        (job.run / "measured.json").write_text(json.dumps(measured))

    @property
    def made(self) -> list[tuple[str, int]]:
        return [(job.name, job.seed) for job in self.jobs if isinstance(job, TrainingJob)]
