"""Work in processes of its own: what comes back, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ner_distill.errors import DataError, TrainingError
from ner_distill.executing import local
from ner_distill.executing.base import Outcome, Terms, Work
from ner_distill.executing.each import run_each
from ner_distill.executing.local import LocalExecutor


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
    monkeypatch.setattr(local, "cores", lambda: 6)
    tasks = [tmp_path / str(number) for number in range(3)]
    assert sorted(run_each(write_environment, tasks, LocalExecutor(2))) == [(task, None) for task in tasks]
    ids, threads = zip(*(task.read_text().split() for task in tasks), strict=True)
    assert len({*ids, str(os.getpid())}) == 4
    assert set(threads) == {"3"}


def test_a_task_begins_when_it_is_ready_and_one_that_never_is_is_left_out(tmp_path: Path) -> None:
    first, second, never = (tmp_path / name for name in ("first", "second", "never"))
    needs, begun = {second: first, never: tmp_path / "nothing"}, []
    ended = run_each(
        write_environment,
        [second, never, first],
        LocalExecutor(2),
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
    assert list(run_each(work, [Path("place")], LocalExecutor(1), quiet=True)) == [(Path("place"), reason)]


def test_nothing_of_the_working_directory_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pickle.py").write_text("raise AssertionError")
    monkeypatch.chdir(tmp_path)
    assert list(run_each(write_environment, [tmp_path / "a"], LocalExecutor(1))) == [(tmp_path / "a", None)]


def test_when_one_fails_the_others_are_stopped_and_save(tmp_path: Path) -> None:
    tasks = [tmp_path / "slow", tmp_path / "quick", tmp_path / "later"]
    with closing(run_each(quick_or_stopped, tasks, LocalExecutor(2))) as ended:
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
        with (
            pytest.raises(KeyboardInterrupt),
            closing(run_each(until_stopped, [tmp_path / "a"], LocalExecutor(1))) as ended,
        ):
            list(ended)
        watcher.join()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert (tmp_path / "a").read_text() == "saved"


def test_a_process_ends_and_saves_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.executing.test_local import *; "
        "list(run_each(until_stopped, [Path(sys.argv[1])], LocalExecutor(1)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path / "a"], env=environment)
    wait_for((tmp_path / "a.begun").exists)
    parent.kill()
    parent.wait()
    wait_for(lambda: (tmp_path / "a").exists() and (tmp_path / "a").read_text() == "saved")


# ---- workers that do one piece after the other


class Squares(Work[int, tuple[int, int]]):
    """The process and the square of each piece; what it is told to do to some of them it does while there is a file."""

    def __init__(self, folder: Path, **doing: int) -> None:
        self.folder, self.doing = folder, doing

    def open(self) -> Callable[[int, Callable[[int, int], None]], tuple[int, int]]:
        (self.folder / f"opened-{os.getpid()}").touch()
        if "open" in self.doing:
            raise DataError("cannot be opened")
        return self.square

    def square(self, piece: int, advance: Callable[[int, int], None]) -> tuple[int, int]:
        with (self.folder / f"tried-{piece}").open("a") as file:
            file.write("x")
        tried = len((self.folder / f"tried-{piece}").read_text())
        advance(1, 10)
        if piece == self.doing.get("die") and tried <= self.doing.get("times", 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if piece == self.doing.get("fail") and tried <= self.doing.get("times", 1):
            raise ZeroDivisionError(f"of {piece}")
        if piece == self.doing.get("wrong"):
            raise DataError(f"{piece} is wrong")
        time.sleep(self.doing.get("late", -1) == piece and 0.5)
        return os.getpid(), piece * piece


def done(
    work: Squares, pieces: Iterable[int], workers: int = 2, tries: int = 3
) -> tuple[dict[int, Outcome[int, tuple[int, int]]], list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    terms = Terms[int](tries=tries, advance=lambda *one: told.append(one))
    outcomes = list(LocalExecutor(workers).run(work, pieces, terms))
    by_piece = {outcome.piece: outcome for outcome in outcomes}
    assert len(by_piece) == len(outcomes)
    return by_piece, told


def test_workers_are_opened_once_and_do_many_pieces(tmp_path: Path) -> None:
    outcomes, told = done(Squares(tmp_path), range(8))
    assert {piece: outcome.result[1] for piece, outcome in outcomes.items() if outcome.result} == {
        piece: piece * piece for piece in range(8)
    }
    processes = {outcome.result[0] for outcome in outcomes.values() if outcome.result}
    opened = {int(path.name.removeprefix("opened-")) for path in tmp_path.glob("opened-*")}
    assert processes <= opened  # on a busy machine one may be open and get no piece
    assert len(opened) <= 2
    assert tuple(map(sum, zip(*told, strict=True))) == (8, 80)


def test_pieces_are_taken_as_workers_are_free(tmp_path: Path) -> None:
    taken: list[int] = []

    def pieces() -> Iterator[int]:
        for piece in range(6):
            taken.append(piece)
            yield piece

    with closing(LocalExecutor(1).run(Squares(tmp_path), pieces())) as outcomes:
        next(outcomes)
        assert taken == [0]
        list(outcomes)
    assert taken == list(range(6))


def test_a_late_piece_holds_up_no_other(tmp_path: Path) -> None:
    outcomes, _ = done(Squares(tmp_path, late=0), range(4))
    assert list(outcomes)[-1] == 0 or len({o.result and o.result[0] for o in outcomes.values()}) == 1


@pytest.mark.parametrize("how", ["die", "fail"])
def test_a_piece_is_given_again_when_its_worker_dies_or_fails(tmp_path: Path, how: str) -> None:
    outcomes, told = done(Squares(tmp_path, **{how: 2}, times=2), range(4))
    assert all(outcome.failure is None for outcome in outcomes.values())
    assert len(outcomes) == 4
    assert (tmp_path / "tried-2").read_text() == "xxx"
    assert tuple(map(sum, zip(*told, strict=True))) == (4, 40)  # nothing counts twice


@pytest.mark.parametrize(
    ("how", "reason", "log"),
    [
        ("die", "its process was ended by signal 9; the system does that where memory runs out", ""),
        ("fail", "ZeroDivisionError: of 2", "in square"),
    ],
)
def test_a_piece_that_fails_three_times_is_named_and_the_rest_goes_on(
    tmp_path: Path, how: str, reason: str, log: str
) -> None:
    outcomes, _ = done(Squares(tmp_path, **{how: 2}, times=9), range(6))
    failures = {piece: outcome.failure for piece, outcome in outcomes.items() if outcome.failure}
    assert list(failures) == [2]
    assert failures[2].reason == reason
    assert log in failures[2].log
    assert (tmp_path / "tried-2").read_text() == "x" * (5 if how == "die" else 3)
    assert len(outcomes) == 6


class DiesAtFirst(Work[int, int]):
    """Six workers die while they open it."""

    def __init__(self, folder: Path, times: int) -> None:
        self.folder, self.times = folder, times

    def open(self) -> Callable[[int, Callable[[int, int], None]], int]:
        if len(list(self.folder.iterdir())) < self.times:
            (self.folder / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return lambda piece, advance: piece


def test_a_worker_that_dies_while_it_opens_the_work_is_no_fault_of_its_piece(tmp_path: Path) -> None:
    outcomes = list(LocalExecutor(1).run(DiesAtFirst(tmp_path, 6), range(2)))
    assert [(outcome.piece, outcome.result) for outcome in outcomes] == [(0, 0), (1, 1)]


def test_where_every_worker_dies_while_it_opens_the_work_it_stops(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="10 pieces of work failed .* ended by signal 9"):
        list(LocalExecutor(2).run(DiesAtFirst(tmp_path, 99), range(2)))


def test_wrong_input_is_not_tried_again(tmp_path: Path) -> None:
    outcomes, _ = done(Squares(tmp_path, wrong=1), range(3))
    assert outcomes[1].failure is not None
    assert outcomes[1].failure.reason == "1 is wrong"
    assert (tmp_path / "tried-1").read_text() == "x"


def test_a_work_that_cannot_be_opened_ends_all(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be opened"):
        done(Squares(tmp_path, open=1), range(3))
    assert not list(tmp_path.glob("tried-*"))


def test_where_all_pieces_fail_it_stops(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"10 pieces of work failed .* is wrong"):
        list(LocalExecutor(2).run(Wrong(), range(50)))


class Wrong(Work[int, int]):
    def open(self) -> Callable[[int, Callable[[int, int], None]], int]:
        return self.wrong

    def wrong(self, piece: int, advance: Callable[[int, int], None]) -> int:
        raise DataError(f"{piece} is wrong")


def test_each_worker_has_its_device(tmp_path: Path) -> None:
    outcomes = list(LocalExecutor(2, ["4", "7"]).run(Devices(tmp_path), range(2)))
    assert sorted(str(outcome.result) for outcome in outcomes) == ["4", "7"]


class Devices(Work[int, str]):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> Callable[[int, Callable[[int, int], None]], str]:
        def device(piece: int, advance: Callable[[int, int], None]) -> str:
            (self.folder / str(piece)).touch()
            wait_for((self.folder / str(1 - piece)).exists)  # both are there at once
            return os.environ["CUDA_VISIBLE_DEVICES"]

        return device


def test_closing_ends_the_workers(tmp_path: Path) -> None:
    with closing(LocalExecutor(2).run(Squares(tmp_path), range(100))) as outcomes:
        first = next(outcomes)
    assert first.result is not None
    with pytest.raises(ProcessLookupError):
        os.kill(first.result[0], 0)


SCRIPT = """
from pathlib import Path
from ner_distill.executing.each import run_each
from ner_distill.executing.local import LocalExecutor
print("begun", flush=True)
assert {why for task, why in run_each(Path.touch, [Path("a"), Path("b")], LocalExecutor(2))} == {None}
print("done")
"""


def test_workers_do_not_run_the_script_that_asks_for_them(tmp_path: Path) -> None:
    """It has no `if __name__ == "__main__":`, as the page about Python has none."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ["begun", "done"]
    assert {path.name for path in tmp_path.iterdir()} == {"script.py", "a", "b"}
    assert "__main__" not in done.stderr
