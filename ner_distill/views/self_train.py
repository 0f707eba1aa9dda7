"""The table of `self-train`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ner_distill.pipelines.voting.self_train import SelfTrained


def render(trained: SelfTrained) -> RenderableType:
    """A column for each round: the sentences and entities of the text that it was trained on, and its score; the best
    one bold. Types are rows, as there may be many.
    """
    table = Table("", title="what of the text each round was trained on", title_justify="left")
    for one in trained.rounds:
        table.add_column(f"round {one.number}", justify="right", style="bold" if one is trained.best else None)
    table.add_row("sentences", *(f"{one.sentences:,}" for one in trained.rounds))
    for label in sorted({label for one in trained.rounds for label in one.entities}):
        table.add_row(Text(label), *(f"{one.entities.get(label, 0):,}" for one in trained.rounds))
    table.add_section()
    table.add_row("dev F1", *(f"{100 * one.f1:.2f}" for one in trained.rounds))
    return table


def verdict(trained: SelfTrained) -> str:
    """Which round is the best, and why it ended."""
    best = trained.best
    end = "; the score rose no more" if trained.stopped else ""
    return f"best teacher: round {best.number}, {best.run} (development F1 {100 * best.f1:.2f}){end}"
