"""Pieces of work, each in a process of its own that ends, keeping its checkpoint, when this one does.

`concurrent.futures.ProcessPoolExecutor` is not enough here: one killed process breaks its whole pool and its exit code
is lost, and running work cannot be told to stop. So each task gets a `multiprocessing.Process` and a pipe.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TypeVar

from ner_distill.console import Reporter
from ner_distill.errors import ConfigError, NerDistillError

Task = TypeVar("Task")


def run_processes(
    work: Callable[[Task], None],
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    quiet: bool = False,
    ready: Callable[[Task], bool] = lambda task: True,
    begins: Callable[[Task], None] = lambda task: None,
) -> Generator[tuple[Task, str | None], None, None]:
    """Call `work(task)` for every task in a process of its own, `jobs` at once.

    As processes are spawned, a script that calls this needs `if __name__ == "__main__":` around what it does.
    quiet: what the processes print is not shown.
    ready: whether a task may begin; asked again whenever another has ended. A task that never may is left out.
    begins: called before the process of a task is started.
    Yields each task when its process has ended, with None, or with the reason why it failed. Closing the generator (use
    `contextlib.closing`) tells the processes that still run to stop, and waits for them.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else None
    waiting, running = list(tasks), dict[Connection, tuple[Task, SpawnProcess]]()
    try:
        while True:
            while len(running) < jobs and (able := [task for task in waiting if ready(task)]):
                waiting.remove(task := able[0])
                begins(task)
                pipe, process = _start(work, task, threads, quiet)
                running[pipe] = task, process
            if not running:
                return
            ended = connection.wait(list(running))
            for pipe in [pipe for pipe in running if pipe in ended]:
                task, process = running[pipe]
                reason = _outcome(pipe, process)
                del running[pipe]
                yield task, reason
    finally:
        for pipe in running:
            pipe.close()
        for _, process in running.values():
            process.join()


def require_one_process(message: str) -> None:
    """Raises ConfigError with this message where torchrun or MPI started several processes."""
    if any(int(os.environ.get(name, "1")) > 1 for name in ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")):
        raise ConfigError(message)


def _start(
    work: Callable[[Task], None], task: Task, threads: int | None, quiet: bool
) -> tuple[Connection, SpawnProcess]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, threads, quiet))
    safe = os.environ.get("PYTHONSAFEPATH", "")
    os.environ["PYTHONSAFEPATH"] = "1"  # no json.py of the directory where the user happens to be
    try:
        with _signals_for_this_process_alone():
            process.start()
    finally:
        os.environ["PYTHONSAFEPATH"] = safe  # empty is as unset
        theirs.close()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is gone; its exit code says why
        ours.send((Reporter.spell, Reporter.terse, work, task))
    return ours, process


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


def _outcome(pipe: Connection, process: SpawnProcess) -> str | None:
    """Wait for the end of a process. Returns None, or the reason why it failed."""
    reason: str | None = None
    with contextlib.suppress(EOFError, ConnectionResetError), pipe:
        reason = pipe.recv()
        process.join()
    process.join()
    code = process.exitcode or 0
    if code < 0:
        hint = "; the system does that where memory runs out" if code == -9 else ""
        return f"its process was ended by signal {-code}{hint}"
    return reason or (f"its process ended with exit code {code}" if code else None)


# ---- in the process of a task


def _serve(pipe: Connection, threads: int | None, quiet: bool) -> None:
    if threads:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    if quiet:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(2, 1)  # results go to standard output, and those are the parent's to print
    try:
        spell, terse, work, task = pipe.recv()  # only now, as the modules that it imports read the environment
    except EOFError:
        return
    Reporter.spell, Reporter.terse = staticmethod(spell), terse
    threading.Thread(target=_end_with_pipe, args=[pipe], daemon=True).start()
    with contextlib.suppress(OSError):  # the parent may be gone, and nobody asks why this ended
        try:
            work(task)
        except NerDistillError as error:
            pipe.send(str(error))
        except Exception as error:  # whatever it is, the parent is to say it, and to go on with the others
            traceback.print_exc()
            pipe.send(f"{type(error).__name__}: {error}")


def _end_with_pipe(pipe: Connection) -> None:
    """End this process as SIGTERM does when the other end of the pipe is closed: nobody waits for it any more."""
    with contextlib.suppress(OSError):
        pipe.poll(None)
    signal.raise_signal(signal.SIGTERM)
