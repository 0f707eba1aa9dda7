"""What an executor is: it has workers, each of which opens a work once and then does pieces of it, one after another.

A work and its pieces are pickled; a piece should be small (where something stands, not what stands there), and so
should what comes of it. What a piece leaves behind it writes itself, whole or not at all, since a worker may die at any
moment and its piece be done again, and a worker that was lost may come to its end all the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ner_distill.errors import ConfigError, DataError, NerDistillError

Piece = TypeVar("Piece")
Result = TypeVar("Result")
TRIES = 3
"""How often a piece is tried."""
LOSSES = 5
"""How often a piece is tried whose workers die: on a cluster that is seldom the fault of the piece."""

Advance = Callable[[int, int], None]
"""Told how far a piece has come since it was last called: sentences and words."""


class Work(ABC, Generic[Piece, Result]):
    """What is to be done with pieces. Can be pickled."""

    @abstractmethod
    def open(self) -> Callable[[Piece, Advance], Result]:
        """What does a piece. Called once in each worker, before its first piece: models are loaded here.

        Raises NerDistillError where no worker can do the work.
        """


@dataclass(frozen=True)
class Failure:
    """Why a piece was not done.

    reason: in a sentence or so, for users. log: the traceback of what was not foreseen; "" of what was.
    final:  trying again comes to the same: input or settings are wrong.
    work:   the work could not be opened: no piece can be done.
    died:   the worker ended before it could say what came of the piece.
    """

    reason: str
    log: str = ""
    final: bool = False
    work: bool = False
    died: bool = False

    @classmethod
    def of(cls, error: Exception, log: str, *, work: bool = False) -> Failure:
        """log: the traceback."""
        if isinstance(error, NerDistillError):
            return cls(str(error), "", isinstance(error, DataError | ConfigError), work)
        return cls(f"{type(error).__name__}: {error}", log, work=work)


@dataclass(frozen=True)
class Outcome(Generic[Piece, Result]):
    """A piece that is done, with its result; or that failed as often as it is tried, with the last failure."""

    piece: Piece
    result: Result | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Terms(Generic[Piece]):
    """How pieces are done.

    tries:    how often one is tried before it has failed.
    losses:   how often, where its workers died; one that died before it had opened the work does not count.
    fresh:    each piece has a worker of its own, which ends with it: the peak of memory is that of one piece.
    quiet:    what workers print is not shown.
    ready:    whether a piece may begin; asked again whenever another has ended. One that never may is left out.
    begins:   told of each piece before it is first given to a worker.
    advance:  told how far all workers have come; of a piece that has to be done again it is told the negative.
    troubled: told of each failure after which a piece is tried again, and how often it failed so far.
    waits:    told why nothing has begun yet, in a sentence for users; the executor waits on.
    """

    tries: int = TRIES
    losses: int = LOSSES
    fresh: bool = False
    quiet: bool = False
    ready: Callable[[Piece], bool] = lambda piece: True
    begins: Callable[[Piece], None] = lambda piece: None
    advance: Advance = lambda sentences, words: None
    troubled: Callable[[Piece, Failure, int], None] = lambda piece, failure, times: None
    waits: Callable[[str], None] = lambda why: None


class Executor(ABC):
    """Something that does work.

    workers:        how many pieces are done at once.
    tries_of_tasks: how often a task is tried whose process dies, as it goes on where it was stopped.
    """

    workers: int
    tries_of_tasks: int = 1

    @abstractmethod
    def run(
        self, work: Work[Piece, Result], pieces: Iterable[Piece], terms: Terms[Piece] | None = None
    ) -> Generator[Outcome[Piece, Result], None, None]:
        """Do all pieces; yields each when it is done, in whatever order, or when it has failed.

        pieces: taken one by one as workers are free. Closing the generator (use `contextlib.closing`) ends all workers.
        Raises TrainingError where the work cannot be opened, and where piece after piece fails.
        """
