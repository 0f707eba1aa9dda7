"""Labels that lie, or that are missing: votes, their review, self-training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ner_distill.commands.common import (
    Config,
    Files,
    Flatten,
    Format,
    Overwrite,
    Resume,
    Scheme,
    Settings,
    Strict,
    TagColumn,
    console_for_results,
    flatten_choice,
    group,
)

commands = group()


@commands.command("vote-labels", short_help="labelled sentences → which of their labels are doubtful")
def vote_labels(
    train: Annotated[Files, typer.Option("--train", metavar="FILE", help="Labelled sentences to check. Repeatable.")],
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="Directory of the votes, made by this command.")],
    folds: Annotated[
        int | None,
        typer.Option("--folds", metavar="K", min=2, help="Parts; each is judged by a model that saw the others; 5."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option("--repeats", metavar="R", min=1, help="Other splits: each label is judged so many times; 2."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="WHAT", help="What stays together: sentence, document (of the id), entity (its words)."
        ),
    ] = "sentence",
    bags: Annotated[
        int,
        typer.Option(
            "--bags",
            metavar="T",
            min=0,
            help="PU bagging in place of folds: the labels are right, T models look for what is missing.",
        ),
    ] = 0,
    bag_share: Annotated[
        float | None,
        typer.Option("--bag-share", metavar="S", help="Sentences drawn for a bag, with replacement, of all; 0.5."),
    ] = None,
    action: Annotated[
        str,
        typer.Option(
            "--action",
            metavar="NAME",
            help="What happens to outvoted labels: drop, mask, relabel, weight (of the sentence), or keep (nothing).",
        ),
    ] = "mask",
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="[TYPE=]P",
            help="Suspicion, 0 to 1, from which on a label may be outvoted; 0.95. Repeatable, for single types.",
        ),
    ] = None,
    min_votes: Annotated[
        int,
        typer.Option("--min-votes", metavar="N", min=0, help="Votes that a label needs; 0: more than half."),
    ] = 0,
    epsilon: Annotated[
        float, typer.Option("--epsilon", metavar="E", help="Weight of a sentence for each missing vote (weight).")
    ] = 0.7,
    fast: Annotated[bool, typer.Option("--fast", help="Small models of few epochs, for much data.")] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="Folds that are trained at once, a process each.")
    ] = 1,
    discard_folds: Annotated[
        bool, typer.Option("--discard-folds", help="Remove the folds' models when all is done.")
    ] = False,
    config: Config = None,
    settings: Settings = None,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    strict: Strict = False,
    flatten: Flatten = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
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
    from ner_distill.data.formats.reading import ReadOptions
    from ner_distill.errors import ConfigError
    from ner_distill.pipelines.voting.vote_labels import parse_thresholds
    from ner_distill.pipelines.voting.vote_labels import vote_labels as run
    from ner_distill.views.vote_labels import render

    general, thresholds = parse_thresholds(threshold or [])
    if bags and (folds or repeats):
        raise ConfigError("--bags takes the place of --folds and --repeats: leave these out")
    if bag_share is not None and not bags:
        raise ConfigError("--bag-share is about --bags: give that as well")
    voting = run(
        train,
        out,
        folds=folds or 5,
        repeats=repeats or 2,
        by=by,
        bags=bags,
        bag_share=0.5 if bag_share is None else bag_share,
        action=action,
        threshold=general,
        thresholds=thresholds,
        min_votes=min_votes,
        epsilon=epsilon,
        config_file=config,
        settings=settings or [],
        fast=fast,
        jobs=jobs,
        discard_folds=discard_folds,
        resume=resume,
        overwrite=overwrite,
        reading=ReadOptions(format, scheme, tag_column, strict, flatten_choice(flatten)),
    )
    console_for_results().print(render(voting))
    typer.echo(f"{out}/cleaned.jsonl: train on it; look at the votes: ner-distill review {out} --out review.html")


@commands.command("review", short_help="votes → a page on which a person looks at suspicious labels")
def review(
    votes: Annotated[
        Path, typer.Argument(metavar="VOTES", help="votes.jsonl of vote-labels, or the directory that holds it.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="HTML file to write.")],
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="Entities of the page, the most suspicious; 0 = all.")
    ] = 2000,
    min_suspicion: Annotated[
        float, typer.Option("--min-suspicion", metavar="P", help="Ask about entities from this suspicion on, 0 to 1.")
    ] = 0.0,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="FILE", help="Check that the votes are on these labelled files. Repeatable."),
    ] = None,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    overwrite: Overwrite = False,
) -> None:
    """Make a page for reviewing suspicious labels in a browser.

    One HTML file, which loads nothing from anywhere: entities of the data that held-out models did not find, and
    entities that only they found, the most suspicious first. Accept, reject or correct them with mouse or keyboard;
    the browser keeps what was decided. Export the decisions there, and merge them with apply-review.

    Example: ner-distill review runs/votes --out review.html
    """
    from ner_distill.data.formats.reading import ReadOptions
    from ner_distill.pipelines.voting.review import review as run

    reading = ReadOptions(format, scheme, tag_column)
    made = run(
        votes, out, limit=limit, min_suspicion=min_suspicion, data=data or [], reading=reading, overwrite=overwrite
    )
    left_out = f", {made.left_out:,} less suspicious ones left out" if made.left_out else ""
    typer.echo(
        f"{out}: {made.shown:,} entities in {made.sentences:,} sentences{left_out}; open it in a browser, then: "
        "ner-distill apply-review EXPORTED --data FILE --out FILE"
    )


@commands.command("apply-review", short_help="merge the decisions of a review into the data")
def apply_review(
    decisions: Annotated[
        list[Path], typer.Argument(metavar="DECISIONS...", help="Files that the review page exported.")
    ],
    data: Annotated[
        Files, typer.Option("--data", metavar="FILE", help="The labelled files that were voted on. Repeatable.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="JSON Lines file to write.")],
    skip_changed: Annotated[
        bool, typer.Option("--skip-changed", help="Leave out decisions on sentences that changed since the review.")
    ] = False,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    strict: Strict = False,
    overwrite: Overwrite = False,
) -> None:
    """Merge the decisions of a review into the labelled data.

    Sentences are found by their ids and words. What was accepted is in the result, what was rejected is not, what
    was corrected is replaced. Decisions on sentences that changed are refused, and nothing is written.

    Example: ner-distill apply-review review-votes.jsonl --data train.conll --out reviewed.jsonl
    """
    from ner_distill.data.formats.reading import ReadOptions
    from ner_distill.pipelines.voting.apply_review import apply_review as run
    from ner_distill.pipelines.voting.apply_review import summary

    reading = ReadOptions(format, scheme, tag_column, strict)
    applied = run(decisions, data, out, skip_changed=skip_changed, overwrite=overwrite, reading=reading)
    typer.echo(f"{out}: {summary(applied)}")


@commands.command("self-train", short_help="labelled sentences + raw text → teachers that teach themselves")
def self_train(
    train: Annotated[
        Files, typer.Option("--train", metavar="FILE", help="Labelled sentences to learn from. Repeatable.")
    ],
    dev: Annotated[
        Files,
        typer.Option("--dev", metavar="FILE", help="Labelled sentences that choose epochs and rounds. Repeatable."),
    ],
    text: Annotated[Files, typer.Option("--text", metavar="FILE", help="Raw text, a sentence a line. Repeatable.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory of the rounds, made by this command.")],
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", min=1, help="At most; it ends when the score on --dev stops rising.")
    ] = 3,
    folds: Annotated[
        int, typer.Option("--folds", metavar="K", min=2, help="Fold teachers of a round, which vote on the text.")
    ] = 3,
    min_votes: Annotated[
        int, typer.Option("--min-votes", metavar="N", min=0, help="Votes that make an entity a label, from 2 on; 0: K.")
    ] = 0,
    min_confidence: Annotated[
        float, typer.Option(metavar="P", min=0.0, max=1.0, help="Mask words whose best tag is less probable.")
    ] = 0.0,
    raw_weight: Annotated[
        float, typer.Option(metavar="W", help="Of a sentence of the text in the loss; of a labelled one it is 1.")
    ] = 1.0,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="Sentences of the text; 0 = all.")] = 0,
    action: Annotated[
        str,
        typer.Option(
            "--action", metavar="NAME", help="What the votes of folds do to labels, as of vote-labels; keep: nothing."
        ),
    ] = "keep",
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="Folds that are trained at once, a process each.")
    ] = 1,
    config: Config = None,
    settings: Settings = None,
    format: Format = "auto",
    scheme: Scheme = "auto",
    tag_column: TagColumn = -1,
    strict: Strict = False,
    flatten: Flatten = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a teacher, let its fold teachers label raw text, train on what they agree on, and again.

    Each round is a run, round-0 (labelled data alone), round-1 and so on, with its fold teachers; round-1.jsonl holds
    the sentences of the text that round 1 was trained on: entities with enough votes are labels, words of others are
    masked. It ends after --rounds, or after a round that is not better on --dev than all before.

    --format, --scheme, --tag-column, --strict and --flatten are about --train and --dev.

    Example: ner-distill self-train --train train.conll --dev dev.conll --text raw.txt --out runs/self
    """
    from ner_distill.data.formats.reading import ReadOptions
    from ner_distill.pipelines.voting.self_train import SelfOptions
    from ner_distill.pipelines.voting.self_train import self_train as run
    from ner_distill.views.self_train import render, verdict

    trained = run(
        train,
        dev,
        text,
        out,
        rounds=rounds,
        options=SelfOptions(folds, min_votes, min_confidence, raw_weight, limit, action),
        jobs=jobs,
        config_file=config,
        settings=settings or [],
        resume=resume,
        overwrite=overwrite,
        reading=ReadOptions(format, scheme, tag_column, strict, flatten_choice(flatten)),
    )
    console_for_results().print(render(trained))
    typer.echo(verdict(trained))
