"""Experiment trackers (TensorBoard, wandb, MLflow ...): those of accelerate are told the figures of every epoch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ner_distill.errors import ConfigError, TrainingError
from ner_distill.files import read_json, write_json

NONE, TENSORBOARD, WANDB, MLFLOW = "none", "tensorboard", "wandb", "mlflow"
PROJECT = "ner-distill"
STATE = "trackers.json"
"""In the directory of the checkpoints: what each tracker calls this training, and the last step that it was told."""


@dataclass(frozen=True)
class Tracking:
    """Which trackers follow a training, and the settings of the training that those with a place for them show.

    names: as accelerate calls them. settings: keys of the configuration, dotted.
    """

    names: Sequence[str] = (TENSORBOARD,)
    settings: Mapping[str, Any] = field(default_factory=dict)


def require_trackers(names: Sequence[str]) -> None:
    """Raise ConfigError for trackers that accelerate does not know or that are not installed, and "none" with others.

    A class that was added by accelerate's `register_tracker_class` is known.
    """
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
    from accelerate.utils import LoggerType

    if NONE in names and len(set(names)) > 1:
        raise ConfigError(f"`track` {NONE}: turns all trackers off; give it alone")
    missing = {str(one) for one in LoggerType} - {str(one) for one in get_available_trackers()}
    problems = []
    for name in _asked(names):
        if name not in LOGGER_TYPE_TO_CLASS:
            known = ", ".join([*sorted(LOGGER_TYPE_TO_CLASS), NONE])
            problems.append(f"`track`: expected {known}; found {name!r}")
        elif name in missing:
            problems.append(f"`track` {name}: it is not installed: pip install {name}")
    if problems:
        raise ConfigError.of(problems)


class Trackers:
    """The trackers of one training, from `start` to `finish`. A training that is resumed goes on in the same curves.

    Those that can forget what a resumed training does again (TensorBoard) do so; the others are told of each step once.
    """

    def __init__(
        self, tracking: Tracking, directory: Path, *, first_step: int, warn: Callable[[str], None] = lambda _: None
    ) -> None:
        """directory: of the run, after which the training is named. first_step: the first that is to come."""
        self._tracking, self._directory, self._first, self._warn = tracking, directory, first_step, warn
        self._file = directory / "checkpoints" / STATE
        self._running: dict[str, Any] = {}
        self._state: dict[str, dict[str, Any]] = {}

    def start(self) -> None:
        """Raises TrainingError for a tracker that does not start: nobody is logged in, its server is not there."""
        if self._file.is_file():
            self._state = read_json(self._file, f"remove {self._file} to begin new curves")
        for name in _asked(self._tracking.names):
            try:
                self._running[name] = self._started(name)
            except Exception as error:  # each tracker has errors of its own
                self.finish()
                raise TrainingError(
                    f"`track` {name}: it does not start: {type(error).__name__}: {error}. Mend that, or go on without "
                    "it: the same command with `resume` and another `track`"
                ) from error

    def tell(self, figures: Mapping[str, float], step: int) -> None:
        """Tell the figures of an epoch that ended with this step. Raises OSError where TensorBoard's disk is full.

        A tracker of another kind that fails is told no more: a training does not end because a server is away.
        """
        for name, tracker in [*self._running.items()]:
            if name == TENSORBOARD:
                tracker.log(dict(figures), step=step)
                continue
            if step <= self._state[name]["step"]:
                continue
            try:
                tracker.log(dict(figures), step=step)
            except Exception as error:
                del self._running[name]
                self._warn(
                    f"{name} failed and is told no more of this training ({type(error).__name__}: {error}); all "
                    f"figures are in {self._directory / 'metrics.jsonl'}"
                )
                continue
            self._state[name]["step"] = step
            write_json(self._file, self._state)

    def finish(self) -> None:
        for name, tracker in self._running.items():
            if name == TENSORBOARD:
                with suppress(OSError):  # on a full disk the error that is on its way says more
                    tracker.finish()
                continue
            try:
                tracker.finish()
            except Exception as error:  # the model is there all the same
                self._warn(f"{name} did not end well ({type(error).__name__}: {error})")
        self._running.clear()

    def _started(self, name: str) -> Any:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        made, before = LOGGER_TYPE_TO_CLASS[name], self._state.get(name)
        if name == TENSORBOARD:  # its files have the name of the "project"; of earlier steps only the kept ones stay
            tracker = made(TENSORBOARD, str(self._directory), purge_step=self._first)
            tracker.start()
            return tracker
        project = os.environ.get("WANDB_PROJECT", PROJECT) if name == WANDB else PROJECT
        where = (str(self._directory),) if made.requires_logging_directory else ()
        known_as = before["id"] if before else None
        tracker = made(project, *where, **_named(name, self._directory.resolve().name, known_as))
        tracker.start()
        if before is None:
            tracker.store_init_configuration({key: _plain(value) for key, value in self._tracking.settings.items()})
            self._state[name] = {"id": _id_of(name, tracker), "step": -1}
            write_json(self._file, self._state)
        return tracker


def _asked(names: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name != NONE]


def _named(name: str, run: str, before: str | None) -> dict[str, Any]:
    """How a tracker is told what a training is called, and which of its own it goes on with."""
    if name == WANDB:
        return {"name": run} | ({"id": before, "resume": "allow"} if before else {})
    if name == MLFLOW:
        return {"run_name": run} | ({"run_id": before} if before else {})
    return {}


def _id_of(name: str, tracker: Any) -> str | None:
    if name == WANDB:
        return str(tracker.tracker.id)
    return str(tracker.tracker.info.run_id) if name == MLFLOW else None


def _plain(value: Any) -> bool | str | int | float | None:
    """A setting as trackers take it: lists as text."""
    return value if isinstance(value, bool | str | int | float | None) else str(value)
