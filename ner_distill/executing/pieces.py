"""Who does which piece, and what becomes of those whose worker failed or died: the same for every kind of worker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Generic

from ner_distill.errors import TrainingError
from ner_distill.executing.base import Failure, Outcome, Piece, Result, Terms

GIVEN_UP = 10
"""Pieces that fail one behind the other, none done between: then whatever is wrong is wrong with all of them."""


@dataclass(frozen=True)
class Progress:
    """How far the piece of a worker has come since it last said so."""

    sentences: int
    words: int


@dataclass(frozen=True)
class Answer:
    """What came of the piece that a worker was given.

    lost:     the worker is no more. opened: it had opened the work.
    progress: what was not told before.
    """

    result: Any = None
    failure: Failure | None = None
    lost: bool = False
    opened: bool = True
    progress: Progress | None = None


Event = tuple[int, Progress | Answer]
"""A worker, and what it says."""


class Pool(ABC):
    """Workers, known by numbers, each of which has one piece at most."""

    size: int

    @abstractmethod
    def start(self) -> int:
        """Start a worker. Returns its number."""

    @abstractmethod
    def give(self, worker: int, piece: Any) -> None:
        """Let a worker do a piece."""

    @abstractmethod
    def wait(self) -> Sequence[Event]:
        """What workers that have a piece say, one thing at least; waits for it."""

    @abstractmethod
    def end(self, worker: int) -> None:
        """Let a worker end that has no piece, or has not `opened` the work; and wait for that."""

    @abstractmethod
    def opened(self, worker: int) -> bool:
        """Has a worker opened the work? Before that it has not begun with its piece."""

    @abstractmethod
    def close(self) -> None:
        """Tell all workers to stop, and wait for that."""


@dataclass
class _Given(Generic[Piece]):
    """A piece that a worker has.

    failed, lost:     how often it failed, and how often its worker died. again: it was given before.
    sentences, words: how far it has come this time.
    """

    piece: Piece
    failed: int = 0
    lost: int = 0
    sentences: int = 0
    words: int = 0
    again: bool = False


@dataclass
class _Queue(Generic[Piece]):
    """The pieces that nobody has: those that failed before all others, then in the order in which they come."""

    pieces: Iterator[Piece]
    ready: Callable[[Piece], bool]
    again: deque[_Given[Piece]] = field(default_factory=deque)
    waiting: list[Piece] = field(default_factory=list)

    def next(self) -> _Given[Piece] | None:
        """The next one that may begin; None where there is none now."""
        if self.again:
            return self.again.popleft()
        for number, piece in enumerate(self.waiting):
            if self.ready(piece):
                del self.waiting[number]
                return _Given(piece)
        for piece in self.pieces:
            if self.ready(piece):
                return _Given(piece)
            self.waiting.append(piece)
        return None


def run_pieces(
    pool: Pool, pieces: Iterable[Piece], terms: Terms[Piece]
) -> Generator[Outcome[Piece, Result], None, None]:
    """Do all pieces by the workers of a pool; see `Executor.run`."""
    queue, busy, idle = _Queue(iter(pieces), terms.ready), dict[int, _Given[Piece]](), list[int]()
    in_a_row = unopened = 0
    with closing(pool):
        while True:
            while len(busy) < pool.size and (given := queue.next()) is not None:
                if not given.again:
                    terms.begins(given.piece)
                worker = idle.pop() if idle else pool.start()
                busy[worker] = given
                pool.give(worker, given.piece)
            if not busy:
                return
            for worker in [one for one in busy if idle and not pool.opened(one)][: len(idle)]:
                # nothing else is left to do, and it may wait for the place of the one that does nothing
                pool.end(worker)
                other = idle.pop()
                busy[other] = busy.pop(worker)
                pool.give(other, busy[other].piece)
            for worker, said in pool.wait():
                given = busy[worker]
                if (progress := said if isinstance(said, Progress) else said.progress) is not None:
                    given.sentences += progress.sentences
                    given.words += progress.words
                    terms.advance(progress.sentences, progress.words)
                if isinstance(said, Progress):
                    continue
                del busy[worker]
                if not said.lost:
                    # after what nobody foresaw, whoever knows in what state the process is
                    if terms.fresh or (said.failure is not None and said.failure.log):
                        pool.end(worker)
                    else:
                        idle.append(worker)
                if said.failure is None:
                    in_a_row = unopened = 0
                    yield Outcome(given.piece, said.result)
                    continue
                if said.failure.work:
                    raise TrainingError("\n".join(filter(None, [said.failure.reason, said.failure.log])))
                terms.advance(-given.sentences, -given.words)
                lost = said.failure.died
                unopened = 0 if said.opened else unopened + 1
                given = _Given(given.piece, given.failed + (not lost), given.lost + (lost and said.opened), again=True)
                left = given.lost < terms.losses if lost else given.failed < terms.tries and not said.failure.final
                if left and unopened < GIVEN_UP:
                    terms.troubled(given.piece, said.failure, given.lost if lost else given.failed)
                    queue.again.append(given)
                    continue
                in_a_row += 1
                yield Outcome(given.piece, failure=said.failure)
                if (in_a_row >= GIVEN_UP and terms.tries > 1) or unopened >= GIVEN_UP:
                    raise TrainingError(
                        f"{max(in_a_row, unopened)} pieces of work failed one behind the other, at last: "
                        f"{said.failure.reason}"
                    )
