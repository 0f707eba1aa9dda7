import json
import shutil
from pathlib import Path

import pytest

from ner_distill.data.calibration import Calibration, ScoreMap
from ner_distill.data.thresholds import Threshold
from ner_distill.runs.calibration import RunCalibration, read_thresholds, write_calibration, write_thresholds
from tests import corpora
from tests.commands import ok, run
from tests.world import World

TEXT = "Ann Miller lives in Oslo .\n"


@pytest.fixture
def model(world: World, tmp_path: Path) -> Path:
    """The teacher, whose places score nearly 0.3, and everything else nearly 0.8."""
    shutil.copytree(world.teacher, tmp_path / "run")
    maps = Calibration(ScoreMap(0.001, 1.386), {"LOC": ScoreMap(0.001, -0.847)})
    write_calibration(tmp_path / "run", RunCalibration(maps, 1.0), [])
    return tmp_path / "run"


def entities(model: Path, *options: str) -> dict[str, float]:
    out = ok("predict", "--model", model, "--format", "jsonl", *options, stdin=TEXT).out
    return {one["text"]: one["score"] for one in json.loads(out)["entities"]}


def test_scores_are_the_calibrated_ones_and_entities_the_same(world: World, model: Path) -> None:
    raw, calibrated = entities(world.teacher), entities(model)
    assert list(raw) == list(calibrated) == ["Ann Miller", "Oslo"]
    assert calibrated == pytest.approx({"Ann Miller": 0.8, "Oslo": 0.3}, abs=0.005)


def test_entities_below_the_least_score_are_left_out(model: Path) -> None:
    assert list(entities(model, "--min-score", "0.6")) == ["Ann Miller"]
    assert list(entities(model, "--min-score", "0.6", "--min-score", "LOC=0.2")) == ["Ann Miller", "Oslo"]
    assert list(entities(model, "--min-score", "PER=1")) == ["Oslo"]


def test_stored_thresholds_are_used_when_asked_for(model: Path) -> None:
    write_thresholds(model, {"LOC": Threshold(0.95, 0.7, 0.95, 9, 9, 9, 9)}, [])
    assert list(entities(model)) == ["Ann Miller", "Oslo"]
    assert list(entities(model, "--min-score", "stored")) == ["Ann Miller"]
    assert list(entities(model, "--min-score", "stored", "--min-score", "LOC=0.1")) == ["Ann Miller", "Oslo"]


def test_type_without_a_threshold_that_reaches_its_precision_does_not_pass(model: Path) -> None:
    write_thresholds(model, {"PER": Threshold(0.95, None, 0.9, 0, 0, 9, 9)}, [])
    done = ok("predict", "--model", model, "--min-score", "stored", stdin=TEXT)
    assert done.out == "Ann Miller lives in [LOC Oslo] .\n"
    assert (
        "no score of PER reached a precision of 0.95: nothing of it passes; --min-score PER=P lets some pass"
        in done.err
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--min-score", "stored"], "has no thresholds; choose them on labelled sentences"),
        (["--min-score", "1.5"], "--min-score 1.5: expected a score from 0 to 1, or `stored`"),
        (["--min-score", "nan"], "--min-score nan: expected a score from 0 to 1"),
        (["--min-score", "DATE=0.5"], "DATE=0.5: no such type; the model has"),
        (["--min-score", "high"], "--min-score high: expected a number"),
    ],
)
def test_wrong_least_scores_are_said(world: World, options: list[str], said: str) -> None:
    done = run("predict", "--model", world.teacher, *options, stdin=TEXT)
    assert done.code == 2
    assert said in done.err


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "more.conll"
    corpora.write_conll(path, corpora.sentences(200, seed=21))
    return path


