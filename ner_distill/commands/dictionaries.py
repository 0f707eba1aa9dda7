"""Labels from lists of names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ner_distill.commands.common import Config, Files, Format, Overwrite, Resume, Settings, console_for_results, group

commands = group()


@commands.command("label-dictionary", short_help="raw text and lists of names → labelled sentences")
def label_dictionary(
    dictionary: Annotated[
        list[str],
        typer.Option("--dictionary", metavar="TYPE=FILE", help="Names of this type, one a line. Repeatable."),
    ],
    text: Annotated[
        Files,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Raw text, a sentence a line; JSON Lines, Parquet, CoNLL (labels ignored). Repeatable.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="JSON Lines file to write.")],
    conflicts: Annotated[
        str,
        typer.Option(
            "--conflicts",
            metavar="RULE",
            help="What a name under two types says: drop (nothing), mask (its words count in no loss), first (type).",
        ),
    ] = "drop",
    fold_case: Annotated[bool, typer.Option("--fold-case", help="Match without regard to case.")] = False,
    unit: Annotated[
        str, typer.Option("--unit", metavar="NAME", help="What a word is: word, character (Chinese) or auto.")
    ] = "auto",
    format: Format = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Label raw text with dictionaries: lists of names by type.

    From the left, at each place the longest name that begins and ends with a word. Text is read as a stream: its size
    does not matter. What dictionaries miss has no label: train on the result with --set loss.kind=pu.

    Example: ner-distill label-dictionary --dictionary PER=people.txt --text raw.txt --out labelled.jsonl
    """
    from ner_distill.pipelines.dictionaries.label_dictionary import label_dictionary as run

    matched = run(
        dictionary, text, out, conflicts=conflicts, fold_case=fold_case, unit=unit, format=format, overwrite=overwrite
    )
    typer.echo(f"{out}: {matched.summary()}")


@commands.command("grow-dictionary", short_help="add to dictionaries what a model finds in raw text")
def grow_dictionary(
    text: Annotated[Files, typer.Option("--text", metavar="FILE", help="Raw text, a sentence a line. Repeatable.")],
    dictionary: Annotated[
        list[str],
        typer.Option("--dictionary", metavar="TYPE=FILE", help="The dictionaries so far. Repeatable."),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Directory of the new dictionaries or rounds, made by this command."),
    ],
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="RUN", help="Run of a teacher or a student; with --rounds that of the first."),
    ] = None,
    min_count: Annotated[
        int, typer.Option("--min-count", metavar="N", min=1, help="How often a name must be found.")
    ] = 3,
    format: Format = "auto",
    rounds: Annotated[
        int | None,
        typer.Option("--rounds", metavar="N", min=1, help="Label, train and grow again, at most N times."),
    ] = None,
    dev: Annotated[
        list[str] | None,
        typer.Option("--dev", metavar="FILE", help="Labelled sentences, for the teachers of --rounds. Repeatable."),
    ] = None,
    config: Config = None,
    settings: Settings = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
) -> None:
    """Add to dictionaries the names that a model finds often enough in raw text, always with one type.

    The new dictionaries, TYPE.txt, hold the old names and the new ones; summary.json says which are new. Then
    label-dictionary and train-teacher with them, and so on until nothing is added: --rounds N does all of that. Each
    round is a directory, round-1 and so on, with labelled.jsonl, teacher and dictionaries; --config and --set are for
    its teacher (loss.kind = "pu" unless --set says otherwise). --resume, --overwrite, --config, --set and --dev are for
    --rounds: the dictionaries of a single step are never overwritten.

    Example: ner-distill grow-dictionary --model runs/pu --text raw.txt --dictionary PER=people.txt --out dictionaries

    Example: ner-distill grow-dictionary --rounds 5 --dev dev.conll --text raw.txt --dictionary PER=people.txt --out new
    """
    from ner_distill.errors import ConfigError

    if rounds is not None:
        from ner_distill.pipelines.dictionaries.grow_rounds import grow_rounds
        from ner_distill.views.grow_rounds import render, verdict

        grown = grow_rounds(
            text,
            dictionary,
            dev or [],
            out,
            rounds=rounds,
            model=model,
            min_count=min_count,
            config_file=config,
            settings=settings or [],
            format=format,
            resume=resume,
            overwrite=overwrite,
        )
        console_for_results().print(render(grown))
        typer.echo(verdict(grown))
        return
    given = {"--dev": dev, "--config": config, "--set": settings, "--resume": resume, "--overwrite": overwrite}
    if alone := [name for name, value in given.items() if value]:
        raise ConfigError(f"{', '.join(alone)}: for the teachers of several rounds; give --rounds N as well")
    if model is None:
        raise ConfigError("give --model RUN to grow by what it finds, or --rounds N and --dev FILE to train teachers")
    from ner_distill.pipelines.dictionaries.grow_dictionary import grow_dictionary as run

    growth = run(model, text, dictionary, out, min_count=min_count, format=format)
    added = ", ".join(f"{label} {len(forms):,}" for label, forms in growth.added.items())
    typer.echo(
        f"{out}: new names: {added}; not added: {growth.rare:,} found too rarely, "
        f"{growth.several:,} with several types, {growth.elsewhere:,} that stand under another type"
    )
