"""The scores of a teacher's second task, in all that a training leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import corpora
from tests.commands import Done, ok, settings

QUICK = settings(*corpora.SMALL, "optim.epochs=2")
FIGURES = {"similarity_precision", "similarity_recall", "similarity_f1", "similarity_auc"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora.write_all(tmp_path_factory.mktemp("pairs"), train=12, dev=4, raw=6)


def train(data: Path, out: Path, *keys: str, dev: bool = True) -> Done:
    files = ("--train", data / "train.conll", *(("--dev", data / "dev.conll") if dev else ()), "--out", out)
    return ok("train-teacher", *files, *QUICK, *settings(*keys))


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text("utf-8"))
    return found


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def test_scores_are_in_the_metrics_of_every_epoch_the_curves_and_the_table(data: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done = train(data, tmp_path / "run")
    found = metrics(tmp_path / "run")["similarity"]
    assert set(found) == {"precision", "recall", "f1", "auc", "pairs"}
    assert all(set(line) >= FIGURES for line in lines(tmp_path / "run"))
    best = lines(tmp_path / "run")[metrics(tmp_path / "run")["best_epoch"] - 1]
    assert {f"similarity_{name}": found[name] for name in found if name != "pairs"}.items() <= best.items()
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    assert set(board.Tags()["scalars"]) >= FIGURES
    assert "similarity: are two words of one type?" in done.out
    assert f"{100 * found['f1']:.2f}" in done.out
    again = ok("train-teacher", "--train", data / "train.conll", "--dev", data / "dev.conll", "--out",
               tmp_path / "run", *QUICK, "--resume")  # fmt: skip
    assert again.out == done.out


def test_a_separate_evaluator_has_a_best_epoch_of_its_own(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "run", "similarity.encoder=separate", "similarity.weight=1.0")
    found = metrics(tmp_path / "run")
    curve = [line["similarity_f1"] for line in lines(tmp_path / "run")]
    assert found["similarity"]["f1"] == max(curve)
    assert curve[found["similarity"]["best_epoch"] - 1] == max(curve)
    assert found["dev"]["micro"]["f1"] == max(line["f1"] for line in lines(tmp_path / "run"))


@pytest.mark.parametrize(
    "keys", [("head.kind=mrc",), ("encoder.max_pieces=8",), ("head.kind=global-pointer", "similarity.target=tag")]
)
def test_every_kind_of_teacher_is_scored(keys: tuple[str, ...], data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "run", "optim.epochs=1", *keys)
    assert metrics(tmp_path / "run")["similarity"]["pairs"] > 0


@pytest.mark.parametrize(("keys", "dev"), [(("similarity.weight=0.0",), True), (("loss.kind=pu",), True), ((), False)])
def test_what_has_no_second_task_or_no_data_has_no_scores_of_it(
    keys: tuple[str, ...], dev: bool, data: Path, tmp_path: Path
) -> None:
    done = train(data, tmp_path / "run", "optim.epochs=1", *keys, dev=dev)
    assert "similarity" not in metrics(tmp_path / "run")
    assert not FIGURES & set(lines(tmp_path / "run")[0])
    assert "are two words of one type" not in done.out
