"""Where the fold teachers of a teacher are that was trained with `--folds`."""

from __future__ import annotations

from pathlib import Path

VOTING = "voting"
"""The directory of the voting in that of the run."""


def fold_teachers(run: Path) -> list[Path]:
    """The runs of the fold teachers that were kept in the run of a teacher; [] where it has none."""
    return sorted(path.parent for path in (run / VOTING / "folds").glob("r*-f*/predictions.json"))
