"""How commands print results."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ner_distill.data.metrics import Scores


def console_for_results() -> Console:
    """For results: as wide as the terminal; in a file or pipe a line is not cut."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def print_scores(scores: Scores, title: str) -> None:
    """Print a table of scores under a title."""
    from ner_distill.views.scores import render

    console_for_results().print(render(scores, title))
