"""One thread that owns a model and answers many requests together."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from itertools import islice
from typing import Protocol

from ner_distill.tagger import Entity

BATCH = 20_000
"""Characters of a batch: what comes meanwhile waits no longer than these take."""
TURN = 2_000
"""Characters of one request before the next has its turn: a large request does not hold up small ones."""


class Streaming(Protocol):
    """What is asked of a model: the entities of each text, in order."""

    def stream(self, texts: Iterable[str]) -> Iterable[list[Entity]]: ...


class Job:
    """Texts to be answered; `future` gets the entities of each of them.

    begun: whether the model was asked for the first of them.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.future: Future[list[list[Entity]]] = Future()
        self.begun = False
        self._answers: list[list[Entity]] = []

    def turn(self) -> list[str]:
        """The next texts to answer: one at least, and as many as have `TURN` characters together."""
        begin = end = len(self._answers)
        characters = 0
        while end < len(self.texts) and (end == begin or characters + len(self.texts[end]) <= TURN):
            characters += len(self.texts[end])
            end += 1
        return list(self.texts[begin:end])

    def take(self, answers: Sequence[list[Entity]]) -> bool:
        """Keep the answers of a turn. Returns whether all texts have theirs."""
        self._answers.extend(answers)
        return len(self._answers) == len(self.texts)

    def finish(self) -> None:
        with suppress(InvalidStateError):  # cancelled meanwhile
            self.future.set_result(self._answers)

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self.future.set_exception(error)


class Closed(Exception):
    """The batcher was closed: it answers no more."""


class Batcher:
    """Answers jobs in batches, on a thread of its own: whatever waits when a batch is done is the next one.

    wait: seconds that the first job of an idle time waits for others. What the model raises comes out of the futures
    of the jobs whose texts raise it, and of no others. A job whose future is cancelled is left out, what of it was not
    computed yet too.
    """

    def __init__(self, model: Streaming, *, wait: float = 0.0) -> None:
        self._model, self._wait = model, wait
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Jobs that wait for their turn."""
        return len(self._jobs)

    def submit(self, texts: Sequence[str]) -> Job:
        """Have texts answered. Raises Closed after `close`."""
        job = Job(texts)
        if not texts:
            job.finish()
            return job
        with self._changed:
            if self._closed:
                raise Closed
            self._jobs.append(job)
            self._changed.notify()
        return job

    def close(self, seconds: float | None = None) -> None:
        """Answer what waits, for so many seconds at most, and end the thread; the rest fails with Closed."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(seconds)
        with self._changed:
            while self._jobs:
                self._jobs.popleft().fail(Closed())

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                answers = iter(list(self._model.stream([text for _, texts in batch for text in texts])))
            except Exception:  # whatever one text raises must not fail the others
                answers = None  # of whose text, tells asking for each job alone
            for job, texts in batch:
                if answers is None:
                    self._alone(job, texts)
                else:
                    self._answered(job, list(islice(answers, len(texts))))

    def _alone(self, job: Job, texts: Sequence[str]) -> None:
        try:
            self._answered(job, list(self._model.stream(texts)))
        except Exception as error:
            traceback.print_exc()
            job.fail(error)

    def _answered(self, job: Job, answers: Sequence[list[Entity]]) -> None:
        if job.take(answers):
            job.finish()
        else:
            with self._changed:
                self._jobs.append(job)  # behind those that wait

    def _next_batch(self) -> list[tuple[Job, list[str]]]:
        """The next jobs, each with the texts of its turn, once there are any; none when closed and all are done."""
        with self._changed:
            batch: list[tuple[Job, list[str]]] = []
            while not batch and (self._jobs or not self._closed):
                idle = not self._jobs
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if idle and self._wait:
                    self._changed.wait_for(lambda: self._closed, self._wait)
                characters = 0
                while self._jobs and characters < BATCH:
                    job = self._jobs.popleft()
                    if job.future.cancelled():
                        continue
                    job.begun, texts = True, job.turn()
                    batch.append((job, texts))
                    characters += sum(map(len, texts))
        return batch
