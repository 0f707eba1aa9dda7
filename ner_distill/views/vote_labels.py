"""The table of `vote-labels`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ner_distill.pipelines.voting.vote_labels import Voting


def render(voting: Voting) -> RenderableType:
    """For each type: its entities, those that all models found, those that were outvoted, and those put in or masked
    that the data does not have.
    """
    summary = voting.summary
    agreement = summary["agreement"]
    title = "what is missing" if agreement is None else f"held-out models find {agreement:.1%} of the given entities"
    table = Table("type", title=title, title_justify="left")
    for column in ("given", "confirmed", "outvoted", "missed"):
        table.add_column(column, justify="right")
    for label, own in summary["types"].items():
        given, missed = own["given"], own["missed"]
        outvoted = sum(given.values()) - given["keep"]
        acted = sum(missed.values()) - missed["keep"]
        numbers = (sum(given.values()), own["confirmed"], outvoted, acted)
        table.add_row(Text(label), *(f"{number:,}" for number in numbers))
    return table
