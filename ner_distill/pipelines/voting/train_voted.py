"""`train-teacher --folds`: k-fold voting over the training data, then a teacher on what is left of its labels.

OUT/voting/   what `vote_labels` makes, with its fold teachers: `label-unlabeled --min-votes` lets them vote on raw text
OUT/          the run of the teacher, trained on OUT/voting/cleaned.jsonl
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.lines import STDIN
from ner_distill.data.formats.reading import read_labelled
from ner_distill.data.sentence import Unit, labels_of
from ner_distill.directories import Resume
from ner_distill.errors import ConfigError
from ner_distill.files import read_json
from ner_distill.options import ReadOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.pipelines.voting.vote_labels import VOTES, vote_labels
from ner_distill.runs.info import TEACHER_RUN, VOTING
from ner_distill.training.development import check_development_labels
from ner_distill.training.processes import make_accelerator
from ner_distill.training.session import Trained

RUN = replace(TEACHER_RUN, beside=(VOTING,))


def train_voted(
    train: Sequence[str | Path],
    dev: Sequence[str | Path],
    out: Path,
    *,
    folds: int,
    action: str = "mask",
    jobs: int = 1,
    unit: Unit | str = "auto",
    config_file: Path | None = None,
    settings: Sequence[str] = (),
    resume: Resume = False,
    overwrite: bool = False,
    reading: ReadOptions | None = None,
    reporter: Reporter | None = None,
) -> Trained:
    """Vote on the training data with as many teachers as folds, each trained as the last one will be, and train that.

    action, jobs, unit: as of `vote_labels`; "keep" leaves the labels as they are, and is for the fold teachers alone.
    resume:       finished folds are used as they are, and whatever was begun goes on.

    Raises NerDistillError for wrong input, all of it before anything is made or replaced; TrainingError where a
    training could not go on.
    """
    reporter, reading, voting = reporter or Reporter(), reading or ReadOptions(), out / VOTING
    config = load_config(TeacherConfig, config_file, settings)  # what is wrong with it is said before files are read
    if STDIN in map(str, [*train, *dev]):
        raise ConfigError("--folds: standard input is read once, and these files are read for the folds and again: -")
    if make_accelerator().num_processes > 1:
        raise ConfigError(
            "--folds: folds are trained one by one, or with --jobs; run this without torchrun, or vote-labels first "
            "and then train-teacher on its cleaned.jsonl"
        )
    resume, begun = VOTES.resumes(voting, resume), RUN.state(out) != "absent"
    if resume and begun:
        _require_same_action(voting, action)
    if not resume or begun:
        RUN.check(out, resume=resume, overwrite=overwrite)
    sentences, unit = read_labelled(train, "--train", reading, Reporter(quiet=True), unit=unit, keep_nested=True)
    development, _ = read_labelled(dev, "--dev", reading, Reporter(quiet=True), unit=unit, keep_nested=True)
    check_development_labels(labels_of(sentences), labels_of(development), Reporter(quiet=True))

    def opened() -> None:
        if overwrite:
            RUN.make(out, overwrite=True)

    vote_labels(
        train,
        voting,
        folds=folds,
        repeats=1,
        action=action,
        jobs=jobs,
        unit=unit,
        config_file=config_file,
        settings=settings,
        resume=resume,
        overwrite=overwrite,
        reading=reading,
        reporter=reporter,
        opened=opened,
    )
    options = TeacherOptions(
        train=[voting / "cleaned.jsonl"], dev=dev, out=out, format="jsonl", flatten=reading.flatten
    )
    return train_teacher(
        config, options, reporter, unit=unit, labels=labels_of(sentences), dev_reading=reading, resume="auto"
    )


def _require_same_action(voting: Path, action: str) -> None:
    """Raises ConfigError where the run was begun with what another action left of the labels."""
    summary = read_json(voting / "summary.json", "the voting of this run is damaged")
    before = summary.get("rules", {}).get("action")
    if before != action:
        raise ConfigError(
            f"--resume: action was {before!r}, now {action!r}; the run goes on with the labels that it began with. "
            "Choose another --out, or --overwrite"
        )
