"""The figures of every epoch: `metrics.jsonl`, and the same for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ner_distill.files import atomic_write_text, write_error
from ner_distill.runs.weights import KEPT
from ner_distill.training.checkpoint import Progress


class Records:
    """Inside `with`, `add` writes a line and its points on the curves."""

    def __init__(self, directory: Path, *, wanted: bool, first_step: int) -> None:
        """wanted: False writes nothing (all processes but the first). first_step: earlier points stay on the curves."""
        self.path = directory / "metrics.jsonl"
        self._wanted, self._first = wanted, first_step
        self._board: Any = None

    def __enter__(self) -> Self:
        if self._wanted:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.path.parent / "tensorboard"), purge_step=self._first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            with suppress(OSError):  # on a full disk the error that is on its way says more
                self._board.close()

    def add(self, done: Progress, means: Mapping[str, float], scores: Mapping[str, float]) -> None:
        """Write the figures of the epoch that has just ended. Raises TrainingError where the disk is full."""
        if not self._wanted:
            return
        line = {"epoch": done.epoch, "step": done.step, "seconds": round(done.seconds, 2), "loss": means, **scores}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            for name, value in [*((f"loss/{key}", value) for key, value in means.items()), *scores.items()]:
                self._board.add_scalar(name, value, done.step)
        except OSError as error:
            raise write_error(self.path, error, advice=KEPT) from error


def keep_epochs(directory: Path, epochs: int) -> None:
    """Remove the lines of later epochs, which have no checkpoint and are trained again."""
    path = directory / "metrics.jsonl"
    if path.exists():
        lines = path.read_text("utf-8").splitlines()[:epochs]
        atomic_write_text(path, "".join(f"{line}\n" for line in lines), advice=KEPT)
