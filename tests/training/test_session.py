"""Which precision a training computes in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ner_distill.training import session
from tests import checkpoints, corpora
from tests.commands import ok, settings

FEW = settings("optim.epochs=1", "similarity.weight=0")


def trained(tmp_path: Path, *options: str) -> str:
    """What a training of a teacher says that it computed in."""
    corpora.write_conll(tmp_path / "train.conll", corpora.sentences(4, seed=1))
    done = ok(
        "train-teacher", "--train", tmp_path / "train.conll", "--out", tmp_path / "run", *FEW, *settings(*options)
    )
    found: str = json.loads((tmp_path / "run" / "environment.json").read_text())["precision"]
    assert f"; cpu, {found}" in done.err
    return found


@pytest.fixture
def bert(tmp_path: Path) -> str:
    return f"encoder.name={checkpoints.bert(tmp_path / 'bert', ['Ann lives in Oslo'], positions=64, layers=1)}"


@pytest.mark.parametrize(("able", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_pretrained_encoder_learns_in_bf16_where_the_device_has_it(
    able: bool, expected: str, bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "has_bf16", lambda _: able)
    assert trained(tmp_path, bert) == expected


def test_a_precision_that_is_given_is_taken(bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "has_bf16", lambda _: True)
    assert trained(tmp_path, bert, "optim.precision=fp32") == "fp32"


def test_an_encoder_from_scratch_learns_in_fp32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "has_bf16", lambda _: True)
    assert trained(tmp_path) == "fp32"
