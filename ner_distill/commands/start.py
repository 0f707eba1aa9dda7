"""A way in: configurations, and the generated sample."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ner_distill.commands.common import Overwrite, console_for_results, group, require_one_of

commands = group()


@commands.command("init-config", short_help="write a configuration to edit")
def init_config(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="teacher, student or pretrain.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="File to write; default: standard output.")
    ] = None,
) -> None:
    """Write a configuration with every key, its default and what it does.

    Example: ner-distill init-config teacher --out teacher.toml
    """
    from ner_distill.pipelines.init_config import init_config as run

    require_one_of("KIND", kind, ("teacher", "student", "pretrain"))
    text = run(kind, out)
    if out is None:
        sys.stdout.write(text)


@commands.command("sample", short_help="write the generated sample corpora")
def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write the sample into.")],
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed gives other sentences.")] = 13,
    overwrite: Overwrite = False,
) -> None:
    """Write the generated sample corpora: English labelled; Spanish raw, dev and test; Chinese all four.

    Example: ner-distill sample sample
    """
    from ner_distill.data.sample.corpus import write_sample

    for file in write_sample(directory, seed=seed, overwrite=overwrite):
        typer.echo(f"{file.path}: {file.what} ({file.sentences:,} sentences)")


@commands.command("quickstart", short_help="the whole way on a generated sample")
def quickstart(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to work in.")] = Path("quickstart"),
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the sample and the trainings.")] = 13,
    overwrite: Overwrite = False,
) -> None:
    """The whole way on the generated sample, in a few minutes on a laptop.

    Trains a teacher, labels raw text, trains a student from the soft labels and the same student without them, and
    ends in a table: F1, parameters, megabytes, sentences per second.
    """
    from ner_distill.pipelines.quickstart import quickstart as run
    from ner_distill.views.quickstart import render

    console_for_results().print(render(run(directory, seed=seed, overwrite=overwrite)))
