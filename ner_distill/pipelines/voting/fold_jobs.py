"""The folds of a voting, one after the other in this process or several at once in processes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from ner_distill.console import Reporter
from ner_distill.errors import TrainingError
from ner_distill.files import read_json
from ner_distill.pipelines.voting.held_out import FoldTask, do_fold
from ner_distill.training.workers import run_processes


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
    with closing(run_processes(do_fold, left, jobs=jobs)) as ended:
        for task, reason in ended:
            if reason:
                raise TrainingError(f"{task.directory}: {reason}. Finished folds are kept: go on with --resume")
            done += 1
            _say(task, done, len(tasks), reporter)


def _say(task: FoldTask, done: int, total: int, reporter: Reporter) -> None:
    metrics: dict[str, Any] = read_json(task.directory / "metrics.json", "the fold is damaged")
    f1 = 100 * metrics["dev"]["micro"]["f1"]
    reporter.info(f"fold {done}/{total} (repeat {task.repeat}, fold {task.number}): F1 {f1:.1f} on its slice")
