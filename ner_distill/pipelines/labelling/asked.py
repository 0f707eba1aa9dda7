"""The runs that a labelling asks, as it is told them (`RUN`, or `RUN=WEIGHT`), and loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.errors import ConfigError
from ner_distill.nn.heads import SpanHead
from ner_distill.options import Files
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.labelling.labeller import min_votes_of
from ner_distill.pipelines.labelling.panel import Weights, require_alike
from ner_distill.runs.build import Built, load_teacher
from ner_distill.runs.calibration import read_calibration
from ner_distill.runs.info import RunInfo, fold_teachers, read_info
from ner_distill.teacher.model import Teacher


@dataclass(frozen=True)
class Asked:
    """A run that is asked. weight: the number that was given with it; None: none was."""

    run: Path
    weight: float | None = None


def asked_runs(setting: str, given: Files) -> list[Asked]:
    """The runs with their weights. A directory of just this name, whatever it is, is a run without a weight.

    Raises ConfigError for weights that are no numbers, negative, infinite, or all 0.
    """
    runs = [_asked(setting, text) for text in given]
    if runs and not any(weights_of(runs)):
        raise ConfigError(f"`{setting}`: all weights are 0; expected one above 0 at least")
    return runs


def weights_of(runs: Sequence[Asked]) -> list[float]:
    """The weights as given, 1 where none was."""
    return [1.0 if one.weight is None else one.weight for one in runs]


def _asked(setting: str, given: str | Path) -> Asked:
    run, equals, number = str(given).rpartition("=")
    if not equals or Path(given).exists():
        return Asked(Path(given))
    try:
        weight = float(number)
    except ValueError:
        if not Path(run).exists():
            return Asked(Path(given))  # a run that is not there: who loads it says so
        raise ConfigError(f"`{setting}` {given}: expected a number behind =, found {number!r}") from None
    if not run or not (math.isfinite(weight) and weight >= 0):
        raise ConfigError(f"`{setting}` {given}: expected RUN=WEIGHT with a weight of 0 or more")
    return Asked(Path(run), weight)


@dataclass(frozen=True)
class LoadedRuns:
    """The runs of a labelling, loaded: those that tag with the weights that were given, and evaluators.

    named: the teachers as the user named them: fold teachers that vote stand behind their teacher.
    """

    runs: tuple[Path, ...]
    teachers: tuple[Built[Teacher], ...]
    weights: Weights
    evaluator_runs: tuple[Path, ...]
    evaluators: tuple[Built[Teacher], ...]
    evaluator_weights: Weights | None
    named: tuple[Path, ...]

    def run_of(self, built: Built[Teacher]) -> Path:
        every = zip((*self.teachers, *self.evaluators), (*self.runs, *self.evaluator_runs), strict=True)
        return next(run for one, run in every if one is built)

    def infos(self) -> Iterator[tuple[Path, RunInfo]]:
        """The runs as the user named them, each once, with what they say of themselves."""
        for run in dict.fromkeys((*self.named, *self.evaluator_runs)):
            yield run, read_info(run)


def load_runs(options: LabelUnlabeledOptions, reporter: Reporter) -> LoadedRuns:
    """Load the runs; one that is named twice is loaded once.

    Raises NerDistillError for what is no run of a teacher, for weights that are none, for runs that cannot answer
    together, and for options that exclude each other.
    """
    teachers, evaluators = asked_runs("teacher", options.teacher), asked_runs("evaluator", options.evaluator)
    _check(options, teachers)
    runs = _voting_teachers([one.run for one in teachers], options, reporter)
    numbers = weights_of(teachers) if len(runs) == len(teachers) else [1.0] * len(runs)
    loaded: dict[Path, Built[Teacher]] = {}
    for run in (*runs, *(one.run for one in evaluators)):
        loaded[run.resolve()] = loaded.get(run.resolve()) or load_teacher(run)
    built = LoadedRuns(
        tuple(runs),
        tuple(loaded[run.resolve()] for run in runs),
        Weights.of(numbers),
        tuple(one.run for one in evaluators),
        tuple(loaded[one.run.resolve()] for one in evaluators),
        Weights.of(weights_of(evaluators)) if evaluators else None,
        tuple(one.run for one in teachers),
    )
    require_alike(built.teachers, built.evaluators)
    return built


def _check(options: LabelUnlabeledOptions, teachers: Sequence[Asked]) -> None:
    """Raise ConfigError for options that exclude each other, before anything is read."""
    problems = []
    auto = options.teacher_weights == "auto"
    if auto and any(one.weight is not None for one in teachers):
        problems.append("`teacher_weights` auto finds the weights: leave those of `teacher` out, or give all of them")
    if auto and len(teachers) < 2:
        problems.append("`teacher_weights` auto weighs several teachers against each other, and there is one `teacher`")
    if options.labelled and not auto:
        problems.append("`labelled` is for `teacher_weights` auto: give that as well")
    if options.evaluator and options.pairs_per_sentence == 0:
        problems.append("`evaluator` compares words, and with `pairs_per_sentence` 0 none are: leave one of them out")
    if options.out_of_fold and set(min_votes_of(options).values) != {1}:
        problems.append("`out_of_fold` asks fold teachers one by one, `min_votes` lets all vote: leave one of them out")
    if options.out_of_fold and options.calibrated:
        problems.append("`calibrated` is of teachers, fold teachers have no temperature: leave it or `out_of_fold` out")
    if problems:
        raise ConfigError.of(problems)


def temperature_of(run: Path, built: Built[Teacher]) -> float:
    """The temperature of tag probabilities that the run of a teacher keeps. Raises ConfigError where it has none."""
    if isinstance(built.tagger.head, SpanHead):
        raise ConfigError(f"`calibrated`: {run} finds spans, which have no temperature; leave it out")
    temperature = read_calibration(run, built.info.labels).temperature
    if temperature is None:
        raise ConfigError(
            f"`calibrated`: {run} has no temperature in calibration.json: train it with `dev`, or leave it out"
        )
    return temperature


def _voting_teachers(teachers: Sequence[Path], options: LabelUnlabeledOptions, reporter: Reporter) -> Sequence[Path]:
    """Returns the fold teachers of the one teacher, where votes are asked of it and it has some; else the teachers."""
    votes = min_votes_of(options)
    if set(votes.values) == {1} or len(teachers) != 1:
        return teachers
    (teacher,) = teachers
    read_info(teacher)  # raises RunError where there is no run
    folds = fold_teachers(teacher)
    if folds and not (teacher / "metrics.json").is_file():
        raise ConfigError(f"`teacher` {teacher}: its training is not finished; go on with train-teacher and `resume`")
    if not folds:
        raise ConfigError(
            f"`min_votes` {max(votes.values)}: {teacher} is one teacher without fold teachers; give several "
            "`teacher`, or one trained with `folds`"
        )
    reporter.info(f"{len(folds)} fold teachers of {teacher} answer and vote")
    return folds
