"""Labels that lie, or that are missing: votes, their review, self-training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ner_distill.commands.common import console_for_results, loading, next_steps
from ner_distill.commands.declare import command, group
from ner_distill.errors import ConfigError
from ner_distill.options import Settings
from ner_distill.options.labels import ApplyReviewOptions, ReviewOptions, SelfTrainOptions, VaryOptions, VoteOptions

if TYPE_CHECKING:
    from ner_distill.config import TeacherConfig

commands = group()
FAST = {
    "scratch": (
        "encoder.hidden=64", "encoder.heads=4", "encoder.layers=1", "encoder.word_dim=48", "encoder.bigram_dim=48",
        "encoder.char_filters=24", "optim.epochs=5", "similarity.weight=0",
    ),
    "pretrained": ("optim.epochs=2", "similarity.weight=0"),
}  # fmt: skip


@command(commands, "vote-labels", short_help="labelled sentences → which of their labels are doubtful")
def vote_labels(options: VoteOptions, settings: Settings) -> None:
    """Let models vote on labels that they did not see: find the wrong ones, and those that are missing.

    The data is split into folds, and for each a fresh teacher is trained on the others. An entity that these teachers
    do not find, in so many repeats of this, is dropped, masked, or relabelled as they say; with `weight` its sentence
    counts less.

    With --bags the given entities are taken for right, and unlabelled words for unknown: each of T teachers is told of
    the words without a label in some of the sentences only, and votes on, and scores, those of the others.

    Written are cleaned.jsonl (for train-teacher), votes.jsonl (for review) and summary.json. With --resume finished
    folds are used again, also for another --action, --threshold or --min-votes.

    Example: ner-distill vote-labels --train train.conll --out runs/votes
    """
    loading()
    from ner_distill.pipelines.voting.vote_labels import vote_labels as run
    from ner_distill.views.vote_labels import render

    voting = run(voting_config(settings.config, settings.set, fast=options.fast), options)
    console_for_results().print(render(voting))
    out = options.out
    typer.echo(f"{out}/cleaned.jsonl: the data as the votes leave it")
    next_steps(
        ["review", out, "--out", "review.html"],
        ["train-teacher", "--train", out / "cleaned.jsonl", "--dev", "DEV", "--out", "runs/teacher"],
    )


@command(commands, "review", short_help="votes, or a store → a page on which a person corrects labels")
def review(options: ReviewOptions) -> None:
    """Make a page for reviewing suspicious labels, or for labelling raw text, in a browser.

    One HTML file, which loads nothing from anywhere. Of votes it shows entities of the data that held-out models did
    not find, and entities that only they found, the most suspicious first.

    Of a store it shows sentences with the entities that the teacher finds, those first from which a model learns most:
    with much doubt, about words that were not asked about before. Each is accepted as it is, or corrected, as a whole.

    The browser keeps what was decided. Export the decisions there, and merge them with apply-review.

    Example: ner-distill review runs/votes --out review.html

    Example: ner-distill review runs/soft --out label.html --limit 300
    """
    from ner_distill.files import atomic_write_text
    from ner_distill.pipelines.reviewing.sentences import is_raw_review, review_sentences
    from ner_distill.pipelines.voting.review import review as run
    from ner_distill.views.review import page_of, sentences_page

    if is_raw_review(options):
        content = review_sentences(options)
        atomic_write_text(options.out, sentences_page(content))
        left_out = f", {content['left_out']:,} less useful ones left out" if content["left_out"] else ""
        typer.echo(
            f"{options.out}: {len(content['sentences']):,} sentences{left_out}; open it in a browser, then: "
            f"ner-distill apply-review EXPORTED --store {options.votes} --out FILE"
        )
        return
    content = run(options)
    atomic_write_text(options.out, page_of(content))
    left_out = f", {content['left_out']:,} less suspicious ones left out" if content["left_out"] else ""
    typer.echo(
        f"{options.out}: {len(content['queue']):,} entities in {len(content['sentences']):,} sentences{left_out}; "
        "open it in a browser, then: ner-distill apply-review EXPORTED --data FILE --out FILE"
    )


@command(commands, "apply-review", short_help="merge the decisions of a review into the data")
def apply_review(options: ApplyReviewOptions) -> None:
    """Merge the decisions of a review into the labelled data, or make labelled sentences of a store.

    Sentences are found by their ids and words. With --data, what was accepted is in the result, what was rejected is
    not, what was corrected is replaced. With --store the result has the sentences that were accepted or corrected as a
    whole, and no others. Decisions on sentences that changed are refused, and nothing is written.

    Example: ner-distill apply-review review-votes.jsonl --data train.conll --out reviewed.jsonl

    Example: ner-distill apply-review review-soft.jsonl --store runs/soft --out labelled.jsonl
    """
    from ner_distill.pipelines.reviewing.answers import apply_answers
    from ner_distill.pipelines.voting.apply_review import apply_review as run
    from ner_distill.pipelines.voting.apply_review import summary

    if bool(options.data) == (options.store is not None):
        raise ConfigError("expected what was reviewed: `data` (of votes), or `store`; one of the two")
    if options.store is not None:
        typer.echo(f"{options.out}: {apply_answers(options).summary()}")
        next_steps(["train-teacher", "--train", "TRAIN", "--train", options.out, "--dev", "DEV", "--out", "runs/next"])
        return
    typer.echo(f"{options.out}: {summary(run(options))}")
    next_steps(["train-teacher", "--train", options.out, "--dev", "DEV", "--out", "runs/teacher"])


@command(commands, "self-train", short_help="labelled sentences + raw text → teachers that teach themselves")
def self_train(options: SelfTrainOptions, settings: Settings) -> None:
    """Train a teacher, let its fold teachers label raw text, train on what they agree on, and again.

    Each round is a run, round-0 (labelled data alone), round-1 and so on, with its fold teachers; round-1.jsonl holds
    the sentences of the text that round 1 was trained on: entities with enough votes are labels, words of others are
    masked. It ends after --rounds, or after a round that is not better on --dev than all before.

    --format, --scheme, --tag-column, --strict and --flatten are about --train and --dev.

    Example: ner-distill self-train --train train.conll --dev dev.conll --text raw.txt --out runs/self
    """
    loading()
    from ner_distill.config import TeacherConfig, load_config
    from ner_distill.pipelines.voting.self_train import self_train as run
    from ner_distill.views.rounds import self_training_table, self_training_verdict

    done = run(load_config(TeacherConfig, settings.config, settings.set), options)
    console_for_results().print(self_training_table(done))
    typer.echo(self_training_verdict(done))
    next_steps(
        ["label-unlabeled", "--teacher", done.best.run, "--text", "TEXT", "--out", "runs/soft"],
        ["evaluate", "--model", done.best.run, "--data", "TEST"],
    )


def voting_config(file: Path | None, settings: Sequence[str], *, fast: bool) -> TeacherConfig:
    """Returns the configuration of all folds: with `fast` small models of few epochs, but for what the user sets."""
    from ner_distill.config import TeacherConfig, load_config

    config = load_config(TeacherConfig, file, settings)
    if not fast:
        return config
    kind = "scratch" if config.encoder.name == "scratch" else "pretrained"
    return load_config(TeacherConfig, file, [*FAST[kind], *settings])


@command(commands, "vary-entities", short_help="labelled sentences → more of their kind, for a teacher to answer")
def vary_entities(options: VaryOptions) -> None:
    """Write labelled sentences once more with other entities of the same types in them.

    It makes text of the right kind where there is little: a student learns more from a teacher's answers on text like
    that which it will read. With --soft the entities are also those that a teacher found in raw text. What is written
    has the labels too, but is meant for label-unlabeled --text: the teacher knows better where a name does not fit.

    Example: ner-distill vary-entities --train train.conll --soft runs/soft --out varied.jsonl
    """
    from ner_distill.pipelines.vary_entities import vary_entities as run

    typer.echo(f"{options.out}: {run(options).summary()}")
    next_steps(["label-unlabeled", "--teacher", "TEACHER", "--text", options.out, "--out", "runs/soft"])
