"""Rounds of training, each of which goes on from what the rounds before came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ner_distill.console import Reporter
from ner_distill.errors import ConfigError
from ner_distill.files import read_json, write_json

SUMMARY = "summary.json"


class Round(Protocol):
    """A round that is done: its number, and the F1 of its teacher on the development set, 0 to 1."""

    @property
    def number(self) -> int: ...

    @property
    def f1(self) -> float: ...


R = TypeVar("R", bound=Round)


@dataclass(frozen=True)
class Rounds(Generic[R]):
    """All rounds that are done. stopped: whether they ended before the last one that was asked for."""

    rounds: tuple[R, ...]
    stopped: bool

    @property
    def best(self) -> R:
        """The round whose F1 is the highest, of equals the first."""
        return max(self.rounds, key=lambda done: done.f1)


def do_rounds(
    out: Path,
    most: int,
    do: Callable[[Sequence[R]], R],
    ended: Callable[[Sequence[R]], bool],
    summary: Callable[[Rounds[R]], Mapping[str, Any]],
    reporter: Reporter,
) -> Rounds[R]:
    """Do rounds until there are `most` of them, or `ended` says of those that are done that no other is worth it.

    do: does the next round, or reads it where it is finished.
    After each round that was not finished before `summary` is written to OUT/summary.json.
    Raises ConfigError where more than `most` are finished: their figures would be forgotten.
    """
    done: list[R] = []
    finished = _finished(out)
    if finished > most:
        raise ConfigError(
            f"`rounds`: {out} has {finished - most} more finished than are asked for, whose figures would be "
            "forgotten; ask for as many as before, or more"
        )
    while len(done) < most and not (done and ended(done)):
        reporter.log_to(out / "log.txt")  # each teacher has a log of its own
        done.append(do(done))
        if len(done) >= finished:
            write_json(out / SUMMARY, summary(Rounds(tuple(done), len(done) < most)))
    return Rounds(tuple(done), len(done) < most)


def _finished(out: Path) -> int:
    """How many rounds the summary of a directory has."""
    known = read_json(out / SUMMARY, "remove it to have it written anew") if (out / SUMMARY).is_file() else {}
    rounds = known.get("rounds") if isinstance(known, dict) else None
    return len(rounds) if isinstance(rounds, list) else 0
