"""The folds of a voting, one after the other in this process or several at once in processes of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from typing import IO, Any

from ner_distill.console import Reporter
from ner_distill.errors import TrainingError
from ner_distill.files import read_json
from ner_distill.pipelines.voting.held_out import FoldTask, do_fold
from ner_distill.training.child import run_child, serve


def run_folds(tasks: Sequence[FoldTask], jobs: int, reporter: Reporter) -> None:
    """Do all folds that are not finished. Raises TrainingError where one fails; the finished ones are kept."""
    left = [task for task in tasks if not task.finished()]
    if len(left) < len(tasks):
        reporter.info(f"{len(tasks) - len(left)} of {len(tasks)} folds are finished already")
    done = len(tasks) - len(left)
    if jobs == 1:
        for task in left:
            do_fold(task)
            done += 1
            _say(task, done, len(tasks), reporter)
        return
    processes = _Processes(max(1, (os.cpu_count() or 1) // jobs))
    with ThreadPoolExecutor(jobs) as pool:
        try:
            waiting = {pool.submit(processes.run, task): task for task in left}
            for future in as_completed(waiting):
                future.result()
                done += 1
                _say(waiting[future], done, len(tasks), reporter)
        except BaseException:  # Ctrl-C too: no process is to go on when nobody waits for it
            pool.shutdown(wait=False, cancel_futures=True)
            processes.stop()
            raise


def _say(task: FoldTask, done: int, total: int, reporter: Reporter) -> None:
    metrics: dict[str, Any] = read_json(task.directory / "metrics.json", "the fold is damaged")
    f1 = 100 * metrics["dev"]["micro"]["f1"]
    reporter.info(f"fold {done}/{total} (repeat {task.repeat}, fold {task.number}): F1 {f1:.1f} on its slice")


class _Processes:
    """Each fold in a process of its own, that stops, keeping a checkpoint, as soon as its standard input ends."""

    def __init__(self, threads: int) -> None:
        self.environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
        self.inputs: list[IO[str]] = []
        self.stopped = False

    def run(self, task: FoldTask) -> None:
        """Raises TrainingError with what the process says, where it fails."""
        if self.stopped:
            return
        reason = run_child(
            __name__, "in_process", asdict(task), environment=self.environment, started=self.inputs.append
        )
        if reason:
            raise TrainingError(f"{task.directory}: {reason}. Finished folds are kept: go on with --resume")

    def stop(self) -> None:
        """Tell all processes to end."""
        self.stopped = True
        for stream in self.inputs:
            with contextlib.suppress(OSError, ValueError):
                stream.close()


def in_process(message: dict[str, Any]) -> None:
    """Do the fold of the message in this process: see `serve`."""
    serve(lambda: do_fold(FoldTask(**message)))
