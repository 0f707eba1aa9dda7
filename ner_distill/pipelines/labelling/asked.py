"""The teachers that a labelling asks, as it is told them (`RUN`, `hf:PLACE`, `RUN=WEIGHT`), and loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_distill.console import Reporter
from ner_distill.errors import ConfigError
from ner_distill.options import Files
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.pipelines.foreign import foreign_settings
from ner_distill.pipelines.labelling.labeller import min_votes_of
from ner_distill.pipelines.labelling.panel import Weights, require_alike
from ner_distill.pipelines.labelling.voices import ForeignVoice, RunVoice, Voice
from ner_distill.runs.build import load_teacher
from ner_distill.runs.info import RunInfo, fold_teachers, read_info
from ner_distill.teacher.foreign.base import MappedTeacher
from ner_distill.teacher.foreign.opening import foreign_source, open_foreign


@dataclass(frozen=True)
class Asked:
    """A teacher that is asked.

    run:    the directory of a run; of somebody else's model its place, which is a directory, a file or a name.
    weight: the number that was given with it; None: none was.
    kind:   of somebody else's model (`hf`, `spacy`, ...); "" of a run.
    """

    run: Path
    weight: float | None = None
    kind: str = ""


def asked_runs(setting: str, given: Files) -> list[Asked]:
    """The teachers with their weights. A directory of just this name, whatever it is, is a run without a weight.

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
    if Path(given).exists():
        return Asked(Path(given))
    foreign = foreign_source(str(given))
    kind, text = foreign or ("", str(given))
    place, equals, number = text.rpartition("=")
    if not equals or (kind and Path(text).exists()):
        if not text:
            raise ConfigError(f"`{setting}` {given}: expected a directory, a name or a file behind {given}")
        return Asked(Path(text), kind=kind)
    try:
        weight = float(number)
    except ValueError:
        if not Path(place).exists():
            return Asked(Path(text), kind=kind)  # something that is not there: who loads it says so
        raise ConfigError(f"`{setting}` {given}: expected a number behind =, found {number!r}") from None
    if not place or not (math.isfinite(weight) and weight >= 0):
        raise ConfigError(f"`{setting}` {given}: expected RUN=WEIGHT with a weight of 0 or more")
    return Asked(Path(place), weight, kind)


@dataclass(frozen=True)
class LoadedRuns:
    """The teachers of a labelling, loaded: those that tag with the weights that were given, and evaluators.

    foreign: somebody else's models among them.
    named:   the runs as the user named them: fold teachers that vote stand behind their teacher.
    """

    teachers: tuple[Voice, ...]
    weights: Weights
    evaluators: tuple[Voice, ...]
    evaluator_weights: Weights | None
    foreign: tuple[ForeignVoice, ...]
    named: tuple[Path, ...]

    def infos(self) -> Iterator[tuple[Path, RunInfo]]:
        """The runs as the user named them, each once, with what they say of themselves."""
        for run in dict.fromkeys((*self.named, *(one.run for one in self.evaluators if one.run is not None))):
            yield run, read_info(run)


def load_runs(options: LabelUnlabeledOptions, reporter: Reporter) -> LoadedRuns:
    """Load the teachers; one that is named twice is loaded once.

    Raises NerDistillError for what is no run of a teacher and no model that is read, for weights that are none, for
    teachers that cannot answer together, and for options that exclude each other.
    """
    teachers, evaluators = asked_runs("teacher", options.teacher), asked_runs("evaluator", options.evaluator)
    _check(options, teachers, evaluators)
    asked = _voting_teachers(teachers, options, reporter)
    numbers = weights_of(teachers) if len(asked) == len(teachers) else [1.0] * len(asked)
    loaded: dict[Path, RunVoice] = {}
    for one in (*asked, *evaluators):
        if not one.kind and one.run.resolve() not in loaded:
            loaded[one.run.resolve()] = RunVoice(load_teacher(one.run), one.run)
    foreign = _foreign([one for one in asked if one.kind], list(loaded.values()), options, reporter)
    voices: list[Voice] = [foreign[one.kind, one.run] if one.kind else loaded[one.run.resolve()] for one in asked]
    built = LoadedRuns(
        tuple(voices),
        Weights.of(numbers),
        tuple(loaded[one.run.resolve()] for one in evaluators),
        Weights.of(weights_of(evaluators)) if evaluators else None,
        tuple(foreign.values()),
        tuple(one.run for one in teachers if not one.kind),
    )
    require_alike(built.teachers, built.evaluators)
    return built


