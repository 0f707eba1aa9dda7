"""Options of the commands that judge labels, or make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_distill.options.declare import option
from ner_distill.options.shared import (
    ACTIONS,
    Columns,
    Dictionaries,
    FileOptions,
    Files,
    Jobs,
    Output,
    Overwrite,
    RawText,
    ReadOptions,
    Training,
    Unit,
)


@dataclass(frozen=True, kw_only=True)
class VoteOptions(ReadOptions, Output, Jobs):
    """Options of `vote-labels`."""

    train: Files = option(help="Labelled sentences to check. Repeatable.", metavar="FILE")
    folds: int | None = option(
        None, help="Parts; each is judged by a model that saw the others; 5.", metavar="K", least=2
    )
    repeats: int | None = option(
        None, help="Other splits: each label is judged so many times; 2.", metavar="R", least=1
    )
    by: str = option(
        "sentence",
        help="What stays together: sentence, document (of the id), entity (its words).",
        metavar="WHAT",
        choices=("sentence", "document", "entity"),
    )
    bags: int = option(
        0,
        help="PU bagging in place of folds: the labels are right, T models look for what is missing.",
        metavar="T",
        least=0,
    )
    bag_share: float | None = option(
        None, help="Sentences drawn for a bag, with replacement, of all; 0.5.", metavar="S"
    )
    action: str = option(
        "mask",
        help="What happens to outvoted labels: drop, mask, relabel, weight (of the sentence), or keep (nothing).",
        metavar="NAME",
        choices=ACTIONS,
    )
    threshold: Sequence[str] = option(
        (),
        help="Suspicion, 0 to 1, from which on a label may be outvoted; 0.95. Repeatable, for single types.",
        metavar="[TYPE=]P",
    )
    min_votes: int = option(0, help="Votes that a label needs; 0: more than half.", metavar="N", least=0)
    epsilon: float = option(
        0.7, help="Weight of a sentence for each missing vote (weight).", metavar="E", least=0.0, most=1.0
    )
    fast: bool = option(False, help="Small models of few epochs, for much data.")
    discard_folds: bool = option(False, help="Remove the folds' models when all is done.")


@dataclass(frozen=True, kw_only=True)
class SelfTrainOptions(Training, Jobs):
    """Options of `self-train`."""

    text: Files = option(help="Raw text, a sentence a line. Repeatable.", metavar="FILE")
    rounds: int = option(3, help="At most; it ends when the score on `dev` stops rising.", metavar="N", least=1)
    folds: int = option(3, help="Fold teachers of a round, which vote on the text.", metavar="K", least=2)
    min_votes: int = option(0, help="Votes that make an entity a label, from 2 on; 0: K.", metavar="N", least=0)
    min_confidence: float = option(
        0.0, help="Mask words whose best tag is less probable.", metavar="P", least=0.0, most=1.0
    )
    raw_weight: float = option(
        1.0, help="Of a sentence of the text in the loss; of a labelled one it is 1.", metavar="W"
    )
    limit: int = option(0, help="Sentences of the text; 0 = all.", metavar="N", least=0)
    action: str = option(
        "keep",
        help="What the votes of folds do to labels, as of vote-labels; keep: nothing.",
        metavar="NAME",
        choices=ACTIONS,
    )


@dataclass(frozen=True, kw_only=True)
class ReviewOptions(Columns, Overwrite):
    """Options of `review`."""

    votes: Path = option(
        help="votes.jsonl of vote-labels, or the directory that holds it.", metavar="VOTES", positional=True
    )
    out: Path = option(help="HTML file to write.", metavar="FILE")
    limit: int = option(2000, help="Entities of the page, the most suspicious; 0 = all.", metavar="N", least=0)
    min_suspicion: float = option(0.0, help="Ask about entities from this suspicion on, 0 to 1.", metavar="P")
    data: Files = option((), help="Check that the votes are on these labelled files. Repeatable.", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class ApplyReviewOptions(FileOptions, Overwrite):
    """Options of `apply-review`."""

    decisions: Sequence[Path] = option(
        help="Files that the review page exported.", metavar="DECISIONS...", positional=True
    )
    data: Files = option(help="The labelled files that were voted on. Repeatable.", metavar="FILE")
    out: Path = option(help="JSON Lines file to write.", metavar="FILE")
    skip_changed: bool = option(False, help="Leave out decisions on sentences that changed since the review.")


@dataclass(frozen=True, kw_only=True)
class LabelDictionaryOptions(Dictionaries, RawText, Unit, Overwrite):
    """Options of `label-dictionary`."""

    out: Path = option(help="JSON Lines file to write.", metavar="FILE")
    conflicts: str = option(
        "drop",
        help="What a name under two types says: drop (nothing), mask (its words count in no loss), first (type).",
        metavar="RULE",
        choices=("drop", "mask", "first"),
    )
    fold_case: bool = option(False, help="Match without regard to case.")


@dataclass(frozen=True, kw_only=True)
class GrowOptions(Dictionaries, RawText, Output):
    """Options of `grow-dictionary`."""

    model: Path | None = option(
        None, help="Run of a teacher or a student; with `rounds` that of the first.", metavar="RUN"
    )
    min_count: int = option(3, help="How often a name must be found.", metavar="N", least=1)
    rounds: int | None = option(None, help="Label, train and grow again, at most N times.", metavar="N", least=1)
    dev: Files = option((), help="Labelled sentences, for the teachers of `rounds`. Repeatable.", metavar="FILE")
