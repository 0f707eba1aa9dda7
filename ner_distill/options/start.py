"""Options of the commands one begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ner_distill.options.declare import Options, option
from ner_distill.options.shared import Overwrite


@dataclass(frozen=True, kw_only=True)
class InitConfigOptions(Options):
    """Options of `init-config`."""

    kind: str = option(
        help="teacher, student or pretrain.",
        metavar="KIND",
        choices=("teacher", "student", "pretrain"),
        positional=True,
    )
    out: Path | None = option(None, help="File to write; default: standard output.", metavar="PATH")


@dataclass(frozen=True, kw_only=True)
class SampleOptions(Overwrite):
    """Options of `sample`."""

    directory: Path = option(help="Directory to write the sample into.", metavar="DIR", positional=True)
    seed: int = option(13, help="Another seed gives other sentences.", metavar="N")


@dataclass(frozen=True, kw_only=True)
class QuickstartOptions(Overwrite):
    """Options of `quickstart`."""

    directory: Path = option(Path("quickstart"), help="Directory to work in.", metavar="DIR", positional=True)
    seed: int = option(13, help="Of the sample and the trainings.", metavar="N")
