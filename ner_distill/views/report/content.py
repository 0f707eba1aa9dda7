"""What a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ner_distill.data.calibration import Reliability
from ner_distill.data.metrics import Scores
from ner_distill.pipelines.evaluate import Evaluation
from ner_distill.runs.answering import is_single_run
from ner_distill.runs.facts import RunFacts, read_facts
from ner_distill.training.development import Answers
from ner_distill.training.session import Trained


@dataclass(frozen=True)
class Report:
    """A model, what its run says of it, and how it does on labelled sentences.

    scored_on:    the files of these. Where there are none, `scores`, `answers` and `reliability` are None.
    chosen_on:    whether they are the development set of the training, which may have chosen the weights.
    reliability:  of scores, calibrated where the run is; uncalibrated: as they were before, None where it is not.
    counts:       what of the sentences the model could not read as it is, by what it is.
    """

    facts: RunFacts
    scored_on: Sequence[str] = ()
    scores: Scores | None = None
    answers: Answers | None = None
    reliability: Reliability | None = None
    uncalibrated: Reliability | None = None
    chosen_on: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_evaluation(cls, done: Evaluation, models: Sequence[Path], data: Sequence[str | Path]) -> Report:
        """Of `evaluate`; of what is no run, or of several, the page says no more than what was scored."""
        labels = tuple(done.scores.by_type)
        return cls(
            read_facts(models[0]) if is_single_run(models) else RunFacts.of_no_run(models[0], labels),
            [str(path) for path in data],
            done.scores,
            done.answers,
            done.reliability,
            done.uncalibrated,
            counts=done.counts,
        )

    @classmethod
    def of_training(cls, trained: Trained, run: Path, dev: Sequence[str | Path]) -> Report:
        """Of a finished training."""
        facts, worth = read_facts(run), trained.worth
        if trained.scores is None or worth is None:
            return cls(facts, chosen_on=True)
        return cls(
            facts,
            [str(path) for path in dev],
            trained.scores,
            trained.answers,
            worth.after or worth.before,
            worth.before if worth.after is not None else None,
            chosen_on=True,
        )

    @property
    def name(self) -> str:
        """The name of the run's directory."""
        return self.facts.path.resolve().name

    @property
    def about(self) -> str:
        """What the page is about, in a few words."""
        kind = self.facts.info.kind
        what = self.name if kind in self.name else f"{kind} {self.name}"
        files = ", ".join(self.scored_on)
        return f"{what} on {files}" if files else what

    @property
    def labels(self) -> tuple[str, ...]:
        """The types in their order: those of the run, then what only the data has."""
        return tuple(self.scores.by_type) if self.scores is not None else self.facts.info.labels
