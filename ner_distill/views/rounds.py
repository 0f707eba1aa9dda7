"""The tables of `self-train` and `grow-dictionary --rounds`: a column for each round, the best one bold.

Types are rows, as there may be many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from ner_distill.pipelines.dictionaries.grow_rounds import GrowthRound
from ner_distill.pipelines.voting.self_train import SelfTrainingRound
from ner_distill.training.rounds import R, Rounds


def self_training_table(done: Rounds[SelfTrainingRound]) -> Table:
    """Returns the sentences and entities of the text that each round was trained on, and its score."""
    labels = sorted({label for one in done.rounds for label in one.entities})
    rows = {"sentences": [f"{one.sentences:,}" for one in done.rounds]}
    rows |= {label: [f"{one.entities.get(label, 0):,}" for one in done.rounds] for label in labels}
    return _table("what of the text each round was trained on", done, rows)


def self_training_verdict(done: Rounds[SelfTrainingRound]) -> str:
    """Returns which round is the best, and why the training ended."""
    end = "; the score rose no more" if done.stopped else ""
    return f"best teacher: round {done.best.number}, {done.best.run} (development F1 {100 * done.best.f1:.2f}){end}"


def growth_table(done: Rounds[GrowthRound]) -> Table:
    """Returns the names of each type that each round's teacher was trained with, those it added, and its score."""
    rows = {
        label: [f"{one.forms.get(label, 0):,} + {one.added.get(label, 0):,}" for one in done.rounds]
        for label in dict.fromkeys(label for one in done.rounds for label in one.added)
    }
    return _table("names of each type, and those that were added", done, rows)


def growth_verdict(done: Rounds[GrowthRound]) -> str:
    """Returns which teacher is the best, and where the dictionaries are."""
    best, last = done.best, done.rounds[-1]
    grew = any(last.added.values())
    end = f"round {last.number} still found new names" if grew else f"nothing new in round {last.number}"
    return (
        f"best teacher: round {best.number}, {best.teacher} (development F1 {100 * best.f1:.2f}); {end}; dictionaries: "
        f"{last.dictionaries}"
    )


def _table(title: str, done: Rounds[R], rows: Mapping[str, Sequence[str]]) -> Table:
    table = Table("", title=title, title_justify="left")
    for one in done.rounds:
        table.add_column(f"round {one.number}", justify="right", style="bold" if one is done.best else None)
    for name, cells in rows.items():
        table.add_row(Text(name), *cells)
    table.add_section()
    table.add_row("dev F1", *(f"{100 * one.f1:.2f}" for one in done.rounds))
    return table
