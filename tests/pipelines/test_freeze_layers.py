"""`optim.freeze_layers` on a small checkpoint, by the weights that a training leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests import checkpoints, corpora
from tests.commands import ok, run, settings

QUICK = settings("optim.epochs=1", "optim.lr=1e-2", "optim.head_lr=1e-2", "optim.freeze_layers=2")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = corpora.write_all(tmp_path_factory.mktemp("freeze"), train=12, dev=4, raw=6)
    checkpoints.bert(directory / "bert", layers=3)
    return directory


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], prefix: str) -> dict[str, bool]:
    """Of each weight of an encoder with three layers and no pooler, whether training changed it."""
    names = [name for name in before if not name.startswith("pooler.")]
    return {name: not torch.equal(before[name], after[prefix + name]) for name in names}


def assert_third_alone(found: dict[str, bool]) -> None:
    assert {name for name, moved in found.items() if moved} == {name for name in found if "layer.2." in name}
    assert sum(name.startswith("embeddings.") for name in found) == 5


@pytest.mark.parametrize("more", [("similarity.encoder=separate",), ("adversarial.kind=fgm", "optim.ema=0.9")])
def test_a_teachers_lowest_layers_stay_bit_for_bit_and_the_others_learn(more, data: Path, tmp_path: Path) -> None:
    files = ("--train", data / "train.conll", "--dev", data / "dev.conll", "--out", tmp_path / "run")
    ok("train-teacher", *files, *QUICK, *settings(f"encoder.name={data / 'bert'}", *more))
    before, after = load_file(data / "bert" / "model.safetensors"), load_file(tmp_path / "run" / "model.safetensors")
    assert_third_alone(changed(before, after, "tagger.encoder.backbone."))
    if "similarity.encoder=separate" in more:
        assert_third_alone(changed(before, after, "evaluator.backbone."))


def test_a_students_lowest_layers_stay_bit_for_bit_and_the_others_learn(data: Path, tmp_path: Path) -> None:
    files = ("--gold", data / "train.conll", "--dev", data / "dev.conll", "--out", tmp_path / "run")
    ok("train-student", *files, *QUICK, *settings(f"encoder.name={data / 'bert'}"))
    before, after = load_file(data / "bert" / "model.safetensors"), load_file(tmp_path / "run" / "model.safetensors")
    assert_third_alone(changed(before, after, "bert."))


def test_more_layers_than_the_checkpoint_has_are_refused_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    files = ("--train", data / "train.conll", "--dev", data / "dev.conll", "--out", tmp_path / "run")
    done = run("train-teacher", *files, *settings(f"encoder.name={data / 'bert'}", "optim.freeze_layers=4"))
    assert done.code == 2
    assert "optim.freeze_layers: the encoder has 3 layers, found 4; give fewer" in done.err
    assert not (tmp_path / "run").exists()
