"""Which micro-batches of an epoch a process takes, step by step.

A plan is a function of the seed and of the epoch. Of most data it is a list (`ListedPlan`); what would be too long for
one is made as it is gone through (`StreamedPlan`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Plan(Protocol):
    """The micro-batches of one epoch.

    exact: `steps` is exact, and all processes take as many; else a process may run out of micro-batches before others.
    """

    exact: bool

    def steps(self, accumulate: int, processes: int) -> int:
        """How many steps the epoch has, by which its progress and the learning rate are told."""
        ...

    def taken(self, accumulate: int, process: int, processes: int, *, first: int) -> Iterator[list[Any]]:
        """The micro-batches that a process takes in each step, from step `first` on."""
        ...


class ListedPlan:
    """All micro-batches in one list: those of a step stand side by side, and the processes share them."""

    exact = True

    def __init__(self, listed: Sequence[Any]) -> None:
        self._listed = listed

    def steps(self, accumulate: int, processes: int) -> int:
        return -(-len(self._listed) // (accumulate * processes))

    def taken(self, accumulate: int, process: int, processes: int, *, first: int) -> Iterator[list[Any]]:
        size = accumulate * processes
        for start in range(first * size, len(self._listed), size):
            yield list(self._listed[start : start + size][process::processes])


class StreamedPlan:
    """Micro-batches that are made one after the other; each process has a stream of its own.

    Steps before the first one are planned as well, and passed over: what is drawn depends on what was drawn before.
    """

    exact = False

    def __init__(self, stream: Callable[[int, int], Iterator[Any]], expected: float) -> None:
        """stream: (process, processes) → its micro-batches. expected: about how many all processes have, together."""
        self._stream, self._expected = stream, expected

    def steps(self, accumulate: int, processes: int) -> int:
        return max(1, round(self._expected / (accumulate * processes)))

    def taken(self, accumulate: int, process: int, processes: int, *, first: int) -> Iterator[list[Any]]:
        stream = self._stream(process, processes)
        every = iter(lambda: list(islice(stream, accumulate)), [])
        return islice(every, first, None)


def plan_of(planned: Sequence[Any] | StreamedPlan) -> Plan:
    """What `TrainingData.plan` returned, as a plan."""
    return planned if isinstance(planned, StreamedPlan) else ListedPlan(planned)


def interleaved_stream(first: Iterator[T], expected: float, second: Sequence[T]) -> Iterator[T]:
    """The items of `second` spread evenly among those of `first`, of which about so many are expected; each keeps its
    order, and what of `second` is left comes at the end.
    """
    placed = 0
    for number, item in enumerate(first):
        while placed < len(second) and (placed + 0.5) / len(second) < number / max(expected, 1.0):
            yield second[placed]
            placed += 1
        yield item
    yield from second[placed:]
