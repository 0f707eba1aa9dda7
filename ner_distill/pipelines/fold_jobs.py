"""The folds of a voting, one after the other in this process or several at once in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from typing import IO, Any

from ner_distill.console import Reporter
from ner_distill.errors import NerDistillError, TrainingError
from ner_distill.pipelines import runs
from ner_distill.pipelines.held_out import FoldTask, do_fold


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
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.stop()
            raise


def _say(task: FoldTask, done: int, total: int, reporter: Reporter) -> None:
    metrics: dict[str, Any] = runs.read_json(task.directory / "metrics.json", "the fold is damaged")
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
        with subprocess.Popen(
            [sys.executable, "-P", "-c", _IN_PROCESS],  # -P: no module of the directory where the user happens to be
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
            process_group=0,  # Ctrl-C reaches the training once, as the end of its standard input
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            self.inputs.append(process.stdin)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(f"{json.dumps(sys.path)}\n{json.dumps(asdict(task))}\n")
                process.stdin.flush()
            said = process.stdout.read()
            code = process.wait()
        if code:
            reason = str(json.loads(said)) if said else f"its process ended with exit code {code}"
            raise TrainingError(f"{task.directory}: {reason}. Finished folds are kept: go on with --resume")

    def stop(self) -> None:
        """Tell all processes to end."""
        self.stopped = True
        for stream in self.inputs:
            with contextlib.suppress(OSError, ValueError):
                stream.close()


_IN_PROCESS = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.readline()); "
    "from ner_distill.pipelines.fold_jobs import in_process; in_process(json.loads(sys.stdin.readline()))"
)


def in_process(message: dict[str, Any]) -> None:
    """Do the fold of the message and end the process; where it fails, the reason goes to standard output as JSON."""
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    said = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):
            do_fold(FoldTask(**message))
    except NerDistillError as error:
        said.write(json.dumps(str(error)))
        sys.exit(error.exit_code)
    except Exception as error:
        traceback.print_exc()
        said.write(json.dumps(f"{type(error).__name__}: {error}"))
        sys.exit(1)


def _stop_at_end_of_input() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
