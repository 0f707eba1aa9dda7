"""Options of the commands one begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ner_distill.options.declare import Options, option, required
from ner_distill.options.shared import Overwrite


class InitConfigOptions(Options):
    """Options of `init-config`."""

    kind: Literal["teacher", "student", "pretrain"] = required("teacher, student or pretrain.", "KIND", positional=True)
    preset: str = option("default", "Whose values are written: default, small, fast, mtmt.", "NAME")
    out: Path | None = option(None, "File to write; default: standard output.", "PATH")


class SampleOptions(Overwrite):
    """Options of `sample`."""

    directory: Path = required("Directory to write the sample into.", "DIR", positional=True)
    seed: int = option(13, "Another seed gives other sentences.", "N")


class QuickstartOptions(Overwrite):
    """Options of `quickstart`."""

    directory: Path = option(Path("quickstart"), "Directory to work in.", "DIR", positional=True)
    seed: int = option(13, "Of the sample and the trainings.", "N")
