"""Processes of this machine, each with its device or its share of the cores.

A process ends, keeping its checkpoint, when this one does. `concurrent.futures.ProcessPoolExecutor` is not enough here:
one killed process breaks its whole pool and its exit code is lost, and running work cannot be told to stop. So each
process gets pipes: one for its work, and one that nothing is sent through and that only ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection, get_context, spawn
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from ner_distill.executing.base import Executor, Failure, Outcome, Piece, Result, Terms, Work
from ner_distill.executing.pieces import Answer, Event, Pool, Progress, run_pieces
from ner_distill.executing.worker import Serving, Setup, cores


class LocalExecutor(Executor):
    """Processes of this machine.

    Processes are spawned, and do not run the script of whoever asks for them: work and pieces may not be of classes or
    functions that are defined there.
    devices: the GPUs, as CUDA_VISIBLE_DEVICES names them; each process gets one, in turn. (): as it is, which is what
             one process gets.
    """

    def __init__(self, workers: int, devices: Sequence[str] = ()) -> None:
        self.workers, self.devices = workers, devices if workers > 1 else ()

    def run(
        self, work: Work[Piece, Result], pieces: Iterable[Piece], terms: Terms[Piece] | None = None
    ) -> Generator[Outcome[Piece, Result], None, None]:
        terms = terms or Terms()
        yield from run_pieces(_Processes(work, self.workers, self.devices, terms), pieces, terms)


@dataclass
class _Worker:
    """slot: which of the workers' places it has; it says which device it computes on."""

    process: SpawnProcess
    pipe: Connection
    life: Connection
    slot: int
    opened: bool = False


class _Processes(Pool):
    def __init__(self, work: Work[Any, Any], size: int, devices: Sequence[str], terms: Terms[Any]) -> None:
        self.size = size
        self._work, self._devices, self._quiet, self._once = work, devices, terms.quiet, terms.fresh
        self._threads = max(1, cores() // size) if size > 1 else None
        self._workers = dict[int, _Worker]()
        self._busy = set[int]()
        self._started = 0

    def start(self) -> int:
        taken = {worker.slot for worker in self._workers.values()}
        slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)
        environment = {"CUDA_VISIBLE_DEVICES": self._devices[slot % len(self._devices)]} if self._devices else {}
        setup = Setup.of(self._work, environment, self._threads)
        process, pipe, life = _start(self._quiet, self._once)
        self._started += 1
        self._workers[self._started] = _Worker(process, pipe, life, slot)
        _send(pipe, pickle.dumps(setup))
        return self._started

    def give(self, worker: int, piece: Any) -> None:
        self._busy.add(worker)
        _send(self._workers[worker].pipe, pickle.dumps(piece))

    def wait(self) -> Sequence[Event]:
        by_pipe = {self._workers[number].pipe: number for number in self._busy}
        said = list[Event]()
        for pipe in connection.wait(list(by_pipe)):
            number = by_pipe[pipe]  # type: ignore[index]
            event = self._receive(number)
            if isinstance(event, Answer):
                self._busy.discard(number)
            said.append((number, event))
        return said

    def _receive(self, number: int) -> Progress | Answer:
        worker = self._workers[number]
        answer: Answer | None = None
        with contextlib.suppress(EOFError, OSError):
            said: Progress | Answer = worker.pipe.recv()
            worker.opened = True
            if isinstance(said, Progress) or not self._once:
                return said
            answer = replace(said, lost=True)  # it ends now by itself
        died = self._end(number) or ("" if answer is not None else "its process ended before the work was done")
        if answer is not None and (answer.failure is not None or not died):
            return answer
        return Answer(failure=Failure(died, died=True), lost=True, opened=worker.opened or self._once)

    def opened(self, worker: int) -> bool:
        return self._workers[worker].opened or self._once

    def end(self, worker: int) -> None:
        if not self.opened(worker):
            self._workers[worker].life.close()  # it would do its piece first
        self._workers[worker].pipe.close()
        self._busy.discard(worker)
        self._end(worker)

    def _end(self, number: int) -> str:
        """Wait for the end of a process. Returns why it ended without being done; "" where it was."""
        worker = self._workers[number]
        worker.process.join()
        worker.pipe.close()
        worker.life.close()
        del self._workers[number]
        code = worker.process.exitcode or 0
        if code < 0:
            hint = "; the system does that where memory runs out" if code == -9 else ""
            return f"its process was ended by signal {-code}{hint}"
        return f"its process ended with exit code {code}" if code else ""

    def close(self) -> None:
        for worker in self._workers.values():
            worker.life.close()
            worker.pipe.close()
        for worker in self._workers.values():
            worker.process.join()


def _send(pipe: Connection, message: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is gone; its exit code says why
        pipe.send_bytes(message)


def _start(quiet: bool, once: bool) -> tuple[SpawnProcess, Connection, Connection]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    alive, life = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, alive, quiet, once))
    safe = os.environ.get("PYTHONSAFEPATH", "")
    os.environ["PYTHONSAFEPATH"] = "1"  # no json.py of the directory where the user happens to be
    try:
        with _signals_for_this_process_alone(), _script_not_run():
            process.start()
    finally:
        os.environ["PYTHONSAFEPATH"] = safe  # empty is as unset
        theirs.close()
        alive.close()
    return process, ours, life


@contextlib.contextmanager
def _signals_for_this_process_alone() -> Iterator[None]:
    """Processes started inside are deaf to Ctrl-C and hang-ups: these reach them once, as the end of the pipe."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGHUP])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_STARTING = threading.Lock()


@contextlib.contextmanager
def _script_not_run() -> Iterator[None]:
    """Processes started inside do not run the main module, as spawned ones do: it may be a script without a guard.

    What a spawned process runs is that which `multiprocessing.spawn` says of this one's main module.
    """
    with _STARTING:
        told = spawn.get_preparation_data
        spawn.get_preparation_data = lambda name: {
            key: value for key, value in told(name).items() if not key.startswith("init_main")
        }
        try:
            yield
        finally:
            spawn.get_preparation_data = told


# ---- in the process of a worker


def _serve(pipe: Connection, life: Connection, quiet: bool, once: bool) -> None:
    """once: end after the first piece."""
    if quiet:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(2, 1)  # results go to standard output, and those are the parent's to print
    threading.Thread(target=_end_with, args=[life], daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the parent may be gone, and nobody asks why this ended
        serving = Serving(pickle.loads(pipe.recv_bytes()))
        while True:
            piece = pipe.recv_bytes()
            answer = serving.answer(piece, pipe.send)
            if once and answer.failure is not None and answer.failure.log:
                print(answer.failure.log, file=sys.stderr)
            pipe.send(answer)
            if once:
                return


def _end_with(life: Connection) -> None:
    """End this process as SIGTERM does when the other end of the pipe is closed: nobody waits for it any more."""
    with contextlib.suppress(OSError):
        life.poll(None)
    signal.raise_signal(signal.SIGTERM)
