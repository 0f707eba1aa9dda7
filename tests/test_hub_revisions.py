"""A checkpoint of the hub is one of its commits: named, written down, and the same when a training goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.huggingface import OnHub, commit_of, load_backbone, load_tokenizer, located
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


def test_a_training_goes_on_with_the_commit_that_it_began_with(cache: Path, tmp_path: Path) -> None:
    root = corpora.write_all(tmp_path / "data", train=6, dev=3, raw=2)
    out = tmp_path / "teacher"

    def training(name: str, *more: str) -> tuple[str | Path, ...]:
        keys = settings("optim.epochs=1", "similarity.weight=0", f"encoder.name={name}")
        return ("train-teacher", "--train", root / "train.conll", "--out", out, *keys, *more)

    ok(*training(NAME))
    known = json.loads((out / "inputs.json").read_text())["encoder.name"]
    assert known == [{"name": NAME, "size": None, "sha256": None, "version": NEW}]
    assert f"`{NAME}`" in (out / "README.md").read_text("utf-8")

    (cache / "refs" / "main").write_text(OLD)
    moved = run(*training(NAME, "--resume"))
    assert moved.code == 2
    assert f"the files of encoder.name are not those that {out} began with" in moved.err
    assert f"go on with encoder.name={NAME}@{NEW}" in moved.err
    ok(*training(f"{NAME}@{NEW}", "--resume"))
    other = run(*training(f"{NAME}@{OLD}", "--resume"))
    assert other.code == 2
    assert f"encoder.name was {NAME!r}, now '{NAME}@{OLD}'" in other.err

    shutil.rmtree(cache)  # a finished run has all that it needs
    ok(*training(NAME, "--resume"))
