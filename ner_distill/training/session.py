"""What every training does around its loop: device, directory, reporter, log, the loop itself, and its last files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from ner_distill.config import PretrainConfig, StudentConfig, TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.metrics import Scores
from ner_distill.data.sentence import Sentence
from ner_distill.directories import OutputKind, Resume
from ner_distill.errors import ConfigError, NerDistillError, RunError
from ner_distill.files import write_json
from ner_distill.holding import hold
from ner_distill.options import TrackedOutput
from ner_distill.runs.build import AnyBuilt, load_run, save_run
from ner_distill.runs.calibration import read_calibration, write_calibration
from ner_distill.runs.environment import environment, warn_of_another, write_environment
from ner_distill.runs.facts import BEST_ON_DEV
from ner_distill.runs.info import clear_finished, read_info
from ner_distill.runs.record import Record, flattened, open_directory
from ner_distill.runtime.inference import best_device, has_bf16
from ner_distill.training.calibrating import Calibrated, ScoresWorth, calibrate
from ner_distill.training.development import Answers, DevelopmentSet
from ner_distill.training.fit import Fit, TrainingTask
from ner_distill.training.pairs import PairScores, development_pairs
from ner_distill.training.processes import any_process, make_accelerator
from ner_distill.training.tracking import Tracking, require_trackers


class Judge(Protocol):
    """What chooses the epoch in place of a development set."""

    def said(self, model: Any) -> Mapping[str, Any]:
        """What `metrics.json` says of it: `checkpoint_chosen_on`, `checkpoint`, and its figures of the model."""


@dataclass(frozen=True)
class Trained:
    """A finished training of a teacher or a student.

    scores: on the development set, None without one. main: whether this process speaks for all.
    similarity: of a teacher's second task on pairs of the same set, None where there is none.
    answers, worth: what the model finds there, with the scores that users meet, and what these are worth.
    """

    built: AnyBuilt
    scores: Scores | None
    main: bool = True
    similarity: PairScores | None = None
    answers: Answers | None = None
    worth: ScoresWorth | None = None


class Session:
    """One training in its directory.

    A pipeline opens it, reads its data, asks `finished`, builds its model, calls `begin`, trains and finishes.
    """

    def __init__(
        self,
        kind: OutputKind,
        output: TrackedOutput,
        config: TeacherConfig | StudentConfig | PretrainConfig,
        reporter: Reporter | None = None,
        *,
        resume: Resume | None = None,
    ) -> None:
        """resume: in place of what `output` says of it.

        Raises ConfigError for a device that cannot do what is asked, and as `require_trackers` does; NerDistillError as
        `OutputKind.check` does.
        """
        require_trackers(output.track)
        optim = config.optim
        if optim.precision == "bf16" and torch.cuda.is_available() and not has_bf16(best_device()):
            raise ConfigError('optim.precision: "bf16" is not supported by this GPU; use "fp32"')
        self.kind, self.out, self.config = kind, output.out, config
        self.accelerator = make_accelerator(optim.precision)
        self.main: bool = self.accelerator.is_main_process
        self.device: torch.device = self.accelerator.device
        self.reporter = reporter or Reporter(quiet=not self.main)
        self._resume = output.resume if resume is None else resume
        self._overwrite = output.overwrite
        self._tracking = Tracking(output.track, flattened(config.model_dump()))
        self.resumes = kind.resumes(self.out, self._resume)
        self._take()
        self.environment = environment(self.device)

    def _take(self) -> None:
        """Let the first process see that the directory is free; where it is not, no other one waits for it."""
        refused: NerDistillError | None = None
        if self.main:
            try:
                self.kind.check(self.out, resume=self._resume, overwrite=self._overwrite)
                if self.resumes:
                    hold(self.out, self.kind.noun)
            except NerDistillError as error:
                refused = error
        if any_process(self.accelerator, refused is not None):
            raise refused or RunError(f"{self.out}: cannot be written to; the first process says why")

    def finished(self, record: Record) -> bool:
        """Returns whether a training is resumed that has come to its end. Raises as `Record.require_same` does."""
        if not self.resumes:
            return False
        record.require_same(self.out)
        if self.kind.state(self.out) != "finished":
            return False
        self._clear()  # it may have been killed before it did
        self.reporter.info(f"{self.out}: this training is finished; nothing to do")
        return True

    def begun_unit(self, asked: str) -> str:
        """The unit that was asked for; with "auto", where a run of a model goes on, the one that it began with."""
        return read_info(self.out).unit if asked == "auto" and self.resumes else asked

    def begin(self, record: Record) -> None:
        """Make the directory of a new training, and log into it. Nothing is made or replaced before."""
        if self.main and not self.resumes:
            open_directory(self.kind, self.out, record, resume=self._resume, overwrite=self._overwrite)
            write_environment(self.out, self.environment)
        self.accelerator.wait_for_everyone()
        self.reporter.log_to(self.out / "log.txt")
        if self.resumes:
            warn_of_another(self.out, self.environment, self.reporter)

    def loop(self, task: TrainingTask, *, epochs: int | None = None, patience: int | None = None) -> Fit:
        """epochs, patience: in place of what the configuration says of them."""
        optim, changed = self.config.optim, {"epochs": epochs, "patience": patience}
        return Fit(
            task,
            optim.model_copy(update={key: value for key, value in changed.items() if value is not None}),
            self.out,
            seed=self.config.seed,
            reporter=self.reporter,
            accelerator=self.accelerator,
            tracking=self._tracking,
        )

    def finish(self, save: Callable[[Path], None], metrics: Mapping[str, Any]) -> None:
        """Write the model, then `metrics.json`, which marks a finished training, and remove the checkpoints."""
        if self.main:
            save(self.out)
            write_json(self.out / "metrics.json", {**metrics, "environment": self.environment})
        self._clear()
        self.accelerator.wait_for_everyone()

    def _clear(self) -> None:
        if self.main:
            clear_finished(self.out)

    # ---- of a teacher or a student

    def trained(self, development: Sequence[Sentence], *, max_words: int = 0) -> Trained:
        """Load the model of a finished run and score it, where there is something to score it on.

        max_words: as of `DevelopmentSet`.
        """
        built = load_run(self.out)
        if not development:
            return Trained(built, None, self.main)
        pairs = development_pairs(development, built, max_words=max_words)
        dev_set = DevelopmentSet(development, built.featurizer, built.info.tagset, max_words=max_words, pairs=pairs)
        reading = dev_set.read_by(built.model, scores=True)
        calibration = read_calibration(self.out, built.info.labels)
        # a run of an earlier version may have no maps, or keep those that would not be kept now
        worth = ScoresWorth.of(dev_set.judged(reading.found), keeps=calibration.scores is not None)
        answers = dev_set.answers([calibration.applied(own) for own in reading.found])
        return Trained(built, dev_set.scores_of(reading.found), self.main, reading.similarity, answers, worth)

    def train(
        self,
        built: AnyBuilt,
        task: TrainingTask,
        dev_set: DevelopmentSet | None,
        counts: Callable[[], Mapping[str, int]],
        *,
        judge: Judge | None = None,
    ) -> Trained:
        """Train to the end, write the run and score it. counts: of what is left out or cut, asked after training.

        dev_set: None where there is none: no score is in `metrics.json`. It chooses the epoch unless a `judge` does;
            with neither the last one is kept.
        """
        done = self.loop(task).run(resume=self.resumes)
        scores = calibrated = alike = answers = None
        if dev_set is not None:
            reading = dev_set.read_by(built.model, scores=True, tag_logs=True)
            scores, alike = dev_set.scores_of(reading.found), reading.similarity
            calibrated = calibrate(built.tagger, dev_set, reading, self.reporter)
            answers = dev_set.answers([calibrated.fitted.applied(own) for own in reading.found])
        own_best = {"best_epoch": done.own_best_epoch + 1} if done.own_best_epoch >= 0 else {}
        metrics = {
            "kind": built.info.kind,
            "parameters": sum(parameter.numel() for parameter in built.tagger.parameters()),
            "checkpoint_chosen_on": [str(path) for path in dev_set.files] if dev_set else [],
            "checkpoint": BEST_ON_DEV if dev_set else "last, no development data",
            **(judge.said(built.model) if judge else {}),
            "best_epoch": done.best_epoch + 1,
            "steps": done.step,
            "seconds": round(done.seconds, 1),
            "counts": dict(counts()),
            **({"dev": scores.to_json()} if scores else {}),
            **({"similarity": alike.to_json() | own_best} if alike else {}),
            **({"calibration": calibrated.figures} if calibrated else {}),
        }
        self.finish(lambda out: _save(built, calibrated, out), metrics)
        return Trained(built, scores, self.main, alike, answers, calibrated.worth if calibrated else None)


def _save(built: AnyBuilt, calibrated: Calibrated | None, out: Path) -> None:
    save_run(built, out)
    if calibrated is not None:
        write_calibration(out, calibrated.fitted, calibrated.files)
