"""Executors as options name them."""

from __future__ import annotations

import builtins
import os
import sys
from typing import Any

import pytest

from ner_distill.errors import ConfigError
from ner_distill.executing import opening
from ner_distill.executing.local import LocalExecutor
from ner_distill.executing.opening import executor_of
from ner_distill.executing.worker import cores


@pytest.mark.parametrize(
    ("named", "workers", "jobs", "expected"),
    [
        ("local:3", "auto", 1, 3),
        ("local", "4", 1, 4),
        ("local:4", "4", 1, 4),
        ("local", "auto", 1, 6),
        ("", "auto", 2, 2),
    ],
)
def test_so_many_processes(named: str, workers: str, jobs: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "cores", lambda: 6)
    executor = executor_of(named, workers, jobs=jobs)
    assert isinstance(executor, LocalExecutor)
    assert executor.workers == expected


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say which cores a process may use")
def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 7, 9})
    assert cores() == 3


def test_auto_is_one_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_devices", lambda: ["0", "1", "2"])
    executor = executor_of("local")
    assert isinstance(executor, LocalExecutor)
    assert (executor.workers, executor.devices) == (3, ["0", "1", "2"])


def test_nothing_named_is_this_process() -> None:
    assert executor_of("") is None


@pytest.mark.parametrize(
    ("named", "workers", "jobs", "said"),
    [
        ("slurm", "auto", 1, "`executor` slurm: expected local, local:N, ray or ray:ADDRESS"),
        ("local:0", "auto", 1, "`executor` local:0: expected a number of 1 or more"),
        ("local:2", "3", 1, "`executor` local:2 and `workers` 3 say different numbers"),
        ("local", "many", 1, "`workers` many: expected a number of 1 or more, or auto, found 'many'"),
        ("", "3", 1, "`workers` 3: says nothing without `executor`"),
        ("local:2", "auto", 2, "`jobs` 2 is `executor` local:2: leave out one"),
    ],
)
def test_what_is_none_is_refused(named: str, workers: str, jobs: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        executor_of(named, workers, jobs=jobs)


def test_without_ray_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "ray":
            raise ImportError(name)
        return found(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"Ray is not installed; pip install 'ner-distill\[ray\]'"):
        executor_of("ray")
