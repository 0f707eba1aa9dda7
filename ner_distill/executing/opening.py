"""An executor as options name it: `local:4`, `ray`, `ray:ADDRESS`."""

from __future__ import annotations

import os

from ner_distill.errors import ConfigError
from ner_distill.executing.base import Executor
from ner_distill.executing.local import LocalExecutor
from ner_distill.executing.worker import cores
from ner_distill.options.shared import ExecutorOptions

AUTO = "auto"


def executor_for(options: ExecutorOptions, jobs: int = 1) -> Executor | None:
    """The executor that a command was given; see `executor_of`."""
    return executor_of(options.executor, options.workers, jobs=jobs)


def executor_of(named: str, workers: str = AUTO, *, jobs: int = 1) -> Executor | None:
    """The executor that is named; None where none is, and nothing says how many pieces are done at once.

    workers: how many, or `auto`: the number behind `local:`, else one for each GPU, or where there is none each core;
             of a cluster as many as it has GPUs, or else cores.
    jobs:    the number of `local` where no executor is named.
    Raises ConfigError for what is none, and for a cluster that is not there.
    """
    number = _number("workers", workers)
    if not named:
        if number is not None:
            raise ConfigError(f"`workers` {workers}: says nothing without `executor`; give local or ray with it")
        return LocalExecutor(jobs, _devices()) if jobs > 1 else None
    if jobs > 1:
        raise ConfigError(f"`jobs` {jobs} is `executor` local:{jobs}: leave out one of `jobs` and `executor`")
    kind, colon, behind = named.partition(":")
    if kind == "local":
        own = _number("executor", behind, of=named) if colon else None
        if own is not None and number is not None and own != number:
            raise ConfigError(f"`executor` {named} and `workers` {workers} say different numbers: leave one out")
        devices = _devices()
        return LocalExecutor(own or number or len(devices) or cores(), devices)
    if kind == "ray":
        from ner_distill.executing.ray_cluster import RayExecutor

        return RayExecutor(behind, number or 0, int(os.environ.get("OMP_NUM_THREADS") or 1))
    raise ConfigError(f"`executor` {named}: expected local, local:N, ray or ray:ADDRESS")


def _number(setting: str, given: str, *, of: str = "") -> int | None:
    """A number of workers; None for `auto`."""
    if given == AUTO:
        return None
    if not given.isdecimal() or not int(given):
        raise ConfigError(f"`{setting}` {of or given}: expected a number of 1 or more, or auto, found {given!r}")
    return int(given)


def _devices() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    number = torch.cuda.device_count()
    given = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (given or list(map(str, range(number))))[:number]
