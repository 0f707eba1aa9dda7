"""Options of the commands that judge labels, or make them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ner_distill.options.by_type import GivenByType
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
    PathOrUrl,
    RawText,
    ReadOptions,
    Training,
    UnitOptions,
    VotingRules,
)

Order = Literal["useful", "short", "doubt"]
"""Which sentences of raw text a person labels first."""


class VoteOptions(VotingRules, ReadOptions, Output, Jobs):
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
    fast: bool = option(False, "Small models of few epochs, for much data.")
    discard_folds: bool = option(False, "Remove the folds' models when all is done.")


class SelfTrainOptions(Training, Jobs):
    """Options of `self-train`."""

    dev: Files = required("Labelled sentences that choose epochs and rounds. Repeatable.", "FILE")
    text: Files = required("Raw text, a sentence a line. Repeatable.", "FILE")
    rounds: int = option(3, "At most; it ends when the score on `dev` stops rising.", "N", least=1)
    folds: int = option(3, "Fold teachers of a round, which vote on the text.", "K", least=2)
    min_votes: GivenByType = option(
        (), "Votes that make an entity a label, from 2 on; 0: K. Repeatable, for single types.", "[TYPE=]N"
    )
    min_confidence: float = option(0.0, "Mask words whose best tag is less probable.", "P", least=0.0, most=1.0)
    raw_weight: float = option(1.0, "Of a sentence of the text in the loss; of a labelled one it is 1.", "W")
    limit: int = option(0, "Sentences of the text; 0 = all.", "N", least=0)
    action: Action = option("keep", "What the votes of folds do to labels, as of vote-labels; keep: nothing.", "NAME")


class ReviewOptions(ColumnOptions, Overwrite):
    """Options of `review`."""

    votes: PathOrUrl = required(
        "votes.jsonl of vote-labels, or the directory that holds it; or the store (also a URL) of label-unlabeled.",
        "VOTES|STORE",
        positional=True,
        urls=True,
    )
    out: Path = required("HTML file to write.", "FILE")
    limit: int = option(
        2000, "Entities of the page, the most suspicious; of a store sentences, the most useful; 0 = all.", "N", least=0
    )
    order: Order | None = option(
        None,
        "Of a store: useful (default: doubt about words that were not asked about before), short (the same per word to "
        "read), doubt (the mean doubt of a sentence's words).",
        "NAME",
    )
    min_suspicion: float = option(0.0, "Of votes: ask about entities from this suspicion on, 0 to 1.", "P")
    data: Files = option((), "Check that the votes are on these labelled files. Repeatable.", "FILE")


class ApplyReviewOptions(FileOptions, Overwrite):
    """Options of `apply-review`."""

    decisions: Sequence[Path] = required("Files that the review page exported.", "DECISIONS...", positional=True)
    data: Files = option((), "The labelled files that were voted on. Repeatable.", "FILE")
    store: PathOrUrl | None = option(
        None, "The store that was reviewed (also a URL); its answered sentences are written.", "STORE", urls=True
    )
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
    unlabelled: Literal["keep", "mask"] = option(
        "keep", "With `negative`: words neither in a name nor negative: keep, or mask (they count in no loss).", "NAME"
    )


class GrowOptions(DictionaryOptions, RawText, UnitOptions, Output):
    """Options of `grow-dictionary`."""

    dictionary: Sequence[str] = required("The dictionaries so far. Repeatable.", "TYPE=FILE")
    model: Path | None = option(None, "Run of a teacher or a student; with `rounds` that of the first.", "RUN")
    min_count: int = option(3, "How often a name must be found.", "N", least=1)
    rounds: int | None = option(None, "Label, train and grow again, at most N times.", "N", least=1)
    dev: Files = option((), "Labelled sentences, for the teachers of `rounds`. Repeatable.", "FILE")


class VaryOptions(FileOptions, Overwrite):
    """Options of `vary-entities`."""

    train: Files = required("Labelled sentences to write once more. Repeatable.", "FILE")
    soft: PathOrUrl | None = option(
        None, "Store of label-unlabeled (also a URL), whose entities are put in their places.", "STORE", urls=True
    )
    sentences: int = option(10_000, "How many, at most.", "N", least=1)
    seed: int = option(13, "Of what is drawn at random.", "N", least=0)
    out: Path = required("JSON Lines file to write.", "FILE")