def test_thresholds_are_chosen_kept_and_reach_the_precision(world: World, model: Path, data: Path) -> None:
    done = ok("evaluate", "--model", model, "--data", data, "--precision", "0.6", "--precision", "ORG=0",
              "--json", model.parent / "s.json")  # fmt: skip
    chosen = json.loads((model.parent / "s.json").read_text())["thresholds"]
    assert set(chosen) == {"PER", "LOC"}
    assert all(one["precision"] >= one["bound"] >= 0.6 for one in chosen.values())
    assert {label: one.score for label, one in read_thresholds(model).items()} == {
        k: v["score"] for k, v in chosen.items()
    }
    assert json.loads((model / "thresholds.json").read_text())["types"]["PER"]["chosen_on"][0]["name"] == str(data)
    assert "least scores" in done.out
    ok("evaluate", "--model", model, "--data", data, "--min-score", "stored", "--json", model.parent / "s.json")
    passing = json.loads((model.parent / "s.json").read_text())["by_type"]
    assert passing["PER"]["precision"] == pytest.approx(chosen["PER"]["precision"])


def test_choosing_again_says_what_it_replaces(model: Path, data: Path) -> None:
    ok("evaluate", "--model", model, "--data", data, "--precision", "PER=0.5")
    done = ok("evaluate", "--model", model, "--data", data, "--precision", "PER=0.6")
    assert "PER: replaces the threshold 0." in done.err
    assert "(for a precision of 0.5)" in done.err


def test_thresholds_of_another_calibration_go_and_are_named(model: Path, data: Path) -> None:
    ok("evaluate", "--model", model, "--data", data, "--precision", "PER=0.5")
    write_calibration(model, RunCalibration(Calibration(ScoreMap(1.0, 0.0), {}), 1.0), [])
    done = ok("evaluate", "--model", model, "--data", data, "--precision", "LOC=0.5")
    assert "those of PER were chosen with another calibration.json and are removed" in done.err


def test_too_few_entities_for_a_precision_are_said(world: World, model: Path) -> None:
    done = ok("evaluate", "--model", model, "--data", world.dev, "--precision", "PER=0.95")
    assert "PER: no score shows a precision of 0.95" in done.err
    assert "at least 117, all right, would be needed" in done.err
    assert (
        "the model knows --data as its development data, which chose its checkpoint and made calibration.json"
        in done.err
    )


@pytest.mark.parametrize("given", ["1", "-0.1", "DATE=0.9"])
def test_wrong_precision_is_said(model: Path, data: Path, given: str) -> None:
    done = run("evaluate", "--model", model, "--data", data, f"--precision={given}")
    assert done.code == 2
    assert "--precision" in done.err
    assert not (model / "thresholds.json").exists()


def test_precision_and_least_scores_exclude_each_other(model: Path, data: Path) -> None:
    done = run("evaluate", "--model", model, "--data", data, "--precision", "0.9", "--min-score", "0.5")
    assert done.code == 2
    assert "--precision chooses among all entities: leave --min-score out" in done.err


def test_evaluate_measures_the_calibration_error_of_the_scores_that_predict_prints(model: Path, data: Path) -> None:
    done = ok("evaluate", "--model", model, "--data", data, "--json", model.parent / "s.json")
    found = json.loads((model.parent / "s.json").read_text())["reliability"]
    lines = ok("predict", "--model", model, "--text", data, "--format", "jsonl").out.splitlines()
    scores = [one["score"] for line in lines for one in json.loads(line)["entities"]]
    assert sum(one["entities"] for one in found["bins"]) == len(scores)
    assert sum(one["entities"] * one["score"] for one in found["bins"]) == pytest.approx(sum(scores), rel=1e-3)
    assert {"ece", "ece_before"} <= set(found)
    assert f"calibration error {found['ece']:.3f} (not calibrated: {found['ece_before']:.3f})" in done.out


def test_training_keeps_what_it_fitted_and_on_what(world: World) -> None:
    for trained in (world.teacher, world.student):
        figures = json.loads((trained / "metrics.json").read_text())["calibration"]
        stored = json.loads((trained / "calibration.json").read_text())
        assert figures["fitted_on"] == [str(world.dev)]
        assert stored["fitted_on"] == json.loads((trained / "inputs.json").read_text())["dev"]
        assert stored["temperature"] == figures["tags"]["temperature"]
        assert stored["scores"] is None  # of 20 sentences