def _foreign(
    asked: Sequence[Asked], runs: Sequence[RunVoice], options: LabelUnlabeledOptions, reporter: Reporter
) -> dict[tuple[str, Path], ForeignVoice]:
    """Somebody else's models, in the types of the runs, or where there are none in their own or those mapped to."""
    if not asked:
        if options.map:
            raise ConfigError("`map` is of somebody else's models, and no `teacher` is one: leave it out")
        return {}
    settings = foreign_settings(options)
    opened = {(one.kind, one.run): open_foreign(one.kind, str(one.run), settings) for one in asked}
    teachers = list(opened.values())
    settings.map.require_known(teachers)
    labels = runs[0].labels if runs else settings.map.labels(teachers)
    voices = {}
    for key, teacher in opened.items():
        for remark in teacher.remarks:
            reporter.warn(remark)
        mapped = MappedTeacher(teacher, settings.map, labels)
        if lost := [label for label in mapped.dropped if settings.map.given.get(label) != ""]:
            reporter.warn(
                f"{teacher.name}: {', '.join(lost)} are none of the types here ({', '.join(labels)}) and go to O; "
                "`map` THEIRS=OURS says which is which, THEIRS= drops one"
            )
        if mapped.missing:
            reporter.warn(
                f"{teacher.name} knows no {', '.join(mapped.missing)}: where other teachers find one, it says O"
            )
        voices[key] = ForeignVoice(mapped)
    if options.pairs_per_sentence and all(one.similarity is None for one in runs):
        reporter.info("no teacher compares words: the store has no pairs; `evaluator` RUN compares them")
    return voices


def _check(options: LabelUnlabeledOptions, teachers: Sequence[Asked], evaluators: Sequence[Asked]) -> None:
    """Raise ConfigError for options that exclude each other, before anything is read."""
    problems = []
    auto = options.teacher_weights == "auto"
    if auto and any(one.weight is not None for one in teachers):
        problems.append("`teacher_weights` auto finds the weights: leave those of `teacher` out, or give all of them")
    if auto and len(teachers) < 2:
        problems.append("`teacher_weights` auto weighs several teachers against each other, and there is one `teacher`")
    if options.labelled and not auto and not any(one.kind == "answers" for one in teachers):
        problems.append("`labelled` is for `teacher_weights` auto: give that as well, or a `teacher` answers:FILE")
    problems += [
        f"`evaluator` {one.kind}:{one.run}: somebody else's model compares no words; give a run of train-teacher"
        for one in evaluators
        if one.kind
    ]
    for name in ("types", "confidence"):
        wants = {"types": "gliner", "confidence": "answers"}[name]
        if options.changed(name) and not any(one.kind == wants for one in teachers):
            problems.append(f"`{name}` is for `teacher` {wants}:..., and there is none: leave it out")
    if options.evaluator and options.pairs_per_sentence == 0:
        problems.append("`evaluator` compares words, and with `pairs_per_sentence` 0 none are: leave one of them out")
    if options.out_of_fold and set(min_votes_of(options).values) != {1}:
        problems.append("`out_of_fold` asks fold teachers one by one, `min_votes` lets all vote: leave one of them out")
    if options.out_of_fold and any(one.kind == "answers" for one in teachers):
        problems.append("`out_of_fold` and `teacher` answers:FILE both say who answers what: leave one of them out")
    if options.out_of_fold and options.calibrated:
        problems.append("`calibrated` is of teachers, fold teachers have no temperature: leave it or `out_of_fold` out")
    if problems:
        raise ConfigError.of(problems)


def _voting_teachers(teachers: Sequence[Asked], options: LabelUnlabeledOptions, reporter: Reporter) -> Sequence[Asked]:
    """Returns the fold teachers of the one teacher, where votes are asked of it and it has some; else the teachers."""
    votes = min_votes_of(options)
    if set(votes.values) == {1} or len(teachers) != 1:
        return teachers
    (teacher,) = teachers
    if teacher.kind:
        raise ConfigError(
            f"`min_votes` {max(votes.values)}: {teacher.kind}:{teacher.run} is one model with one vote; give several "
            "`teacher`"
        )
    read_info(teacher.run)  # raises RunError where there is no run
    folds = fold_teachers(teacher.run)
    if folds and not (teacher.run / "metrics.json").is_file():
        raise ConfigError(
            f"`teacher` {teacher.run}: its training is not finished; go on with train-teacher and `resume`"
        )
    if not folds:
        raise ConfigError(
            f"`min_votes` {max(votes.values)}: {teacher.run} is one teacher without fold teachers; give several "
            "`teacher`, or one trained with `folds`"
        )
    reporter.info(f"{len(folds)} fold teachers of {teacher.run} answer and vote")
    return [Asked(fold) for fold in folds]
