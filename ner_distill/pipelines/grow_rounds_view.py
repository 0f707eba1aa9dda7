"""The table of `grow-dictionary --rounds`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ner_distill.pipelines.grow_rounds import Rounds


def render(grown: Rounds) -> RenderableType:
    """For each round the names that its teacher was trained with, those that it added, and its score; the best bold."""
    table = Table("round", title="names of each type, and those that were added", title_justify="left")
    labels = list(dict.fromkeys(label for one in grown.rounds for label in one.added))
    for label in labels:
        table.add_column(Text(label), justify="right")
    table.add_column("dev F1", justify="right")
    for one in grown.rounds:
        cells = [f"{one.forms.get(label, 0):,} + {one.added.get(label, 0):,}" for label in labels]
        style = "bold" if one is grown.best else None
        table.add_row(str(one.number), *cells, f"{100 * one.f1:.2f}", style=style)
    return table


def verdict(grown: Rounds) -> str:
    """Which teacher is the best, and where the dictionaries lie."""
    best, last = grown.best, grown.rounds[-1]
    end = f"nothing new in round {last.number}" if grown.finished else f"round {last.number} still found new names"
    return (
        f"best teacher: round {best.number}, {best.teacher} (development F1 {100 * best.f1:.2f}); {end}; dictionaries: "
        f"{last.dictionaries}"
    )
