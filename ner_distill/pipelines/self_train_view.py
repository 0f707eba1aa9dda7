"""The table of `self-train`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ner_distill.pipelines.self_train import SelfTrained


def render(trained: SelfTrained) -> RenderableType:
    """For each round the sentences and entities of the text that it was trained on, and its score; the best bold."""
    table = Table("round", title="what of the text each round was trained on", title_justify="left")
    labels = sorted({label for one in trained.rounds for label in one.entities})
    for name in ("sentences", *labels, "dev F1"):
        table.add_column(Text(name), justify="right")
    for one in trained.rounds:
        numbers = [f"{one.sentences:,}", *(f"{one.entities.get(label, 0):,}" for label in labels)]
        style = "bold" if one is trained.best else None
        table.add_row(str(one.number), *numbers, f"{100 * one.f1:.2f}", style=style)
    return table


def verdict(trained: SelfTrained) -> str:
    """Which round is the best, and why it ended."""
    best = trained.best
    end = "; the score rose no more" if trained.stopped else ""
    return f"best teacher: round {best.number}, {best.run} (development F1 {100 * best.f1:.2f}){end}"
