"""The table that `quickstart` ends in."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from ner_distill.pipelines.quickstart import Row


def render(rows: Sequence[Row]) -> Table:
    """A line for each model, in 80 columns."""
    title = "Spanish test (sample corpus; no Spanish label was used, checkpoints chosen on English)"
    table = Table("model", title=title, title_justify="left")
    for heading in ("F1", "parameters", "MB", "sentences/s"):
        table.add_column(heading, justify="right")
    for row in rows:
        figures = (
            f"{100 * row.f1:.1f}",
            f"{row.parameters:,}",
            f"{row.megabytes:.1f}",
            f"{row.sentences_per_second:,.0f}",
        )
        table.add_row(row.name, *figures)
    return table
