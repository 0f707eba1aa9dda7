"""Options that several commands share, and how they print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = "conll, jsonl, cluener, cmeee, ccf2020, text, parquet"
Files = list[str]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file; `ner-distill init-config` writes one.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key, e.g. optim.epochs=8. Repeatable."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped or killed.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier run of this program wrote there.")
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help=f"Format of the files: auto (by content and name), {FORMATS}; hf:NAME/CONFIG/SPLIT is a path.",
    ),
]
Scheme = Annotated[str, typer.Option("--scheme", metavar="NAME", help="Tag scheme: auto, iob1, iob2, bioes, bmes.")]
TagColumn = Annotated[
    int, typer.Option("--tag-column", metavar="N", help="Column of the tags in CoNLL files, from 0; -1 is the last.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at invalid tags and offsets instead of repairing and counting them.")
]
Flatten = Annotated[
    str | None,
    typer.Option(
        "--flatten",
        metavar="WHICH",
        help="Of entities that overlap keep the longest or the shortest, for heads that cannot have both; "
        "default: refuse them.",
    ),
]


def group() -> typer.Typer:
    """Commands of one module, for the command line to add."""
    return typer.Typer(rich_markup_mode=None)


def console_for_results() -> Console:
    """For results: as wide as the terminal; in a file or pipe a line is not cut."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def print_scores(scores: object, title: str) -> None:
    from ner_distill.data.metrics import Scores
    from ner_distill.views.scores import render

    assert isinstance(scores, Scores)
    console_for_results().print(render(scores, title))


def require_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise typer.BadParameter(f"expected {', '.join(allowed)}, found {value!r}", param_hint=name)


def flatten_choice(choice: str | None) -> str | None:
    if choice is not None:
        require_one_of("--flatten", choice, ("longest", "shortest"))
    return choice
