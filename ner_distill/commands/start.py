"""A way in: configurations, and the generated sample."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from ner_distill.commands.common import console_for_results, loading, next_steps
from ner_distill.commands.declare import command, group
from ner_distill.options.start import InitConfigOptions, QuickstartOptions, SampleOptions

commands = group()
USES = {
    "teacher": ("train-teacher", "--train", "TRAIN", "--dev", "DEV", "--out", "runs/teacher"),
    "student": ("train-student", "--soft", "STORE", "--dev", "DEV", "--out", "runs/student"),
    "pretrain": ("pretrain", "--text", "TEXT", "--out", "runs/encoder"),
}
"""Kind of a configuration → the command that takes it."""


@command(commands, "init-config", short_help="write a configuration to edit")
def init_config(options: InitConfigOptions) -> None:
    """Write a configuration with every key, its default and what it does.

    With --preset the values are those of a configuration that comes with the package: small (a smaller teacher and
    student), fast (a first look) or mtmt (the published run of Li et al. 2022). Trainings take these by name as well:
    --config preset:small.

    Example: ner-distill init-config teacher --out teacher.toml
    """
    from ner_distill.pipelines.init_config import init_config as run

    text = run(options.kind, options.out, preset=options.preset)
    if options.out is None:
        sys.stdout.write(text)
    else:
        command, *rest = USES[options.kind]
        next_steps([command, "--config", options.out, *rest])


@command(commands, "sample", short_help="write the generated sample corpora")
def sample(options: SampleOptions) -> None:
    """Write the generated sample corpora: every file that README and the guides name.

    English and Chinese train, dev, test and raw text; Spanish raw, dev and test; English lists of names, wrong labels
    and nested entities; a Chinese word list and segmented text. DIR/README.txt lists them.

    Example: ner-distill sample sample
    """
    from ner_distill.data.sample.corpus import write_sample

    for file in write_sample(options.directory, seed=options.seed, overwrite=options.overwrite):
        typer.echo(f"{file.path}: {file.what} ({file.count:,} {file.of})")
    english = options.directory / "en"
    files: list[str | Path] = ["--train", english / "train.conll", "--dev", english / "dev.conll"]
    next_steps(["train-teacher", *files, "--out", "runs/teacher"])


@command(commands, "quickstart", short_help="the whole way on a generated sample")
def quickstart(options: QuickstartOptions) -> None:
    """The whole way on the generated sample, in a few minutes on a laptop.

    Trains a teacher, labels raw text, trains a student from the soft labels and the same student without them, and
    ends in a table: F1, parameters, megabytes, sentences per second.
    """
    loading()
    from ner_distill.pipelines.quickstart import quickstart as run
    from ner_distill.views.quickstart import render

    console_for_results().print(render(run(options)))
    next_steps(
        ["predict", "--model", options.directory / "student", "--text", "TEXT"],
        ["train-teacher", "--train", "TRAIN", "--dev", "DEV", "--out", "runs/teacher"],
    )
