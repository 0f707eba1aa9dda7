import json
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.calibration import Calibration, ScoreMap
from ner_distill.data.sentence import Span
from ner_distill.data.thresholds import Threshold
from ner_distill.errors import RunError
from ner_distill.runs.calibration import (
    RunCalibration,
    read_calibration,
    read_thresholds,
    write_calibration,
    write_thresholds,
)

LABELS = ("LOC", "PER")
FITTED = RunCalibration(Calibration(ScoreMap(0.5, -1.0), {"PER": ScoreMap(2.0, 0.25)}), 1.5)
REACHED, MISSED = Threshold(0.95, 0.8, 0.951, 200, 198, 400, 300), Threshold(0.95, None, 0.9, 0, 0, 400, 300)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_calibration(tmp_path, FITTED, [{"name": "dev.conll", "size": 1, "sha256": "0"}])
    assert read_calibration(tmp_path, LABELS) == FITTED


def test_run_without_calibration_leaves_scores_as_they_are(tmp_path: Path) -> None:
    entities = [(Span(0, 1, "PER"), 0.7)]
    assert read_calibration(tmp_path, LABELS).applied(entities) == entities


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 9}, "expected format 1, found 9"),
        ({"temperature": 1e9}, "expected a temperature from 0.05 to 20"),
        ({"temperature": True}, "expected a temperature from 0.05 to 20"),
        ({"temperature": float("nan")}, "expected a temperature from 0.05 to 20"),
        ({"scores": []}, "expected maps of all types and of single ones of LOC, PER"),
        ({"scores": {"all": {"scale": 1, "shift": 0}, "types": {"X": {}}}}, "single ones of LOC, PER"),
        ({"scores": {"all": {"scale": -1, "shift": 0}, "types": {}}}, "expected a scale above 0"),
        ({"scores": {"all": {"scale": 1, "shift": 1e300}, "types": {}}}, "of at most 100"),
        ({"scores": {"all": "1", "types": {}}}, "expected a scale above 0"),
    ],
)
def test_damaged_calibration_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    write_calibration(tmp_path, FITTED, [])
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError, match=said):
        read_calibration(tmp_path, LABELS)


def test_thresholds_are_added_by_type_and_replaced(tmp_path: Path) -> None:
    write_thresholds(tmp_path, {"PER": REACHED, "LOC": REACHED}, [])
    write_thresholds(tmp_path, {"PER": MISSED}, [{"name": "a", "size": 1, "sha256": "0"}])
    found = read_thresholds(tmp_path)
    assert {label: one.score for label, one in found.items()} == {"PER": None, "LOC": 0.8}
    stored = json.loads((tmp_path / "thresholds.json").read_text())["types"]
    assert stored["LOC"]["precision"] == 198 / 200
    assert stored["PER"]["chosen_on"][0]["name"] == "a"


def test_thresholds_of_another_calibration_are_refused_and_go_when_others_are_chosen(tmp_path: Path) -> None:
    write_thresholds(tmp_path, {"PER": REACHED}, [])
    write_calibration(tmp_path, FITTED, [])
    with pytest.raises(RunError, match="PER was chosen with another calibration.json; choose it again"):
        read_thresholds(tmp_path)
    assert write_thresholds(tmp_path, {"LOC": REACHED}, []) == ["PER"]
    assert list(read_thresholds(tmp_path)) == ["LOC"]
    assert write_thresholds(tmp_path, {"LOC": MISSED}, []) == []


@pytest.mark.parametrize("types", [[], {"PER": 1}, {"PER": {"wanted": 0.9, "score": 7}}, {"PER": {"score": 0.5}}])
def test_damaged_thresholds_are_refused(tmp_path: Path, types: Any) -> None:
    (tmp_path / "thresholds.json").write_text(json.dumps({"format": 1, "types": types}))
    with pytest.raises(RunError, match=r"thresholds.json"):
        read_thresholds(tmp_path)
