"""The scores of a teacher's second task, as a table."""

from __future__ import annotations

from rich.table import Table

from ner_distill.training.pairs import PairScores


def render(scores: PairScores) -> Table:
    """A table of one row for people: percentages, and how many pairs they are of."""
    table = Table(title="similarity: are two words of one type?", title_justify="left")
    for name in ("precision", "recall", "F1", "AUC", "pairs"):
        table.add_column(name, justify="right", no_wrap=True)
    figures = (scores.precision, scores.recall, scores.f1, scores.auc)
    table.add_row(*("-" if value is None else f"{100 * value:.2f}" for value in figures), f"{scores.pairs:,}")
    return table
