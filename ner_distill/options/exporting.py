"""Options of `export`."""

from __future__ import annotations

from pathlib import Path

from ner_distill.options.declare import option, required
from ner_distill.options.shared import FileOptions, Files, Overwrite


class ExportOptions(FileOptions, Overwrite):
    """Options of `export`."""

    run: Path = required("Run of a student or a teacher.", "RUN", positional=True)
    out: Path = required("Directory that this command makes.", "DIR")
    int8: bool = option(False, "Also make the weights 8-bit integers: a quarter of the size.")
    html: bool = option(False, "Also write a page, page.html, that finds entities in a browser (scratch students).")
    check: Files = option(
        (), "Labelled sentences to compare F1 on, the run's and the exported model's. Repeatable.", "FILE"
    )
    most_lost: float = option(
        0.5, "With `int8` and `check`: points of F1 that may be lost; more is refused.", "POINTS", least=0.0
    )
