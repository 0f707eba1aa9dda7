"""The figures of every epoch: `metrics.jsonl`, and the same for experiment trackers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ner_distill.files import atomic_write_text, write_error
from ner_distill.runs.weights import KEPT
from ner_distill.training.checkpoint import Progress
from ner_distill.training.tracking import Trackers, Tracking


class Records:
    """Inside `with`, `add` writes a line and its points on the curves."""

    def __init__(
        self,
        directory: Path,
        *,
        wanted: bool,
        first_step: int,
        tracking: Tracking,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """wanted: False writes nothing (all processes but the first). first_step: earlier points stay on the curves."""
        self.path = directory / "metrics.jsonl"
        self._wanted = wanted
        self._trackers = Trackers(tracking, directory, first_step=first_step, warn=warn)

    def __enter__(self) -> Self:
        """Raises TrainingError as `Trackers.start` does."""
        if self._wanted:
            self._trackers.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trackers.finish()

    def add(self, done: Progress, means: Mapping[str, float], scores: Mapping[str, float]) -> None:
        """Write the figures of the epoch that has just ended. Raises TrainingError where the disk is full."""
        if not self._wanted:
            return
        line = {"epoch": done.epoch, "step": done.step, "seconds": round(done.seconds, 2), "loss": means, **scores}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            self._trackers.tell({f"loss/{name}": mean for name, mean in means.items()} | dict(scores), done.step)
        except OSError as error:
            raise write_error(self.path, error, advice=KEPT) from error


def figures_of(directory: Path, epoch: int) -> Mapping[str, Any]:
    """The figures of an epoch, counted from 1, as they were written; {} where there are none."""
    path = directory / "metrics.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return dict(json.loads(lines[epoch - 1])) if 0 < epoch <= len(lines) else {}


def keep_epochs(directory: Path, epochs: int) -> None:
    """Remove the lines of later epochs, which have no checkpoint and are trained again."""
    path = directory / "metrics.jsonl"
    if path.exists():
        lines = path.read_text("utf-8").splitlines()[:epochs]
        atomic_write_text(path, "".join(f"{line}\n" for line in lines), advice=KEPT)
