"""One writer at a time: what one process writes, no other begins, goes on with or replaces."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ner_distill.errors import RunError
from ner_distill.holding import hold, until_done
from tests import corpora
from tests.commands import ok, run, settings, snapshot
from tests.world import World

SHORT = settings(*corpora.PLAIN, "optim.epochs=1", "similarity.weight=0")
HOLDS = """
import sys
from pathlib import Path
from ner_distill.holding import hold
held = hold(Path(sys.argv[1]), "run")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """One that holds a directory until it is killed."""
    command = [sys.executable, "-c", HOLDS, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def is_free(directory: Path) -> bool:
    """Whether another process could hold it."""
    command = [sys.executable, "-c", HOLDS, str(directory)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def test_what_another_process_holds_is_refused_until_that_is_killed(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        with pytest.raises(RunError, match="another process is writing the run here; wait until it is done"):
            hold(tmp_path, "run")
        process.kill()
        process.wait()
        hold(tmp_path, "run").release()


def test_nothing_is_held_behind_the_block_whatever_happens_in_it(tmp_path: Path) -> None:
    @until_done()
    def work() -> None:
        hold(tmp_path, "run")
        assert not is_free(tmp_path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as kept:  # whose traceback keeps all that was there
        work()
    assert is_free(tmp_path)
    assert kept.traceback


def test_what_is_held_within_ends_first(tmp_path: Path) -> None:
    (inner := tmp_path / "inner").mkdir()
    with until_done():
        hold(tmp_path, "run")
        with until_done():
            hold(inner, "run")
            hold(tmp_path, "run")
        assert (is_free(inner), is_free(tmp_path)) == (True, False)
    assert is_free(tmp_path)


def test_a_process_may_hold_a_directory_twice_and_lets_go_after_both(tmp_path: Path) -> None:
    first, second = hold(tmp_path, "run"), hold(tmp_path / ".", "run")
    first.release()
    first.release()
    assert not is_free(tmp_path)
    second.release()
    assert is_free(tmp_path)


def test_what_nobody_refers_to_is_not_held(tmp_path: Path) -> None:
    hold(tmp_path, "run")
    assert is_free(tmp_path)


def test_a_forked_child_takes_nothing_from_its_parent(tmp_path: Path) -> None:
    with until_done():
        hold(tmp_path, "run")
        child = os.fork()
        if not child:
            os._exit(0 if is_free(tmp_path) else 7)  # its parent holds it still
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert not is_free(tmp_path)
    assert is_free(tmp_path)


def test_a_file_system_without_locks_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr("fcntl.flock", refused)
    hold(tmp_path, "run").release()
    hold(tmp_path / "missing", "run").release()


def test_a_run_in_use_is_neither_replaced_nor_gone_on_with(world: World, tmp_path: Path) -> None:
    train = ("train-teacher", "--train", world.train, "--out", tmp_path / "run", *SHORT)
    ok(*train)
    (tmp_path / "run" / "metrics.json").unlink()  # as if it were under way
    before = snapshot(tmp_path / "run")
    with another_process(tmp_path / "run"):
        for way in ("--overwrite", "--resume"):
            refused = run(*train, way)
            assert refused.code == 2, refused.err
            assert "another process is writing the run here" in refused.err.splitlines()[-1]
    assert snapshot(tmp_path / "run") == before
    ok(*train, "--overwrite")


def test_a_store_in_use_is_neither_replaced_nor_gone_on_with(world: World, tmp_path: Path) -> None:
    label = ("label-unlabeled", "--teacher", world.teacher, "--text", world.raw, "--out", tmp_path / "soft")
    ok(*label, "--shard-size", "20")
    before = snapshot(tmp_path / "soft")
    with another_process(tmp_path / "soft"):
        for way in ("--overwrite", "--resume"):
            refused = run(*label, "--shard-size", "20", way)
            assert refused.code == 2
            assert "another process is writing the soft-label store here" in refused.err
    assert snapshot(tmp_path / "soft") == before
    ok(*label, "--shard-size", "20", "--resume")


def test_a_comparison_in_use_is_not_gone_on_with(world: World, tmp_path: Path) -> None:
    compare = ("compare", "preset:small", "--train", world.train, "--dev", world.dev, "--seeds", "1",
               "--out", tmp_path / "out", *SHORT)  # fmt: skip
    ok(*compare)
    before = snapshot(tmp_path / "out")
    with another_process(tmp_path / "out"):
        refused = run(*compare, "--resume")
        assert refused.code == 2
        assert "another process is writing the comparison here" in refused.err
    assert snapshot(tmp_path / "out") == before
    ok(*compare, "--resume")
