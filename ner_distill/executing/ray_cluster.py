"""Workers of a Ray cluster: plain actors, one call a piece. Nothing but results comes back.

Ray is an extra: it is imported when it is used. A cluster runs the program that is installed on its nodes, the same
version on all of them, and sees files under the same paths.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from logging import ERROR
from typing import Any

from ner_distill.errors import ConfigError
from ner_distill.executing.base import TRIES, Executor, Failure, Outcome, Piece, Result, Terms, Work
from ner_distill.executing.pieces import Answer, Event, Pool, run_pieces
from ner_distill.executing.worker import Serving, Setup, cores

_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""No statistics are sent to anybody; a worker that asked for no GPU is not told that there is none."""


STARTS = 3
"""How often a cluster of one's own is started: on a busy machine its processes are late."""

ANSWER_SECONDS = 5.0  # in which a cluster has to answer
ROOM_SECONDS = 60.0  # after which it is said that there is no room yet for a worker
_RESOURCES = (("CPU", "cores"), ("GPU", "GPUs"))


class RayExecutor(Executor):
    """Actors of a cluster.

    address: of a running cluster (`auto`: the one of this machine); "": one is made on this machine, for this work.
    workers: how many; 0: as many as the cluster has GPUs, or else as it has cores for.
    threads: cores of a worker; each has a GPU where the cluster has any.
    """

    tries_of_tasks = TRIES

    def __init__(self, address: str = "", workers: int = 0, threads: int = 1) -> None:
        """Raises ConfigError where Ray is not installed or the cluster is not there."""
        self.threads = threads
        self._ray = _connected(address, workers * threads)
        there = self._ray.cluster_resources()
        self.gpus = 1 if there.get("GPU") else 0
        self.workers = workers or max(1, int(there["GPU"] if self.gpus else there.get("CPU", 1) // threads))

    def run(
        self, work: Work[Piece, Result], pieces: Iterable[Piece], terms: Terms[Piece] | None = None
    ) -> Generator[Outcome[Piece, Result], None, None]:
        terms = terms or Terms()
        yield from run_pieces(_Actors(self, work, self._ray, terms.waits), pieces, terms)


def _connected(address: str, needed: int) -> Any:
    """Returns `ray`, connected; needed: the cores that a cluster that is made here has at least."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise ConfigError("`executor` ray: Ray is not installed; pip install 'ner-distill[ray]' installs it") from None
    if ray.is_initialized():
        return ray
    require_answer(address)
    own: dict[str, Any] = {"log_to_driver": False, "logging_level": ERROR}
    if not address:
        own |= {"num_cpus": max(needed, cores()), "include_dashboard": False}
    for left in reversed(range(STARTS)):
        try:
            ray.init(address or "local", **own)
            return ray
        except Exception as error:  # Ray raises `Exception` where its own processes are not there in 30 seconds
            ray.shutdown()
            if address or not left:
                raise _not_there(address, error) from error
    raise AssertionError("it was tried")


def require_answer(address: str) -> None:
    """Raise ConfigError where nothing listens at HOST:PORT: Ray would ask again for eight minutes.

    Other addresses (`auto`, none) are Ray's to find.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _not_there(address, error) from None


def _not_there(address: str, error: Exception) -> ConfigError:
    reason = str(error).strip().partition("\n")[0]
    if not address:
        return ConfigError(f"`executor` ray: Ray does not start on this machine: {reason:.300}; its log is in /tmp/ray")
    return ConfigError(
        f"`executor` ray:{address}: no cluster answers: {reason:.300}; `ray start --head` starts one on a machine, and "
        "`ray status` says whether it is there"
    )


@dataclass
class _Actor:
    """begun: is there when the actor has opened the work. opened: it was seen."""

    handle: Any
    begun: Any
    answer: Any = None
    opened: bool = False


class _Actors(Pool):
    def __init__(self, executor: RayExecutor, work: Work[Any, Any], ray: Any, waits: Callable[[str], None]) -> None:
        self.size, self._ray, self._waits = executor.workers, ray, waits
        self._needs = f"{executor.threads} core{'s' * (executor.threads > 1)}{' and a GPU' * executor.gpus}"
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        environment["OMP_NUM_THREADS"] = str(executor.threads)
        self._setup = ray.put(Setup.of(work, environment, None))
        self._class = ray.remote(_Worker).options(
            num_cpus=executor.threads, num_gpus=executor.gpus, max_restarts=0, max_task_retries=0
        )
        self._actors = dict[int, _Actor]()
        self._started = 0
        self._told = False  # said why nothing begins

    def start(self) -> int:
        self._started += 1
        handle = self._class.remote(self._setup)
        self._actors[self._started] = _Actor(handle, handle.begin.remote())
        return self._started

    def give(self, worker: int, piece: Any) -> None:
        actor = self._actors[worker]
        actor.answer = actor.handle.answer.remote(pickle.dumps(piece))

    def wait(self) -> Sequence[Event]:
        by_answer = {actor.answer: number for number, actor in self._actors.items() if actor.answer is not None}
        done, _ = self._ray.wait(list(by_answer), num_returns=1, timeout=None if self._told else ROOM_SECONDS)
        if not done:
            self._say_if_nothing_begins()
            done, _ = self._ray.wait(list(by_answer), num_returns=1)
        self._told = True
        return [(by_answer[one], self._received(by_answer[one])) for one in done]

    def _say_if_nothing_begins(self) -> None:
        if any(self.opened(number) for number in self._actors):
            return
        free, all_of_it = self._ray.available_resources(), self._ray.cluster_resources()
        there = [f"{free.get(kind, 0):g} of {all_of_it.get(kind, 0):g} {name} free" for kind, name in _RESOURCES]
        self._waits(
            f"no worker is ready after {ROOM_SECONDS:g} seconds: models are being loaded, or there is no room. Each "
            f"needs {self._needs}, and the cluster has {', '.join(there)} (`ray status` says who has the others). "
            "Waiting on; Ctrl-C stops"
        )

    def _received(self, number: int) -> Answer:
        actor = self._actors[number]
        try:
            answer: Answer = self._ray.get(actor.answer)
            actor.answer = None
            return answer
        except self._ray.exceptions.RayError as error:
            opened = self.opened(number)
            del self._actors[number]
            reason = str(error).strip().partition("\n")[0]
            return Answer(failure=Failure(f"its worker was lost: {reason:.300}", died=True), lost=True, opened=opened)

    def opened(self, worker: int) -> bool:
        actor = self._actors[worker]
        if not actor.opened and self._ray.wait([actor.begun], timeout=0)[0]:
            try:
                self._ray.get(actor.begun)
                actor.opened = True
            except self._ray.exceptions.RayError:
                pass  # it died before
        return actor.opened

    def end(self, worker: int) -> None:
        self._ray.kill(self._actors.pop(worker).handle)

    def close(self) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor.handle)
        self._actors.clear()


_PASSED = ("HF_HUB_OFFLINE", "HF_HOME", "MKL_NUM_THREADS", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
"""What workers take over from the environment of the command."""


class _Worker:
    """What runs in an actor."""

    def __init__(self, setup: Setup) -> None:
        self._serving = Serving(setup)

    def begin(self) -> None:
        """Open the work; where that fails, `answer` says so."""
        self._serving.open()

    def answer(self, piece: bytes) -> Answer:
        return self._serving.answer(piece)
