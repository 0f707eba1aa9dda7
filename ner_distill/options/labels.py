"""Options of the commands that judge labels, or make them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ner_distill.options.declare import option, required
from ner_distill.options.shared import (
    Action,
    ColumnOptions,
    DictionaryOptions,
    FileOptions,
    Files,
    Jobs,
    Output,
    Overwrite,
    RawText,
    ReadOptions,
    Training,
    UnitOptions,
)


class VoteOptions(ReadOptions, Output, Jobs):
    """Options of `vote-labels`."""

    train: Files = required("Labelled sentences to check. Repeatable.", "FILE")
    folds: int = option(5, "Parts; each is judged by a model that saw the others.", "K", least=2)
    repeats: int = option(2, "Other splits: each label is judged so many times.", "R", least=1)
    by: Literal["sentence", "document", "entity"] = option(
        "sentence", "What stays together: sentence, document (of the id), entity (its words).", "WHAT"
    )
    bags: int = option(
        0, "PU bagging in place of folds: the labels are right, T models look for what is missing.", "T", least=0
    )
    bag_share: float = option(0.5, "Sentences drawn for a bag, with replacement, of all.", "S")
    action: Action = option(
        "mask",
        "What happens to outvoted labels: drop, mask, relabel, weight (of the sentence), or keep (nothing).",
        "NAME",
    )
    threshold: Sequence[str] = option(
        (), "Suspicion, 0 to 1, from which on a label may be outvoted; 0.95. Repeatable, for single types.", "[TYPE=]P"
    )
    min_votes: int = option(0, "Votes that a label needs; 0: more than half.", "N", least=0)
    epsilon: float = option(0.7, "Weight of a sentence for each missing vote (weight).", "E", least=0.0, most=1.0)
    fast: bool = option(False, "Small models of few epochs, for much data.")
    discard_folds: bool = option(False, "Remove the folds' models when all is done.")


class SelfTrainOptions(Training, Jobs):
    """Options of `self-train`."""

    dev: Files = required("Labelled sentences that choose epochs and rounds. Repeatable.", "FILE")
    text: Files = required("Raw text, a sentence a line. Repeatable.", "FILE")
    rounds: int = option(3, "At most; it ends when the score on `dev` stops rising.", "N", least=1)
    folds: int = option(3, "Fold teachers of a round, which vote on the text.", "K", least=2)
    min_votes: int = option(0, "Votes that make an entity a label, from 2 on; 0: K.", "N", least=0)
    min_confidence: float = option(0.0, "Mask words whose best tag is less probable.", "P", least=0.0, most=1.0)
    raw_weight: float = option(1.0, "Of a sentence of the text in the loss; of a labelled one it is 1.", "W")
    limit: int = option(0, "Sentences of the text; 0 = all.", "N", least=0)
    action: Action = option("keep", "What the votes of folds do to labels, as of vote-labels; keep: nothing.", "NAME")


class ReviewOptions(ColumnOptions, Overwrite):
    """Options of `review`."""

    votes: Path = required("votes.jsonl of vote-labels, or the directory that holds it.", "VOTES", positional=True)
    out: Path = required("HTML file to write.", "FILE")
    limit: int = option(2000, "Entities of the page, the most suspicious; 0 = all.", "N", least=0)
    min_suspicion: float = option(0.0, "Ask about entities from this suspicion on, 0 to 1.", "P")
    data: Files = option((), "Check that the votes are on these labelled files. Repeatable.", "FILE")


class ApplyReviewOptions(FileOptions, Overwrite):
    """Options of `apply-review`."""

    decisions: Sequence[Path] = required("Files that the review page exported.", "DECISIONS...", positional=True)
    data: Files = required("The labelled files that were voted on. Repeatable.", "FILE")
    out: Path = required("JSON Lines file to write.", "FILE")
    skip_changed: bool = option(False, "Leave out decisions on sentences that changed since the review.")


class LabelDictionaryOptions(DictionaryOptions, RawText, UnitOptions, Overwrite):
    """Options of `label-dictionary`."""

    out: Path = required("JSON Lines file to write.", "FILE")
    conflicts: Literal["drop", "first", "mask"] = option(
        "drop",
        "What a name under two types says: drop (nothing), mask (its words count in no loss), first (type).",
        "RULE",
    )
    fold_case: bool = option(False, "Match without regard to case.")


class GrowOptions(DictionaryOptions, RawText, UnitOptions, Output):
    """Options of `grow-dictionary`."""

    dictionary: Sequence[str] = required("The dictionaries so far. Repeatable.", "TYPE=FILE")
    model: Path | None = option(None, "Run of a teacher or a student; with `rounds` that of the first.", "RUN")
    min_count: int = option(3, "How often a name must be found.", "N", least=1)
    rounds: int | None = option(None, "Label, train and grow again, at most N times.", "N", least=1)
    dev: Files = option((), "Labelled sentences, for the teachers of `rounds`. Repeatable.", "FILE")
