"""Labels from lists of names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from ner_distill.commands.common import console_for_results, next_steps
from ner_distill.commands.declare import command, group
from ner_distill.errors import ConfigError
from ner_distill.options import Settings
from ner_distill.options.labels import GrowOptions, LabelDictionaryOptions

commands = group()
ROUNDS = ("loss.kind=pu",)
"""The configuration of the teachers of `rounds`, before what the user sets."""


@command(commands, "label-dictionary", short_help="raw text and lists of names → labelled sentences")
def label_dictionary(options: LabelDictionaryOptions) -> None:
    """Label raw text with dictionaries: lists of names by type.

    From the left, at each place the longest name that begins and ends with a word. Text is read as a stream: its size
    does not matter. What dictionaries miss has no label: train on the result with --set loss.kind=pu. Words of
    --negative are surely of no entity, and such a training is told so; with --unlabelled mask any other training learns
    from these and the names alone.

    Example: ner-distill label-dictionary --dictionary PER=people.txt --text raw.txt --out labelled.jsonl
    """
    from ner_distill.pipelines.dictionaries.label_dictionary import label_dictionary as run

    typer.echo(f"{options.out}: {run(options).summary()}")
    next_steps(["train-teacher", "--train", options.out, "--set", "loss.kind=pu", "--out", "runs/teacher"])


@command(commands, "grow-dictionary", short_help="add to dictionaries what a model finds in raw text")
def grow_dictionary(options: GrowOptions, settings: Settings) -> None:
    """Add to dictionaries the names that a model finds often enough in raw text, always with one type.

    The new dictionaries, TYPE.txt, hold the old names and the new ones; summary.json says which are new. Then
    label-dictionary and train-teacher with them, and so on until nothing is added: --rounds N does all of that. Each
    round is a directory, round-1 and so on, with labelled.jsonl, teacher and dictionaries; --config and --set are for
    its teacher (loss.kind = "pu" unless --set says otherwise). --resume, --overwrite, --config, --set and --dev are for
    --rounds: the dictionaries of a single step are never overwritten.

    Example: ner-distill grow-dictionary --model runs/pu --text raw.txt --dictionary PER=people.txt --out dictionaries

    Example: ner-distill grow-dictionary --rounds 5 --dev dev.conll --text raw.txt --dictionary PER=people.txt --out new
    """
    if options.rounds is not None:
        from ner_distill.config import TeacherConfig, load_config
        from ner_distill.pipelines.dictionaries.grow_rounds import grow_rounds
        from ner_distill.views.rounds import growth_table, growth_verdict

        done = grow_rounds(load_config(TeacherConfig, settings.config, [*ROUNDS, *settings.set]), options)
        console_for_results().print(growth_table(done))
        typer.echo(growth_verdict(done))
        next_steps(
            ["label-unlabeled", "--teacher", done.best.teacher, "--text", "TEXT", "--out", "runs/soft"],
            ["evaluate", "--model", done.best.teacher, "--data", "TEST"],
        )
        return
    names = [*options.changed("dev"), *settings.changed("config", "set"), *options.changed("resume", "overwrite")]
    if names:
        alone = ", ".join(f"`{name}`" for name in names)
        raise ConfigError(f"{alone}: for the teachers of several rounds; give --rounds N as well")
    from ner_distill.pipelines.dictionaries.grow_dictionary import grow_dictionary as run

    growth = run(options)
    added = ", ".join(f"{label} {len(forms):,}" for label, forms in growth.added.items())
    typer.echo(
        f"{options.out}: new names: {added}; not added: {growth.rare:,} found too rarely, "
        f"{growth.several:,} with several types, {growth.elsewhere:,} that stand under another type"
        + (f", {growth.negative:,} surely of no entity" if options.negative else "")
    )
    if any(growth.added.values()):
        next_steps(_labelling(options, growth.files))


def _labelling(options: GrowOptions, files: Mapping[str, str]) -> list[str | Path]:
    """The command that labels the same text with the dictionaries that were written."""
    written = [part for label, name in files.items() for part in ("--dictionary", f"{label}={options.out / name}")]
    negative = [part for path in options.negative for part in ("--negative", path)]
    text = [part for path in options.text for part in ("--text", path)]
    return ["label-dictionary", *written, *negative, *text, "--out", "labelled.jsonl"]
