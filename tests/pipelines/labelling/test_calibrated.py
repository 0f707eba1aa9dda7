from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ner_distill.data.store.store import SoftLabelStore
from ner_distill.pipelines.labelling.labeller import tempered
from tests.commands import ok, run
from tests.world import World


def test_probabilities_are_softened_and_add_up_to_one() -> None:
    probs = torch.tensor([[[0.64, 0.36, 0.0], [0.0, 0.0, 0.0]]])
    assert tempered(probs, 2.0)[0].tolist() == [pytest.approx([0.8 / 1.4, 0.6 / 1.4, 0.0]), [0.0, 0.0, 0.0]]


@pytest.fixture
def teacher(world: World, tmp_path: Path) -> Path:
    """The teacher of the world, with a temperature of 2."""
    copy = tmp_path / "teacher"
    shutil.copytree(world.teacher, copy)
    calibration = copy / "calibration.json"
    said = json.loads(calibration.read_text()) if calibration.exists() else {"scores": None, "fitted_on": []}
    calibration.write_text(json.dumps({"format": 1, **said, "temperature": 2.0}))
    return copy


def label(world: World, teacher: Path, out: Path, *more: str) -> SoftLabelStore:
    ok("label-unlabeled", "--teacher", teacher, "--text", world.raw, "--out", out, "--store-precision", "exact", *more)
    return SoftLabelStore.open(out)


def test_a_calibrated_store_holds_the_softened_probabilities(world: World, teacher: Path, tmp_path: Path) -> None:
    plain = label(world, teacher, tmp_path / "plain")
    soft = label(world, teacher, tmp_path / "soft", "--calibrated")
    for before, after in zip(plain.iter_rows(), soft.iter_rows(), strict=True):
        root = np.sqrt(before.probs.astype(np.float64))
        np.testing.assert_allclose(after.probs, root / root.sum(1, keepdims=True), atol=2e-3)
    assert soft.manifest.settings["calibrated"] == (2.0,)
    assert "calibrated" not in plain.manifest.settings


def test_a_store_goes_on_as_it_was_begun(world: World, teacher: Path, tmp_path: Path) -> None:
    label(world, teacher, tmp_path / "soft", "--calibrated")
    done = run("label-unlabeled", "--teacher", teacher, "--text", world.raw, "--out", tmp_path / "soft", "--resume")
    assert done.code == 2
    assert "settings.calibrated" in done.err


def test_a_teacher_without_a_temperature_is_refused(world: World, teacher: Path, tmp_path: Path) -> None:
    (teacher / "calibration.json").unlink()
    options = ("--teacher", teacher, "--text", world.raw, "--out", tmp_path / "soft", "--calibrated")
    done = run("label-unlabeled", *options)
    assert done.code == 2
    assert "--calibrated" in done.err
    assert "has no temperature in calibration.json: train it with --dev" in done.err
    assert not (tmp_path / "soft").exists()
