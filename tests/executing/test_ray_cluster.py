"""Ray actors do what processes do: each is opened once, what dies or fails is done again. Skipped without Ray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ner_distill.errors import ConfigError
from ner_distill.executing import ray_cluster
from ner_distill.executing.base import Terms
from ner_distill.executing.each import run_each
from ner_distill.executing.opening import executor_of
from tests.commands import ok, snapshot
from tests.executing.test_local import Squares, wait_for, write_environment
from tests.world import World

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'ner-distill[ray]'")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """One of this machine, whose workers find the tests; started again where a busy machine is late."""
    for left in reversed(range(3)):
        try:
            ray.init(
                "local",
                num_cpus=3,
                include_dashboard=False,
                log_to_driver=False,
                runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
            )
            break
        except Exception:  # Ray raises nothing narrower
            ray.shutdown()
            if not left:
                raise
    yield
    ray.shutdown()


class Idle:
    """Somebody else's actor."""

    def ready(self) -> bool:
        return True


@pytest.mark.parametrize("how", ["die", "fail"])
def test_a_piece_is_given_again_when_its_actor_dies_or_fails(tmp_path: Path, how: str) -> None:
    executor = executor_of("ray", "2")
    assert executor is not None
    told: list[tuple[int, int]] = []
    terms = Terms[int](advance=lambda *one: told.append(one))
    outcomes = {o.piece: o for o in executor.run(Squares(tmp_path, **{how: 2}, times=2), range(5), terms)}
    assert {piece: o.result and o.result[1] for piece, o in outcomes.items()} == {n: n * n for n in range(5)}
    assert (tmp_path / "tried-2").read_text() == "xxx"
    assert tuple(map(sum, zip(*told, strict=True))) == (5, 50)


def test_a_piece_that_fails_three_times_comes_back_with_its_traceback(tmp_path: Path) -> None:
    executor = executor_of("ray", "2")
    assert executor is not None
    outcomes = {o.piece: o for o in executor.run(Squares(tmp_path, fail=1, times=9), range(3))}
    failure = outcomes[1].failure
    assert failure is not None
    assert failure.reason == "ZeroDivisionError: of 1"
    assert "in square" in failure.log
    assert [piece for piece, o in outcomes.items() if o.failure is None] == [0, 2]


def test_closing_ends_the_actors(tmp_path: Path) -> None:
    executor = executor_of("ray", "2")
    assert executor is not None
    with closing(executor.run(Squares(tmp_path), range(100))) as outcomes:
        first = next(outcomes)
    assert first.result is not None
    number = first.result[0]
    wait_for(lambda: not Path(f"/proc/{number}").exists())


def test_where_there_is_room_for_fewer_workers_these_do_all(tmp_path: Path) -> None:
    executor = executor_of("ray", "5")  # there are three cores
    assert executor is not None
    outcomes = {o.piece: o.result and o.result[1] for o in executor.run(Squares(tmp_path), range(7))}
    assert outcomes == {n: n * n for n in range(7)}


def test_that_there_is_no_room_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "ROOM_SECONDS", 1.0)
    executor = executor_of("ray", "2")
    assert executor is not None
    other = ray.remote(Idle).options(num_cpus=3).remote()  # all that there is
    ray.get(other.ready.remote())
    said: list[str] = []

    def waits(why: str) -> None:
        said.append(why)
        ray.kill(other)

    done = executor.run(Squares(tmp_path), range(3), Terms(waits=waits))
    outcomes = {o.piece: o.result and o.result[1] for o in done}
    assert outcomes == {n: n * n for n in range(3)}
    assert len(said) == 1
    assert "Each needs 1 core, and the cluster has 0 of 3 cores free, 0 of 0 GPUs free" in said[0]


def test_tasks_have_an_actor_each(tmp_path: Path) -> None:
    executor = executor_of("ray", "2")
    assert executor is not None
    tasks = [tmp_path / str(number) for number in range(3)]
    assert sorted(run_each(write_environment, tasks, executor)) == [(task, None) for task in tasks]
    assert len({task.read_text().split()[0] for task in tasks}) == 3


def test_a_store_has_the_bytes_of_one_process(world: World, tmp_path: Path) -> None:
    ok("label-unlabeled", "--teacher", world.teacher, "--text", world.raw, "--out", tmp_path / "soft",
       "--shard-size", "20", "--executor", "ray", "--workers", "2")  # fmt: skip
    assert snapshot(tmp_path / "soft") == snapshot(world.soft)


def test_a_cluster_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def refuse(*address: str, **how: object) -> None:
        raise ConnectionError("ray://nowhere cannot be reached")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(ConfigError, match=r"`executor` ray:nowhere:1: no cluster answers: .* `ray start --head`"):
        executor_of("ray:nowhere:1")
