"""What the benchmarks of quality share: trainings that are made once, votings, and figures over several seeds."""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ner_distill.commands.labels import voting_config
from ner_distill.config import StudentConfig, TeacherConfig, load_config
from ner_distill.config.presets import PREFIX
from ner_distill.console import Reporter
from ner_distill.data.formats.units import Cutting
from ner_distill.data.sentence import Sentence, Unit
from ner_distill.options import ReadOptions
from ner_distill.options.labels import VoteOptions
from ner_distill.options.training import StudentOptions, TeacherOptions
from ner_distill.pipelines.evaluate import read_gold
from ner_distill.pipelines.train_student import train_student as run_student
from ner_distill.pipelines.train_teacher import train_teacher as run_teacher
from ner_distill.pipelines.voting.vote_labels import Voting, vote_labels
from ner_distill.runs.info import read_config


def arguments(
    description: str | None, out: str, *, seeds: Sequence[int] = (1, 2, 3), data: str = ""
) -> argparse.ArgumentParser:
    """A parser with what each of these benchmarks takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    place = Path(os.environ.get("NER_DISTILL_DATA", "../shared/data")) / data
    parser.add_argument("--data", type=Path, default=place, help="where the corpora lie; default: $NER_DISTILL_DATA")
    parser.add_argument("--out", type=Path, default=Path(out), help="finished runs in it are used again")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds), help="of the trainings")
    return parser


def add_voting_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of a voting."""
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="fold teachers of the usual size and epochs")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="of the fold teachers")


def voting(train: Path, out: Path, given: argparse.Namespace, *, seed: int, **options: Any) -> Voting:
    """The voting of these options and those of `add_voting_arguments`; finished folds are used again."""
    vote = VoteOptions(
        train=[train],
        out=out,
        folds=given.folds,
        repeats=given.repeats,
        jobs=given.jobs,
        fast=not given.full,
        resume=(out / "voting.json").is_file(),
        **options,
    )
    return vote_labels(voting_config(None, [f"seed={seed}", *given.settings], fast=vote.fast), vote)


def train_teacher(
    run: Path,
    train: Path,
    dev: Path,
    settings: Sequence[str],
    *,
    flatten: str | None = None,
    preset: str | None = None,
) -> Path:
    """The run of a teacher, trained where it is not finished."""
    config = load_config(TeacherConfig, _preset(preset), settings)
    if is_finished(run):
        _require_same(run, config)
    else:
        options = TeacherOptions(train=[train], dev=[dev], out=run, flatten=flatten, overwrite=run.exists())
        run_teacher(config, options)
    return run


def train_student(
    run: Path,
    soft: Path | None,
    dev: Path,
    gold: Sequence[Path],
    settings: Sequence[str],
    *,
    preset: str | None = None,
) -> Path:
    """The run of a student, trained where it is not finished."""
    config = load_config(StudentConfig, _preset(preset), settings)
    if is_finished(run):
        _require_same(run, config)
    else:
        run_student(config, StudentOptions(soft=soft, gold=gold, dev=[dev], out=run, overwrite=run.exists()))
    return run


def _require_same(run: Path, config: TeacherConfig | StudentConfig) -> None:
    """Stop where a finished run was trained with other settings."""
    then, now = read_config(run, type(config)).model_dump(), config.model_dump()
    if now["optim"]["precision"] == "auto":
        now["optim"]["precision"] = then["optim"]["precision"]  # the device said it
    for each in (then, now):
        each["head"].pop("max_span", None)  # the data may say it
    differ = [name for name in now if then.get(name) != now[name]]
    if differ:
        raise SystemExit(f"{run}: was trained with another {', '.join(differ)}; give another --out")


def _preset(name: str | None) -> Path | None:
    return None if name is None else Path(f"{PREFIX}{name}")


def is_finished(run: Path) -> bool:
    """Is the training of a run at its end?"""
    return (run / "metrics.json").exists()


def read_test(file: Path, unit: Unit) -> list[Sentence]:
    """Labelled sentences to score on."""
    return read_gold([file], ReadOptions(), Reporter(quiet=True), known=Cutting(unit))


def mean_and_deviation(values: Sequence[float], digits: int = 1) -> str:
    """`71.2 ± 0.4`; one value has no deviation."""
    spread = f" ± {statistics.stdev(values):,.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):,.{digits}f}{spread}"
