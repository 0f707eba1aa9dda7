"""A worker, wherever it is: opens the work when its first piece comes, and says what becomes of each."""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ner_distill.console import Reporter
from ner_distill.executing.base import Failure, Work
from ner_distill.executing.pieces import Answer, Progress

SECONDS = 0.25  # between two messages about progress


def cores() -> int:
    """Cores that this process may use: in a container, or in a job of a cluster, often fewer than the machine has."""
    if sys.platform != "linux":  # others do not say
        return os.cpu_count() or 1
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Setup:
    """What a worker is told before anything else.

    work:        pickled: what that imports may read the environment.
    spell, terse: as of `Reporter`.
    directory:   that paths are relative to, where a worker sees it.
    environment: what is set, whatever was there. threads: what is set where the user set nothing.
    """

    work: bytes
    spell: Callable[[str], str]
    terse: bool
    directory: str
    environment: Mapping[str, str]
    threads: int | None = None

    @classmethod
    def of(cls, work: Work[Any, Any], environment: Mapping[str, str], threads: int | None) -> Setup:
        return cls(pickle.dumps(work), Reporter.spell, Reporter.terse, os.getcwd(), environment, threads)


class Serving:
    """Does the pieces of one worker. Made before anything else is imported."""

    def __init__(self, setup: Setup) -> None:
        os.environ.update(setup.environment)
        if setup.threads is not None:
            os.environ.setdefault("OMP_NUM_THREADS", str(setup.threads))
        if os.path.isdir(setup.directory):
            os.chdir(setup.directory)
        Reporter.spell, Reporter.terse = staticmethod(setup.spell), setup.terse
        self._work = setup.work
        self._do: Callable[[Any, Any], Any] | None = None

    def open(self) -> Failure | None:
        """Open the work. Returns why that was not possible."""
        try:
            self._do = pickle.loads(self._work).open()
        except Exception as error:  # whatever it is, who waits is to say it
            return Failure.of(error, traceback.format_exc(), work=True)
        return None

    def answer(self, piece: bytes, tell: Callable[[Progress], None] | None = None) -> Answer:
        """Do a piece, pickled.

        tell: is told how far it has come, now and then; what it was not told is in the answer.
        """
        pace = _Pace(tell)
        if self._do is None:
            if (failure := self.open()) is not None:
                return Answer(failure=failure)
            pace.tell()
        try:
            assert self._do is not None, "opened above"
            result = self._do(pickle.loads(piece), pace.advance)
        except Exception as error:  # whatever it is, who waits is to say it, and to go on with the others
            return Answer(failure=Failure.of(error, traceback.format_exc()))
        return Answer(result, progress=pace.left())


class _Pace:
    """Adds up what was done, and tells of it now and then."""

    def __init__(self, tell: Callable[[Progress], None] | None) -> None:
        self._tell, self._sentences, self._words = tell, 0, 0
        self._due = time.monotonic() + SECONDS

    def advance(self, sentences: int, words: int) -> None:
        self._sentences += sentences
        self._words += words
        if self._tell is not None and (now := time.monotonic()) >= self._due:
            self._due = now + SECONDS
            self.tell()

    def tell(self) -> None:
        if self._tell is not None:
            self._tell(self.left())

    def left(self) -> Progress:
        """What was not told yet; it counts as told from now on."""
        left = Progress(self._sentences, self._words)
        self._sentences = self._words = 0
        return left
