"""The table of `vote-labels`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ner_distill.pipelines.voting.vote_labels import Voting


def render(voting: Voting) -> RenderableType:
    """For each type: its entities, those that all models found, those that were outvoted, those put in or masked that
    the data does not have, and the out-of-fold F1 in percent. The title has the F1 of all types together.

    Where labels are kept as they are, the third and fourth are what the votes speak for.
    """
    summary = voting.summary
    agreement = summary["agreement"]
    scores = summary.get("out_of_fold")
    title = "what is missing" if agreement is None else f"held-out models find {agreement:.1%} of the given entities"
    if scores is not None:
        title += f"; out-of-fold F1 {100 * scores['micro']['f1']:.1f}"
    table = Table("type", title=title, title_justify="left")
    for column in ("given", "confirmed", "outvoted", "missed", *(() if scores is None else ("F1",))):
        table.add_column(column, justify="right")
    for label, own in summary["types"].items():
        given, missed = own["given"], own["missed"]
        outvoted = sum(given.values()) - given["keep"]
        acted = sum(missed.values()) - missed["keep"]
        if summary["rules"]["action"] == "keep":
            outvoted, acted = own["outvoted"]["given"], own["outvoted"]["missed"]
        numbers = (sum(given.values()), own["confirmed"], outvoted, acted)
        f1 = [] if scores is None else [f"{100 * scores['by_type'][label]['f1']:.1f}"]
        table.add_row(Text(label), *(f"{number:,}" for number in numbers), *f1)
    return table
