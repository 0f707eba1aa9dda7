"""A checkpoint of the hub is one of its commits: named, written down, and the same when a training goes on."""

from __future__ import annotations

import shutil
import tomllib
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from ner_distill.config import TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.huggingface import OnHub, commit_of, load_backbone, load_tokenizer, located
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.training.fit import Fit
from tests import checkpoints, corpora
from tests.commands import ok, run, settings

OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"
NAME = "someone/encoder"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the hub's client, which alone is asked: an encoder of two commits, the older one tagged `v1`."""
    home = tmp_path / "hub" / "models--someone--encoder"
    for seed, commit in enumerate((OLD, NEW)):
        checkpoints.bert(home / "snapshots" / commit, layers=1, positions=32, seed=seed)
    (home / "refs").mkdir()
    (home / "refs" / "v1").write_text(OLD)
    (home / "refs" / "main").write_text(NEW)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return home


def vectors(model: torch.nn.Module) -> torch.Tensor:
    return next(iter(model.parameters())).detach()


@pytest.mark.parametrize(
    ("name", "commit"), [(NAME, NEW), (f"{NAME}@main", NEW), (f"{NAME}@v1", OLD), (f"{NAME}@{OLD}", OLD)]
)
def test_the_revision_behind_the_name_is_the_one_that_is_loaded(cache: Path, name: str, commit: str) -> None:
    assert commit_of(name) == commit
    assert torch.equal(vectors(load_backbone(name)), vectors(load_backbone(cache / "snapshots" / commit)))
    assert len(load_tokenizer(name)) == len(load_tokenizer(cache / "snapshots" / commit))


def test_a_directory_with_an_at_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a@b").mkdir()
    assert located(tmp_path / "a@b") == tmp_path / "a@b"
    assert commit_of(tmp_path / "a@b") is None
    assert located("a/b@refs/pr/1") == OnHub("a/b", "refs/pr/1")


@pytest.mark.parametrize("name", ["someone/encoder@", "@main", "@"])
def test_half_a_name_says_what_is_expected(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected ID@REVISION of the Hugging Face hub, with a branch, a tag or a"):
        located(name)


@pytest.mark.usefixtures("cache")
def test_a_revision_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match=rf"{NAME}@v2: could not be loaded"):
        load_backbone(f"{NAME}@v2")
    assert commit_of(f"{NAME}@v2") is None


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return corpora.write_all(tmp_path / "data", train=12, dev=3, raw=2)


def training(data: Path, name: str, out: Path, *more: str) -> tuple[str | Path, ...]:
    keys = settings("optim.epochs=2", "optim.batch_words=32", "similarity.weight=0", f"encoder.name={name}")
    return ("train-teacher", "--train", data / "train.conll", "--out", out, *keys, *more)


def began_with(out: Path) -> object:
    return tomllib.loads((out / "config.toml").read_text("utf-8"))["encoder"]["name"]


def test_a_training_goes_on_with_the_commit_that_it_began_with(
    cache: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    ok(*training(data, NAME, whole))
    step, steps = Fit._step, count(1)

    def stopped(*given: Any, **named: Any) -> Any:
        if next(steps) == 3:
            raise KeyboardInterrupt
        return step(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Fit, "_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            train_teacher(
                load_config(TeacherConfig, None, [one for one in training(data, NAME, out)[6::2] if "=" in str(one)]),
                TeacherOptions(train=[data / "train.conll"], out=out),
                Reporter(quiet=True),
            )
    (cache / "refs" / "main").write_text(OLD)
    refused = run(*training(data, f"{NAME}@{OLD}", out, "--resume"))
    assert refused.code == 2
    assert f"encoder.name was '{NAME}@{NEW}', now '{NAME}@{OLD}'" in refused.err
    ok(*training(data, NAME, out, "--resume"))
    assert began_with(out) == began_with(whole) == f"{NAME}@{NEW}"
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    card = (out / "README.md").read_text("utf-8")
    assert f"`{NAME}@{NEW}`" in card
    assert f'base_model: "{NAME}"' in card


def test_a_finished_run_needs_no_hub(cache: Path, data: Path, tmp_path: Path) -> None:
    ok(*training(data, f"{NAME}@v1", tmp_path / "out"))
    assert began_with(tmp_path / "out") == f"{NAME}@{OLD}"
    shutil.rmtree(cache)
    for name in (NAME, f"{NAME}@{OLD}"):
        assert "nothing to do" in ok(*training(data, name, tmp_path / "out", "--resume")).err


def test_a_voting_is_of_one_commit(cache: Path, data: Path, tmp_path: Path) -> None:
    keys = settings("optim.epochs=1", "similarity.weight=0", f"encoder.name={NAME}")
    voting = ("vote-labels", "--train", data / "train.conll", "--out", tmp_path / "v", "--folds", "2", *keys)
    ok(*voting)
    shutil.rmtree(tmp_path / "v" / "folds" / "r1-f2")
    (cache / "refs" / "main").write_text(OLD)
    ok(*voting, "--resume")
    assert [began_with(tmp_path / "v" / "folds" / fold) for fold in ("r1-f1", "r1-f2")] == [f"{NAME}@{NEW}"] * 2


def test_a_run_of_an_earlier_version_goes_on_by_its_id(cache: Path, data: Path, tmp_path: Path) -> None:
    ok(*training(data, NAME, tmp_path / "out"))
    file = tmp_path / "out" / "config.toml"
    file.write_text(file.read_text("utf-8").replace(f"{NAME}@{NEW}", NAME), "utf-8")
    assert "nothing to do" in ok(*training(data, NAME, tmp_path / "out", "--resume")).err
