"""The table of `grow-dictionary --rounds`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ner_distill.pipelines.dictionaries.grow_rounds import Rounds


def render(grown: Rounds) -> RenderableType:
    """A column for each round: the names of each type that its teacher was trained with, those that it added, and its
    score; the best one bold. Types are rows, as there may be many.
    """
    table = Table("", title="names of each type, and those that were added", title_justify="left")
    for one in grown.rounds:
        table.add_column(f"round {one.number}", justify="right", style="bold" if one is grown.best else None)
    for label in dict.fromkeys(label for one in grown.rounds for label in one.added):
        cells = [f"{one.forms.get(label, 0):,} + {one.added.get(label, 0):,}" for one in grown.rounds]
        table.add_row(Text(label), *cells)
    table.add_section()
    table.add_row("dev F1", *(f"{100 * one.f1:.2f}" for one in grown.rounds))
    return table


def verdict(grown: Rounds) -> str:
    """Which teacher is the best, and where the dictionaries lie."""
    best, last = grown.best, grown.rounds[-1]
    end = f"nothing new in round {last.number}" if grown.finished else f"round {last.number} still found new names"
    return (
        f"best teacher: round {best.number}, {best.teacher} (development F1 {100 * best.f1:.2f}); {end}; dictionaries: "
        f"{last.dictionaries}"
    )
