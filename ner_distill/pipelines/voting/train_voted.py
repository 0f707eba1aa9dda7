"""`train-teacher --folds`: k-fold voting over the training data, then a teacher on what is left of its labels.

OUT/voting/   what `vote_labels` makes, with its fold teachers: `label-unlabeled --min-votes` lets them vote on raw text
OUT/          the run of the teacher, trained on OUT/voting/cleaned.jsonl
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from ner_distill.config import TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.lines import STDIN
from ner_distill.data.noise.votes import Rules
from ner_distill.errors import ConfigError
from ner_distill.executing.each import require_one_process
from ner_distill.files import read_json
from ner_distill.holding import hold, until_done
from ner_distill.options.labels import VoteOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.train_teacher import read_teacher_data, train_on
from ner_distill.pipelines.voting.vote_labels import VotingPlan, rules_of
from ner_distill.runs.heads import check_entities
from ner_distill.runs.info import TEACHER_RUN, VOTING
from ner_distill.runs.record import fingerprints, require_outside
from ner_distill.training.precision import with_precision
from ner_distill.training.session import Session, Trained
from ner_distill.training.tracking import require_trackers

RUN = replace(TEACHER_RUN, beside=(VOTING,))


@until_done()
def train_voted(
    config: TeacherConfig, options: TeacherOptions, reporter: Reporter | None = None, *, unit: str = "auto"
) -> Trained:
    """Vote on the training data with as many teachers as folds, each trained as the last one will be, and train that.

    With the action "keep" the labels stay as they are, and the fold teachers are what the voting is for. With `resume`
    finished folds are used as they are, and whatever was begun goes on.

    unit: what a word is, where that was decided when the files were written; "auto": what suits the files.
    Raises NerDistillError for wrong input, all of it before anything is made or replaced; TrainingError where a
    training could not go on.
    """
    reporter, out = reporter or Reporter(), options.out
    if STDIN in map(str, [*options.train, *options.dev]):
        raise ConfigError("`folds`: standard input is read once, and these files are read for the folds and again: -")
    require_one_process(
        "`folds`: folds are trained one by one, or with `jobs`; run this without torchrun, or vote-labels first and "
        "then train-teacher on its cleaned.jsonl"
    )
    require_trackers(options.track)
    begun = RUN.state(out) != "absent"
    if options.resume and begun:
        _require_same_rules(options, out / VOTING)
    if not options.resume or begun:
        RUN.check(out, resume=options.resume, overwrite=options.overwrite)
    data = read_teacher_data(config, options, reporter, unit=options.unit if unit == "auto" else unit)
    plan = VotingPlan(
        config,
        _vote_options(options),
        data.sentences,
        data.info.unit,
        max_words=options.max_words,
        track=options.track,
    )
    if options.overwrite:
        require_outside(out, data.inputs)
    hold(out, RUN.noun)  # where it is there already
    plan.open()
    if options.overwrite:
        RUN.make(out, overwrite=True)
    sentences = plan.run(reporter).sentences
    inputs = {**data.inputs, "train": fingerprints([out / VOTING / "cleaned.jsonl"])}
    left_out = check_entities(config.head, sentences, "`train`", Reporter(quiet=True))  # which were said above
    cleaned = replace(data, sentences=sentences, inputs=inputs, left_out=left_out)
    config = with_precision(plan.config, TEACHER_RUN, options, "auto")
    session = Session(TEACHER_RUN, replace(options, overwrite=False), config, reporter, resume="auto")
    return train_on(config, cleaned, session)


def _vote_options(options: TeacherOptions) -> VoteOptions:
    same = ("train", "folds", "repeats", "action", "threshold", "min_votes", "epsilon", "resume", "overwrite")
    by = ("jobs", "executor", "workers")
    values = {name: value for name, value in vars(options).items() if name in same or name in by}
    return VoteOptions(out=options.out / VOTING, **values, **asdict(options.reading()))


def _require_same_rules(options: TeacherOptions, voting: Path) -> None:
    """Raise NerDistillError where the labels that the run was begun with were made by other rules."""
    before = read_json(voting / "summary.json", "the voting of this run is damaged").get("rules", {})
    now = asdict(rules_of(_vote_options(options)))
    old = {**asdict(Rules()), **before}  # what a run of an earlier version does not say was so
    changes = [f"{name} was {old[name]!r}, now {value!r}" for name, value in now.items() if old[name] != value]
    if changes:
        raise ConfigError(
            f"`resume`: {'; '.join(changes)}; the run goes on with the labels that it began with. Choose another "
            "`out`, or `overwrite`"
        )
