"""Who does which piece when workers die, with workers that are none: no process is started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ner_distill.errors import TrainingError
from ner_distill.executing.base import Failure, Terms
from ner_distill.executing.pieces import GIVEN_UP, Answer, Event, Pool, run_pieces


class Dying(Pool):
    """One worker at a time, which does what a story says: "done", or "early", "late": dies before, after opening."""

    size = 1

    def __init__(self, story: Sequence[str]) -> None:
        self._story, self._worker, self._piece = iter(story), 0, None

    def start(self) -> int:
        self._worker += 1
        return self._worker

    def give(self, worker: int, piece: Any) -> None:
        self._piece = piece

    def wait(self) -> Sequence[Event]:
        how = next(self._story)
        if how == "done":
            return [(self._worker, Answer(self._piece))]
        return [(self._worker, Answer(failure=Failure("gone", died=True), lost=True, opened=how == "late"))]

    def opened(self, worker: int) -> bool:
        return True

    def end(self, worker: int) -> None: ...

    def close(self) -> None: ...


def test_early_deaths_with_pieces_done_between_end_nothing() -> None:
    """As on a cluster whose nodes come and go for days."""
    done = list(run_pieces(Dying(["early", "done"] * 3 * GIVEN_UP), range(3 * GIVEN_UP), Terms()))
    assert [one.result for one in done] == list(range(3 * GIVEN_UP))


def test_early_deaths_one_behind_the_other_end_all() -> None:
    with pytest.raises(TrainingError, match=f"{GIVEN_UP} pieces of work failed one behind the other"):
        list(run_pieces(Dying(["done", *["early"] * GIVEN_UP]), range(3), Terms()))
