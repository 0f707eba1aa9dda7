"""Tasks that leave what they make in files, such as trainings: each in a worker of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TypeVar

from ner_distill.errors import ConfigError
from ner_distill.executing.base import Advance, Executor, Terms, Work

Task = TypeVar("Task")


class _Each(Work[Task, None]):
    def __init__(self, do: Callable[[Task], None]) -> None:
        self._do = do

    def open(self) -> Callable[[Task, Advance], None]:
        def one(task: Task, advance: Advance) -> None:
            self._do(task)

        return one


def run_each(
    do: Callable[[Task], None],
    tasks: Sequence[Task],
    executor: Executor,
    *,
    quiet: bool = False,
    ready: Callable[[Task], bool] = lambda task: True,
    begins: Callable[[Task], None] = lambda task: None,
    waits: Callable[[str], None] = lambda why: None,
) -> Generator[tuple[Task, str | None], None, None]:
    """Call `do(task)` for every task, each in a process that ends with it; see `Terms` for the rest.

    Yields each task when it has ended, with None, or with the reason why it failed.
    """
    terms = Terms[Task](1, executor.tries_of_tasks, fresh=True, quiet=quiet, ready=ready, begins=begins, waits=waits)
    with closing(executor.run(_Each(do), tasks, terms)) as outcomes:
        for outcome in outcomes:
            yield outcome.piece, None if outcome.failure is None else outcome.failure.reason


def require_one_process(message: str) -> None:
    """Raises ConfigError with this message where torchrun or MPI started several processes."""
    if any(int(os.environ.get(name, "1")) > 1 for name in ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")):
        raise ConfigError(message)
