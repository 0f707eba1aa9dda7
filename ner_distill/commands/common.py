"""How commands print results."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ner_distill.console import Reporter
from ner_distill.files import read_json

if TYPE_CHECKING:
    from rich.console import Console

    from ner_distill.data.metrics import Scores
    from ner_distill.options.training import StudentOptions, TeacherOptions
    from ner_distill.training.session import Trained


def loading(what: str = "torch") -> None:
    """Say at once that a command has begun, where a library that takes seconds to load comes before its first word."""
    if what not in sys.modules and int(os.environ.get("RANK", "0")) == 0:
        Reporter().info(f"loading {what} ...")


def next_steps(*commands: Sequence[str | Path]) -> None:
    """Say what to do next: commands on lines of their own, to be copied. Words in capitals are the reader's to fill in.

    They go where messages go: standard output has the results alone.
    """
    if Reporter.terse:
        return
    for command in commands:
        sys.stderr.write(f"next: ner-distill {shlex.join(map(str, command))}\n")


def console_for_results() -> Console:
    """For results: as wide as the terminal; in a file or pipe a line is not cut."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def print_scores(scores: Scores, title: str) -> None:
    """Print a table of scores under a title."""
    from ner_distill.views.scores import render

    console_for_results().print(render(scores, title))


def finish_training(trained: Trained, kind: str, options: TeacherOptions | StudentOptions) -> None:
    """Print what a model that was trained scores, write its report and its card, and say where the report is."""
    from ner_distill.views.results import write_results

    print_trained(trained, kind, options)
    typer.echo(f"report: {write_results(trained, options.out, options.dev)}")


def print_trained(trained: Trained, kind: str, options: TeacherOptions | StudentOptions) -> None:
    """Print what a model that was trained scores on its development data, or what else chose its weights."""
    from ner_distill.views.pair_scores import render

    if trained.scores is not None:
        print_scores(trained.scores, f"{kind} on {', '.join(map(str, options.dev))}")
        if trained.similarity is not None:
            console_for_results().print(render(trained.similarity))
        return
    metrics = read_json(options.out / "metrics.json", "the run is damaged")
    agreed = metrics["checkpoint"] if metrics.get("teacher") else ""
    typer.echo(
        f"{options.out}: the weights of "
        + (f"epoch {metrics['best_epoch']}: {agreed}" if agreed else "the last epoch; no development data chose them")
        + ". Score them on sentences that "
        f"were not trained on: ner-distill evaluate --model {options.out} --data FILE"
    )
