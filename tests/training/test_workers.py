"""Work in processes of its own: what comes back, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ner_distill.errors import DataError
from ner_distill.training.workers import run_processes


def write_environment(path: Path) -> None:
    path.write_text(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}")


def fail(path: Path) -> None:
    raise DataError(f"{path}: is wrong")


def break_down(path: Path) -> None:
    raise ZeroDivisionError(f"of {path}")


def kill_itself(path: Path) -> None:
    path.write_text("begun")
    os.kill(os.getpid(), signal.SIGKILL)


def until_stopped(path: Path) -> None:
    """As a training does: begins, notes a signal, and leaves something when it ends."""
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: received.append(number))
    path.with_suffix(".begun").write_text(str(os.getpid()))
    wait_for(lambda: bool(received))
    time.sleep(0.2)  # a second signal would end a training at once
    path.write_text("saved" if len(received) == 1 else f"signals {received}")


def quick_or_stopped(path: Path) -> None:
    """Fails at once, or goes on until it is told to stop."""
    if path.name == "quick":
        wait_for(path.with_name("slow.begun").exists)
        raise DataError("quick")
    until_stopped(path)


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
    assert what()


def test_each_task_has_a_process_and_its_share_of_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    tasks = [tmp_path / str(number) for number in range(3)]
    assert sorted(run_processes(write_environment, tasks, jobs=2)) == [(task, None) for task in tasks]
    ids, threads = zip(*(task.read_text().split() for task in tasks), strict=True)
    assert len({*ids, str(os.getpid())}) == 4
    assert set(threads) == {"3"}


def test_a_task_begins_when_it_is_ready_and_one_that_never_is_is_left_out(tmp_path: Path) -> None:
    first, second, never = (tmp_path / name for name in ("first", "second", "never"))
    needs, begun = {second: first, never: tmp_path / "nothing"}, []
    ended = run_processes(
        write_environment,
        [second, never, first],
        jobs=2,
        ready=lambda path: path not in needs or needs[path].exists(),
        begins=begun.append,
    )
    assert list(ended) == [(first, None), (second, None)]
    assert begun == [first, second]


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (fail, "place: is wrong"),
        (break_down, "ZeroDivisionError: of place"),
        (kill_itself, "its process was ended by signal 9; the system does that where memory runs out"),
    ],
)
def test_a_failure_says_why(
    work: Callable[[Path], None], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(run_processes(work, [Path("place")], quiet=True)) == [(Path("place"), reason)]


def test_nothing_of_the_working_directory_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pickle.py").write_text("raise AssertionError")
    monkeypatch.chdir(tmp_path)
    assert list(run_processes(write_environment, [tmp_path / "a"])) == [(tmp_path / "a", None)]


def test_when_one_fails_the_others_are_stopped_and_save(tmp_path: Path) -> None:
    tasks = [tmp_path / "slow", tmp_path / "quick", tmp_path / "later"]
    with closing(run_processes(quick_or_stopped, tasks, jobs=2)) as ended:
        assert next(ended) == (tmp_path / "quick", "quick")
    assert (tmp_path / "slow").read_text() == "saved"
    assert not (tmp_path / "later").exists()


def test_an_interrupt_stops_the_process_which_saves(tmp_path: Path) -> None:
    def interrupt() -> None:
        wait_for((tmp_path / "a.begun").exists)
        # as from a terminal: every process of the group gets it
        os.kill(int((tmp_path / "a.begun").read_text()), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    # what a shell starts in the background ignores the signal from the start
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    watcher = threading.Thread(target=interrupt)
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt), closing(run_processes(until_stopped, [tmp_path / "a"])) as ended:
            list(ended)
        watcher.join()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert (tmp_path / "a").read_text() == "saved"


def test_a_process_ends_and_saves_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.training.test_workers import *; "
        "list(run_processes(until_stopped, [Path(sys.argv[1])]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path / "a"], env=environment)
    wait_for((tmp_path / "a.begun").exists)
    parent.kill()
    parent.wait()
    wait_for(lambda: (tmp_path / "a").exists() and (tmp_path / "a").read_text() == "saved")
